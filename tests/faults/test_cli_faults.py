"""What a user gets wrong, as the command line tells it: one calm message with its place, the exit code, no traceback."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.project import Project, write_lines
from tests.tiny_models import make_adapter, make_base

STEP1_VIEW = "output/run/base/gsm8k/step1_generation.jsonl"


def fails(project: Project, *command: str, code: int = 2, **options: Any) -> str:
    """What the command says on stderr; checks its exit code and that it is a message, not a crash."""
    done = project.run(*command, expect=code, **options)
    assert "Traceback" not in done.stderr + done.stdout
    assert "internal error" not in done.stderr
    assert "error: " in done.stderr
    return done.stderr


def line_of(path: Path, text: str) -> int:
    """The number of the one line that holds `text`."""
    (number,) = (number for number, line in enumerate(path.read_text().splitlines(), 1) if text in line)
    return number


def rewrite(path: Path, line: int, text: str) -> None:
    """Put `text` in place of a line (from 1)."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    lines[line - 1] = text + "\n"
    path.write_text("".join(lines), encoding="utf-8")


# ---- the run file


def test_several_faults_of_a_run_file_are_told_at_once_with_their_lines(project: Project) -> None:
    path = project.write_settings()
    text = path.read_text().replace("adapters:", "adaptors:").replace("threads: 1", "threads: two")
    path.write_text(text.replace("num_fewshot: 2", "num_fewshot: -2"))
    for command in ("all", "check", "status"):
        said = fails(project, command, "run.yaml")
        adaptors = (
            f"run.yaml:{line_of(path, 'adaptors')}: there is no setting `adaptors` in step1; did you mean adapters?"
        )
        assert adaptors in said
        assert f"run.yaml:{line_of(path, 'threads')}: `engine.threads` must be a whole number, not 'two'" in said
        assert f"run.yaml:{line_of(path, '-2')}: `tasks.0.num_fewshot` must be at least 0, not -2" in said
    assert not (project.folder / "output").exists()


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("step1.limt=3", "there is no setting `limt` in step1; did you mean limit?"),
        ("sed=3", "there is no setting `sed`; did you mean seed?"),
        ("step1.limit=ten", "`limit` must be a number, not 'ten'"),
        ("step1.generation.temprature=1", "there is no generation setting 'temprature'\n  Did you mean temperature?"),
        ("step1.tasks.7.limit=1", "`tasks` is a list of 3, counted from 0, and has no `7`"),
        ("step1.samples.gsmk=[0]", "this run has no task 'gsmk'\n  Did you mean gsm8k?"),
    ],
)
def test_a_wrong_override_is_told_as_it_was_typed(project: Project, override: str, said: str) -> None:
    project.write_settings()
    assert f"error: --set {override}: {said}" in fails(project, "check", "run.yaml", "--set", override)


def test_files_that_are_not_there(project: Project) -> None:
    path = project.write_settings()
    assert fails(project, "all", "rum.yaml") == "error: rum.yaml: no such file\n  Did you mean run.yaml?\n"
    assert "data: this is a folder, and a YAML file is wanted" in fails(project, "all", "data")
    path.write_text(path.read_text().replace("data/own.json", "data/owm.json"))
    said = fails(project, "all", "run.yaml")
    assert (
        f"run.yaml:{line_of(path, 'name: own')}: no such data file: data/owm.json\n  Did you mean data/own.json?"
        in said
    )
    path.write_text(path.read_text().replace("data/owm.json", "date/own.json"))
    assert "no such data file: date/own.json\n  Did you mean data?" in fails(project, "check", "run.yaml")
    path = project.write_settings(step1={"include_path": ["my_tasks"]})
    said = fails(project, "check", str(path))
    assert f"run.yaml:{line_of(path, 'my_tasks')}: include_path names my_tasks, and there is no such folder" in said


def test_names_that_do_not_exist_are_told_before_any_model_is_asked(project: Project) -> None:
    """An unknown metric must not come to light when step 1 has worked for hours."""
    path = project.write_settings(
        step2={"filters": {"mine": [{"function": "regx"}, {"fuction": "strip"}]}},
        step3={
            "metrics": [{"name": "rogue"}, {"name": "rouge", "tokeniser": "jieba"}, {"name": "rouge", "tasks": ["onw"]}]
        },
    )
    said = fails(project, "all", "run.yaml")
    assert f"run.yaml:{line_of(path, 'regx')}: no filter is called 'regx'\n  Did you mean regex?" in said
    assert f"run.yaml:{line_of(path, 'fuction')}: a filter needs its `function:`" in said
    assert f"run.yaml:{line_of(path, 'rogue')}: no metric is called 'rogue'\n  Did you mean rouge?" in said
    assert "the metric rouge has no argument 'tokeniser'" in said
    assert "this run has no task 'onw'\n  Did you mean own?" in said
    assert not (project.folder / "output").exists()
    path = project.write_settings(step1={"tasks": [{"name": "gsm8", "data_dir": "data"}]})
    said = fails(project, "all", "run.yaml")
    assert f"run.yaml:{line_of(path, 'name: gsm8')}: no task, group or tag is called 'gsm8'" in said
    assert "Did you mean gsm8k?" in said


