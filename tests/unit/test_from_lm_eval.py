"""`from-lm-eval`: command lines of lm-evaluation-harness as run files, or refused with every reason."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

import main
from migration.docs import PAGE, current
from migration.from_lm_eval import from_lm_eval
from migration.run_file import RunFile, flow
from pipeline.config_load import load_all
from pipeline.errors import ConfigError, InputError
from pipeline.strict_yaml import parse
from tests.lm_eval_lines import GPT2, REFUSED, TRANSLATED
from tests.project import Project, write_lines


def run_file(line: str, folder: Path) -> dict[str, Any]:
    """The run file for a command line, as it is read."""
    path = folder / "run.yaml"
    path.unlink(missing_ok=True)
    assert from_lm_eval(shlex.split(line), path) == 0
    load_all(path, complete=True)
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def at(settings: dict[str, Any], path: str) -> Any:
    """The setting at a dotted path; None where it is not set."""
    value: Any = settings
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def test_a_run_has_the_folder_of_its_file_and_one_that_is_printed_that_of_model_and_tasks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = "lm_eval --model hf --model_args pretrained=EleutherAI/gpt-j-6B --tasks hellaswag"
    assert run_file(line, tmp_path)["output_dir"] == "output/run"
    assert from_lm_eval(shlex.split(line), None) == 0
    assert yaml.safe_load(capsys.readouterr().out)["output_dir"] == "output/gpt-j-6B_hellaswag"


@pytest.mark.parametrize(("line", "expected"), TRANSLATED, ids=[line[:60] for line, _ in TRANSLATED])
def test_command_lines_become_run_files(line: str, expected: dict[str, Any], tmp_path: Path) -> None:
    settings = run_file(line, tmp_path)
    assert {path: at(settings, path) for path in expected} == expected


@pytest.mark.parametrize(("line", "expected"), REFUSED, ids=[line[:60] for line, _ in REFUSED])
def test_what_cannot_be_done_is_refused_all_at_once(line: str, expected: list[str], tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    with pytest.raises(ConfigError) as caught:
        from_lm_eval(shlex.split(line), path)
    messages = [str(problem) for problem in caught.value.problems]
    assert [part for part in expected if not any(part in message for message in messages)] == []
    assert len(messages) <= len(expected)
    assert not path.exists()


@pytest.mark.parametrize("line", ["", "vllm serve m", "python main.py --tasks x", "accelerate launch --cpu"])
def test_what_is_no_command_line_of_lm_eval_is_said(line: str) -> None:
    with pytest.raises(InputError, match=r"command line of lm_eval"):
        from_lm_eval(shlex.split(line), None)


def test_a_config_file_is_read_and_flags_win_over_it(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "model: hf\nmodel_args: {pretrained: gpt2, dtype: float32}\ntasks: [a, 'b,c']\nnum_fewshot: 2\nlimit: 7\n"
        "gen_kwargs: {temperature: 0}\nseed: 5\nlog_samples: false\n",
        encoding="utf-8",
    )
    settings = run_file(f"lm_eval --config {config} --limit 3 --model_args pretrained=m", tmp_path)
    assert at(settings, "step1.model") == "m"
    assert at(settings, "step1.engine.dtype") is None  # model_args are taken whole, as there
    assert at(settings, "step1.tasks") == ["lm_eval:a", "lm_eval:b", "lm_eval:c"]
    assert (at(settings, "step1.limit"), at(settings, "seed"), at(settings, "step1.fewshot_seed")) == (3, 5, 5)
    config.write_text("modle: hf\ntasks: 3\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"modle: lm_eval 0\.4\.13 has no such flag; did you mean model\?"):
        run_file(f"lm_eval --config {config} --model_args pretrained=m --tasks x", tmp_path)


def test_names_of_an_include_folder_and_paths_stay_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "mine.yaml").write_text("task: mine\ntag: ours\n")
    (folder / "clash.yaml").write_text("task: gsm8k\n")  # this project has one of the name too
    settings = run_file(
        f"lm_eval --model_args pretrained=m --include_path {folder} --tasks mine,ours,gsm8k,mmlu,min*,{folder}/mine.yaml",
        tmp_path,
    )
    names = ["mine", "ours", str(folder / "clash.yaml"), "lm_eval:mmlu", "lm_eval:min*", "mine", f"{folder}/mine.yaml"]
    assert at(settings, "step1.tasks") == names
    assert at(settings, "step1.include_path") == [str(folder)]


def test_samples_come_from_a_file_too(tmp_path: Path) -> None:
    path = tmp_path / "samples.json"
    path.write_text(json.dumps({"hellaswag": [3, 1]}))
    assert at(run_file(f"{GPT2} --samples {path}", tmp_path), "step1.samples") == {"hellaswag": [3, 1]}


def test_a_temperature_that_lm_eval_may_not_follow_has_a_word_on_it(capsys: pytest.CaptureFixture[str]) -> None:
    said = {}
    for given in ("temperature=0.7", "temperature=0.7,do_sample=True", "temperature=0"):
        from_lm_eval(shlex.split(f"{GPT2} --gen_kwargs {given}"), None)
        said[given] = "lm_eval stays greedy where" in capsys.readouterr().out
    assert list(said.values()) == [True, False, False]


def test_the_command_to_run_is_said_with_its_environment(capsys: pytest.CaptureFixture[str]) -> None:
    line = f"CUDA_VISIBLE_DEVICES=0,1 HF_TOKEN=hf_secret WANDB_API_KEY=hf_secret2 LM=1 {GPT2} --verbosity DEBUG --check_integrity"
    assert from_lm_eval(shlex.split(line), None) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("# Made from: CUDA_VISIBLE_DEVICES=0,1 LM=1 lm_eval --model hf")
    assert "CUDA_VISIBLE_DEVICES=0,1 LM=1 python main.py all run.yaml --verbose\n" in printed.err
    assert "python main.py check run.yaml --plan\n" in printed.err
    assert "Set HF_TOKEN in the shell" in printed.err
    assert "hf_secret" not in printed.out + printed.err


def test_a_secret_among_the_model_arguments_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        from_lm_eval(shlex.split("lm_eval --model_args pretrained=m,token=hf_x1,hf_token=hf_x2 --tasks x"), None)
    assert "--model_args token: secrets come from the environment" in str(caught.value)
    assert "hf_x" not in str(caught.value)


def test_devices_of_accelerate_are_those_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    from_lm_eval(["accelerate launch --gpu_ids 2,3 --num_processes 2 -m " + GPT2], None)  # one word, as in quotes
    assert "CUDA_VISIBLE_DEVICES=2,3 python main.py all run.yaml\n" in capsys.readouterr().err


def test_listing_and_validating_are_commands_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert from_lm_eval(shlex.split("lm_eval ls tasks --include_path own"), None) == 0
    assert from_lm_eval(shlex.split("lm-eval validate --tasks arc_easy,mmlu_*"), None) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "python main.py tasks lm_eval: --include-path own",
        "python main.py tasks lm_eval:arc_easy --show",
        "python main.py tasks 'lm_eval:mmlu_*' --show",
    ]


TEXTS = ["a", "no", "12:30", "1e-5", "a: b", "a #b", "", " x", "[x]", "{x}", "a,b", "\n", "'", '"', "é😀", "*a", "null"]
OTHERS: list[Any] = [
    "~",
    1,
    0.1,
    1e-7,
    True,
    None,
    [1, "a,b", {"k": "- x"}],
    {"a b": ["\n\n", "x: y"]},
    "x" * 200 + " y",
]


@pytest.mark.parametrize("value", [*TEXTS, *OTHERS], ids=repr)
def test_values_are_written_so_that_they_are_read_back(value: Any, tmp_path: Path) -> None:
    run = RunFile()
    run.put("step1.some.value", value, "a remark: with # and 'quotes'")
    assert parse(run.text(), "run").value == {"step1": {"some": {"value": value}}}
    assert "\n" not in flow(value)


def test_the_page_of_all_flags_is_current() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert current(page) == page, "write it anew: python -m migration.docs"
    assert page.count("| refused |") > 60


def test_the_command_line_of_this_project_takes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new" / "run.yaml"
    assert main.main(["from-lm-eval", "--output", str(path), "--", *shlex.split(GPT2)]) == 0
    assert at(yaml.safe_load(path.read_text()), "step1.model") == "gpt2"
    assert main.main(["from-lm-eval", "--output", str(path), "--", *shlex.split(GPT2)]) == 0
    kept = path.read_text() + "# mine\n"
    path.write_text(kept)
    assert main.main(["from-lm-eval", "--output", str(path), "--", *shlex.split(GPT2)]) == 2
    assert "run.yaml: a run file of this name is there already" in capsys.readouterr().err
    assert path.read_text() == kept
    assert main.main(["from-lm-eval", "--output", str(tmp_path), "--", *shlex.split(GPT2)]) == 2
    assert "the run file cannot be written: Is a directory" in capsys.readouterr().err
    assert main.main(["from-lm-eval", "--", "lm_eval", "--model", "vllm", "--tasks", "x"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: --model vllm: vLLM is not among the engines")
    with pytest.raises(SystemExit):
        main.main(["from-lm-eval", *shlex.split(GPT2)])
    assert "put `--` before the command line of lm_eval" in capsys.readouterr().err


def test_a_printed_run_file_runs(project: Project) -> None:
    tasks = project.folder / "own_tasks"
    tasks.mkdir()
    documents = [{"q": f"{number} + 1 =", "a": str(number + 1)} for number in range(4)]
    write_lines(project.folder / "data" / "sums.jsonl", documents)
    (tasks / "sums.yaml").write_text(
        f"task: sums\ndataset_path: json\ndataset_kwargs: {{data_files: {{test: {project.folder}/data/sums.jsonl}}}}\n"
        'test_split: test\noutput_type: generate_until\ndoc_to_text: "{{q}}"\ndoc_to_target: "{{a}}"\n'
        "metric_list: [{metric: exact_match}]\n"
    )
    line = (
        "lm_eval --model hf --model_args pretrained=models/base,dtype=float32,peft=models/sft/checkpoint-100"
        " --tasks sums --include_path own_tasks --gen_kwargs max_gen_toks=8,until=['.'] --limit 3 --batch_size 4"
        " --output_path harness --log_samples --apply_chat_template --system_instruction 'Be brief.' --device cpu"
    )
    done = project.run("from-lm-eval", "--output", "made.yaml", "--", *shlex.split(line))
    command = done.stderr.splitlines()[-1]
    assert command == "python main.py all made.yaml"
    project.run("check", "made.yaml")
    project.run(*command.split()[2:])
    found = sorted(path.parent.name for path in project.folder.glob("output/made/*/sums/step4_eval_scores.jsonl"))
    assert len(found) == 2
    assert list(project.folder.glob("harness/**/results_*.json"))
