"""Metrics of Hugging Face's `evaluate` in task files: found beside the file, valued and named as lm_eval does it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from metrics.registry import MetricInput
from pipeline.config import TaskSettings
from pipeline.errors import EvaluationError, InputError, MissingPackageError
from pipeline.fingerprint import FileHashes
from pipeline.rows import ScoredRow
from steps.step3_task_code import TaskCodeValues, scoring_code
from steps.task_checks import check_task
from steps.task_functions import packed
from steps.value_kinds import value_kind
from tasks.loader import load_tasks
from tasks.task import Task
from tests.project import write_lines

os.environ.setdefault("HF_HUB_OFFLINE", "1")
pytest.importorskip("evaluate")

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import datasets
import evaluate


class Initials(evaluate.Metric):
    def _info(self):
        texts = datasets.Features({"predictions": datasets.Value("string"), "references": datasets.Value("string")})
        return evaluate.MetricInfo(description="", citation="", inputs_description="", features=texts)

    def _compute(self, predictions, references, scale=1.0):
        (said,), (gold,) = predictions, references
        if said == "bad":
            raise ValueError("cannot value this")
        RESULT
"""
SEVERAL = 'return {"initials": scale * (said[:1] == gold[:1]), "length": float(len(said))}'
TASK = """\
task: mine
dataset_path: json
test_split: test
doc_to_text: "{{q}}"
doc_to_target: a
metric_list:
  - {metric: METRIC, hf_evaluate: true, aggregation: mean, higher_is_better: true, scale: 3}
"""
ANSWERS = ("yes", "no", "yellow")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of tasks with the metric's beside them, and data."""
    write_metric(tmp_path / "tasks" / "initials", SEVERAL)
    write_lines(tmp_path / "d.jsonl", [{"q": "x", "a": "yes"}])
    return tmp_path / "tasks"


def write_metric(folder: Path, result: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{folder.name}.py").write_text(SCRIPT.replace("RESULT", result))


def load(folder: Path, text: str) -> Task:
    (folder / "mine.yaml").write_text(text)
    settings = TaskSettings(name="mine", data_files=str(folder.parent / "d.jsonl"))
    (task,) = load_tasks([settings], [str(folder)], True, FileHashes()).tasks
    return task


def valued(task: Task, target: Any = "yes", answers: tuple[str, ...] = ANSWERS) -> list[ScoredRow]:
    """Rows of step 3 with what the task's metrics give."""
    values = TaskCodeValues(
        {**scoring_code(task), "functions": packed(task), "likelihoods": False, "seeds": vars(task.seeds)}
    )
    rows = [
        ScoredRow(model="m", task=task.name, doc_id=str(index), index=index, cluster="", filter="none", prompt_hash="")
        for index in range(len(answers))
    ]
    inputs = [MetricInput(response=answer, target=target) for answer in answers]
    values.put_into(zip(rows, inputs, strict=True))
    return rows


def test_a_metric_beside_the_task_file_gives_what_it_gives_in_lm_eval(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lm_eval")
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.tasks._yaml_loader import load_yaml

    task = load(folder, TASK.replace("METRIC", "./initials"))
    rows = valued(task)
    assert [row.values for row in rows] == [
        {"initials": 3.0, "length": 3.0},
        {"initials": 0.0, "length": 2.0},
        {"initials": 3.0, "length": 6.0},
    ]
    monkeypatch.chdir(folder)  # where lm_eval looks for `./initials`
    data = {"data_files": {"test": str(folder.parent / "d.jsonl")}, "cache_dir": str(folder.parent / "cache")}
    reference = ConfigurableTask(config=load_yaml(folder / "mine.yaml") | {"dataset_kwargs": data})
    document = reference.eval_docs[0]
    assert [reference.process_results(document, [answer]) for answer in ANSWERS] == [row.values for row in rows]
    assert {value_kind(task, name).aggregation for name in rows[0].values} == {"mean"}


@pytest.mark.parametrize("metric", ["./initials", "initials", "initials/initials.py"])
def test_a_metric_is_named_by_its_folder_or_its_file(folder: Path, metric: str) -> None:
    assert valued(load(folder, TASK.replace("METRIC", metric)))[0].values == {"initials": 3.0, "length": 3.0}


def test_one_number_bears_the_metric_s_name(folder: Path) -> None:
    write_metric(folder / "length", "return float(len(said))")
    assert valued(load(folder, TASK.replace("METRIC", "length")))[1].values == {"length": 2.0}


def test_a_path_starts_from_the_file_that_names_it(folder: Path) -> None:
    write_metric(folder / "base" / "near", SEVERAL)
    (folder / "base" / "base.yaml").write_text(TASK.partition("\n")[2].replace("METRIC", "./near"))
    assert valued(load(folder, "task: mine\ninclude: base/base.yaml\n"))[0].values["initials"] == 3.0


def test_a_row_that_the_metric_fails_on_is_missing_with_the_reason(folder: Path) -> None:
    rows = valued(load(folder, TASK.replace("METRIC", "./initials")), answers=("yes", "bad"))
    assert rows[0].values["initials"] == 3.0
    assert rows[1].values == {"./initials": None}
    assert rows[1].flags["metric_errors"] == {"./initials": "ValueError: cannot value this"}


def test_of_several_right_answers_any_counts(folder: Path) -> None:
    task = load(folder, TASK.replace("METRIC", "initials"))
    assert [row.values for row in valued(task, ["no", "yes"])] == [{"initials": 1.0}] * 3
    assert [row.values for row in valued(task, ["go", "so"])] == [{"initials": 0.0}] * 3
    (row,) = valued(load(folder, TASK.replace("METRIC", "./initials")), ["no"], ("yes",))
    assert "must give a value called ./initials" in row.flags["metric_errors"]["./initials"]


def test_a_changed_metric_changes_what_the_values_follow_from(folder: Path) -> None:
    text = TASK.replace("METRIC", "./initials")
    before = scoring_code(load(folder, text))["scoring"]
    write_metric(folder / "initials", SEVERAL.replace("[:1]", "[:2]"))
    after = scoring_code(load(folder, text))["scoring"]
    assert before["code"] != after["code"]
    assert str(folder) not in str(before)


def test_a_metric_that_is_not_there(folder: Path) -> None:
    with pytest.raises(EvaluationError, match=r"mine\.yaml:7: the metric's file \S*gone/gone\.py is not there"):
        load(folder, TASK.replace("METRIC", "./gone"))
    faults: list[InputError] = []
    check_task(load(folder, TASK.replace("METRIC", "gone_metric")), faults)
    assert "mine.yaml:7: the metric gone_metric of the package `evaluate` cannot be had" in str(faults[0])


def test_on_log_likelihoods_the_mark_has_no_effect(folder: Path) -> None:
    text = TASK.replace("METRIC", "acc") + "output_type: multiple_choice\ndoc_to_choice: [yes, no]\n"
    assert scoring_code(load(folder, text)) == {}


def test_without_the_package_the_error_names_the_install_command(tmp_path: Path) -> None:
    (tmp_path / "evaluate.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'evaluate'\", name='evaluate')\n"
    )
    program = "from metrics.hf_evaluate import evaluate_metric\nevaluate_metric('accuracy', 'mine.yaml:7')"
    path = os.pathsep.join((str(tmp_path), str(ROOT)))
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True
    )
    assert MissingPackageError.__name__ in done.stderr
    assert (
        "mine.yaml:7: the metric accuracy, which `hf_evaluate: true` asks for, needs the package evaluate"
        in done.stderr
    )
    assert "Install it: pip install evaluate" in done.stderr