# ---- models and adapters


def test_a_model_folder_that_does_not_exist(project: Project) -> None:
    path = project.write_settings(step1={"model": "./models/bas"})
    for command in ("check", "all"):
        said = fails(project, command, "run.yaml")
        assert f"run.yaml:{line_of(path, 'bas')}: ./models/bas: there is no such model folder" in said
        assert "Did you mean models/base?" in said
    path = project.write_settings(step1={"model": "models/bas"})  # could be the name of a hub model
    assert "did you mean models/base?" in project.run("check", "run.yaml").stderr
    said = fails(project, "all", "run.yaml")
    assert f"run.yaml:{line_of(path, 'bas')}: models/bas: this is not a local folder" in said
    assert "Did you mean models/base?" in said


def test_a_model_folder_that_is_no_model(project: Project) -> None:
    project.write_settings(step1={"model": "models/sft/checkpoint-100"})
    said = fails(project, "step1", "run.yaml")
    assert "the model folder has no weights" in said
    assert "It holds a LoRA adapter: name its base as the model" in said


def adapter_fault(project: Project, *adapters: str) -> str:
    """What is said, by a run and by `check` alike, of adapters that cannot be used."""
    path = project.write_settings(step1={"adapters": list(adapters)})
    said = fails(project, "step1", "run.yaml")
    assert said == fails(project, "check", "run.yaml")
    assert f"run.yaml:{line_of(path, '- ' + adapters[-1])}: " in said
    return said


def test_an_adapter_of_another_base(project: Project, tmp_path: Path) -> None:
    make_adapter(make_base(tmp_path / "other", hidden=32), project.folder / "foreign")
    said = adapter_fault(project, "foreign")
    assert re.search(r"foreign: the adapter belongs to another base: its \S+ is \d+x\d+, the base's is \d+x\d+", said)
    assert "Give the base that it was trained on" in said


def test_adapter_folders_that_are_none(project: Project) -> None:
    assert "Did you mean models/sft/checkpoint-100?" in adapter_fault(project, "models/sft/checkpoint-10")
    assert "matches no adapter folder" in adapter_fault(project, "models/sfd/*")
    assert "It looks like a whole model" in adapter_fault(project, "models/base")
    (project.folder / "models/sft/checkpoint-200/adapter_model.safetensors").unlink()
    said = adapter_fault(project, "models/sft/checkpoint-200")
    assert "the adapter folder has no adapter_model.safetensors" in said
    assert "Wait until the trainer has finished writing" in said
    cut = project.folder / "models/sft/checkpoint-100/adapter_model.safetensors"
    cut.write_bytes(cut.read_bytes()[:5000])
    assert "adapter_model.safetensors is broken or cut short" in adapter_fault(project, "models/sft/checkpoint-100")


def test_two_models_of_one_name(project: Project) -> None:
    shutil.copytree(project.folder / "models/sft", project.folder / "again/sft")
    said = adapter_fault(project, "models/sft/checkpoint-100", "again/sft/checkpoint-100")
    assert "two models would be called 'sft__checkpoint-100'" in said
    assert "- {path: again/sft/checkpoint-100, name: sft__checkpoint-100-2}" in said
    named = ["models/sft/checkpoint-100", {"path": "again/sft/checkpoint-100", "name": "sft__checkpoint-100-2"}]
    project.run("check", str(project.write_settings(step1={"adapters": named})))


def test_an_inert_adapter(finished: Project) -> None:
    make_adapter(finished.folder / "models/base", finished.folder / "inert", scale=0)
    finished.write_settings(step1={"adapters": ["models/sft/checkpoint-*", "inert"]})
    said = fails(finished, "step1", "run.yaml")
    assert "inert: the adapter changes nothing" in said
    assert "allow_inert: true" in said
    finished.write_settings()
    finished.run("all", "run.yaml", "--verbose")
    assert finished.answered() == []


def test_messages_without_a_chat_template(project: Project) -> None:
    make_base(project.folder / "plain", chat_template=False)
    path = project.write_settings(step1={"model": "plain", "adapters": []})
    said = fails(project, "step1", "run.yaml")
    assert f"run.yaml:{line_of(path, 'model: plain')}: own asks in chat messages" in said
    assert "step1.chat_template" in said
    assert "loading" not in said
    path = project.write_settings(step1={"chat_template": "my.jinja"})
    said = fails(project, "step1", "run.yaml")
    assert f"run.yaml:{line_of(path, 'my.jinja')}: my.jinja: the chat template cannot be read" in said


# ---- data and views


def test_a_broken_line_of_the_data(finished: Project) -> None:
    rewrite(finished.folder / "data/test.jsonl", 6, '{"question": "Tom has')
    finished.write_settings()
    for command in ("step1", "status"):
        said = fails(finished, command, "run.yaml")
        assert "data/test.jsonl:6: this is not JSON" in said
        assert 'It stands near: {"question": "Tom has' in said


def test_a_table_without_the_named_column(project: Project) -> None:
    tables = project.folder / "tables"
    tables.mkdir()
    for split in ("train", "test"):
        (tables / f"{split}.csv").write_text("ques,answer\n1 + 1?,#### 2\n2 + 2?,#### 4\n3 + 3?,#### 6\n")
    gsm8k = {"name": "gsm8k", "data_dir": "tables", "num_fewshot": 1}
    project.write_settings(step1={"tasks": [{"name": "blimp_causative", "data_dir": "data"}, gsm8k]})
    said = fails(project, "step1", "run.yaml")
    assert re.search(r"gsm8k\.yaml:\d+: .*document 0 has no column 'question'", said)
    assert "Did you mean ques? The columns are ques, answer." in said
    assert "loading" not in said  # told before the first task is asked


def test_documents_that_are_not_there(project: Project) -> None:
    path = project.write_settings(step1={"samples": {"gsm8k": [0, 100]}})
    said = fails(project, "step1", "run.yaml")
    assert f"run.yaml:{line_of(path, 'gsm8k:')}: gsm8k has no document 100" in said
    (project.folder / "data/causative.jsonl").write_text("")
    project.write_settings()
    assert "blimp_causative has no document to ask about" in fails(project, "step1", "run.yaml")


def test_a_broken_line_of_a_view_names_the_command_that_writes_it_anew(finished: Project) -> None:
    before = finished.views()
    finished.write_settings()
    rewrite(finished.folder / STEP1_VIEW, 6, '{"model": "base", "task"')
    said = fails(finished, "step2", "run.yaml")
    assert f"{STEP1_VIEW}:6: " in said
    assert "changed after it was written; line 6 is broken" in said
    assert "Run python main.py step1 run.yaml " in said
    said = fails(finished, "step2", "run.yaml", "--set", "allow_stale=true", "--set", "step2.processes=1")
    assert f"{STEP1_VIEW}:6: this line is broken" in said
    assert "Write the file anew: python main.py step1 run.yaml (" in said
    finished.run("step1", "run.yaml", "--verbose")
    finished.run("step2", "run.yaml")
    assert finished.answered() == []
    assert finished.views() == before


def test_steps_before_their_turn(project: Project) -> None:
    project.write_settings()
    for step in ("step2", "step3", "step4"):
        said = fails(project, step, "run.yaml")
        assert "no run is here yet" in said
        assert "python main.py step1" in said
    for command in (("status",), ("check", "--plan")):
        plan = project.run(*command, "run.yaml").stdout
        assert plan.count("not yet made (26 of 26 calls missing)") == 3
        assert plan.count("\nstep4 ") == 3


def test_steps_after_one_that_is_out_of_date_are_not_called_fresh_alone(finished: Project) -> None:
    plan = finished.run("check", "run.yaml", "--plan", "--set", "step1.limit=3").stdout.splitlines()
    first = [line for line in plan if line.startswith("step1")]
    assert all("limit: " in line and " -> 3 (0 of " in line for line in first)
    after = [line for line in plan if line.startswith(("step2", "step3", "step4"))]
    assert len(after) == 3 * len(first)
    assert all(line.endswith(": fresh until step1 is run") for line in after)


def test_a_metric_that_values_no_task(project: Project) -> None:
    tasks = [{"name": "own", "data": "data/own.json", "format": "alpaca"}]
    project.write_settings(step1={"tasks": tasks}, step3={"metrics": [{"name": "acc"}, {"name": "rouge"}]})
    said = project.run("check", "run.yaml").stderr
    assert "no task of this run has answers that acc can value" in said
    assert "rouge" not in said


@pytest.mark.slow
def test_documents_that_are_too_long_are_error_rows(project: Project) -> None:
    """They are counted, never averaged, tried `max_attempts` times over all runs; the other rows are fine."""
    engine = {"backend": "hf", "threads": 1, "max_length": 16}
    pairs = [json.loads(line) for line in (project.folder / "data/causative.jsonl").read_text().splitlines()]
    long = "The cats that run sleep and sleep and sleep and sleep and sleep and sleep again."
    write_lines(project.folder / "data/causative.jsonl", [{**pairs[0], "sentence_good": long}, *pairs[1:]])
    tasks = [{"name": "blimp_causative", "data_dir": "data"}]
    project.write_settings(
        step1={"engine": engine, "adapters": [], "tasks": tasks, "max_attempts": 2}, step3={"metrics": []}
    )
    made = []
    for _ in range(3):
        done = project.run("all", "run.yaml", "--verbose", expect=1)
        made.append(len(project.answered()))
        assert "1 ContextTooLong, such as: the continuation has " in done.stderr
        assert "1 error)" in done.stdout
    assert made == [8, 9, 9]
    rows = project.views(step=1)["base/blimp_causative/step1_generation.jsonl"]
    assert [row["status"] for row in rows] == ["error"] + ["ok"] * 7
    (figure,) = project.views(step=4)["base/blimp_causative/step4_eval_scores.jsonl"]
    assert (figure["n"], figure["errors"]) == (7, 1)
    project.write_settings(step1={"adapters": [], "tasks": tasks}, step3={"metrics": []})
    project.run("all", "run.yaml")


# ---- broken files of the run itself


def test_an_unreadable_memo(finished: Project) -> None:
    memo = finished.folder / "output/.memo/memo.sqlite"
    content = memo.read_bytes()
    memo.write_bytes(b"no database" * 1000)
    finished.write_settings()
    for command in (("step1", "run.yaml", "--set", "limit=3"), ("gc", "output")):
        said = fails(finished, *command, code=1)
        assert "output/.memo/memo.sqlite: this is not a readable memo" in said
        assert "Restore it from a copy, or move it away" in said
    assert "output/.memo/memo.sqlite" in fails(finished, "status", "run.yaml", "--set", "limit=3", code=1)
    memo.write_bytes(content)
    finished.run("step1", "run.yaml", "--verbose")
    assert finished.answered() == []


def test_broken_small_files_say_what_to_do(finished: Project) -> None:
    finished.write_settings()
    hashes = finished.folder / "output/.memo/files.sqlite"
    hashes.write_bytes(b"no database" * 1000)
    assert "files.sqlite: this is not a readable list of file hashes\n  Remove it" in fails(
        finished, "status", "run.yaml", code=1
    )
    hashes.unlink()
    lock = finished.folder / "output/run/base/step1.lock.json"
    lock.write_text('{"gsm8k": {"state"')
    said = fails(finished, "status", "run.yaml", code=1)
    assert "base/step1.lock.json: this is not a readable lock file" in said
    assert "Remove it and run the step again: finished calls come from the memo" in said
    lock.unlink()
    (finished.folder / "output/run/run.json").write_text('{"models"')
    assert "run.json: this is not a readable manifest" in fails(finished, "step2", "run.yaml", code=1)
    finished.run("all", "run.yaml", "--verbose")
    assert finished.answered() == []


def test_gc_says_where_it_looked(project: Project) -> None:
    project.write_settings()
    said = fails(project, "gc", "models")
    assert "no memo is here: looked for models/memo.sqlite, models/.memo/memo.sqlite, .memo/memo.sqlite" in said
    assert "no memo is here" in fails(project, "gc", "run.yaml")
    for days in ("-1", "inf", "long"):
        done = project.run("gc", "output", f"--unused-for={days}", expect=2)
        assert f"'{days}' is no number of days" in done.stderr


def test_a_command_that_does_not_exist_and_one_without_a_file(project: Project) -> None:
    assert "invalid choice: 'stpe1'" in project.run("stpe1", "run.yaml", expect=2).stderr
    assert "required: YAML" in project.run("step1", expect=2).stderr
    assert "required: COMMAND" in project.run(expect=2).stderr
    assert "Near it: gsm8k" in project.run("tasks", "gsm9k", expect=1).stdout


def test_a_file_with_one_step_names_its_own_settings(project: Project, models: Path) -> None:
    (project.folder / "step3.yaml").write_text(yaml.safe_dump({"output_dir": "output/run", "metrics": ["rogue"]}))
    assert "step3.yaml:2: no metric is called 'rogue'" in fails(project, "step3", "step3.yaml")


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ({"name": "rouge", "tokenizer": "jeiba"}, "no tokenizer is called 'jeiba'"),
        ({"name": "rouge", "variant": "other"}, "rouge has no variant 'other'"),
        ({"name": "likelihood"}, "the metric likelihood has no figure of its own"),
    ],
)
def test_values_of_metric_arguments_are_checked_before_any_work(project, metric, message):
    path = project.write_settings(step3={"metrics": [metric]})
    for command in ("check", "all"):
        error = project.run(command, str(path), expect=2).stderr
        assert message in error
        assert "run.yaml:" in error
    assert not (project.folder / "output").exists() or not list(project.folder.glob("output/run/*/*"))
