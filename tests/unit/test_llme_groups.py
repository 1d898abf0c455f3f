"""The folders of llme_mmlu and its like: letters and accuracies in llm_evaluation's form, from views and figures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.rows import AggregateRow, ScoredRow, encode_row
from pipeline.run_folder import RunFolder
from steps.step4_llm_evaluation import write_llm_evaluation
from tasks.task import Group, TaskSet


@dataclass
class FolderAlone:
    """What the writer needs of a command's context."""

    folder: RunFolder

    def command(self, step: str) -> str:
        return f"python main.py {step} run.yaml"


def scored(index: int, scores: list[float], filter_name: str = "none", **fields: Any) -> ScoredRow:
    return ScoredRow(
        model="base",
        task="llme_mmlu_anatomy",
        doc_id=str(index),
        index=index,
        cluster=str(index),
        filter=filter_name,
        response=[[score, False, 1] for score in scores],
        prompt_hash="",
        **fields,
    )


@pytest.fixture
def context(tmp_path: Path) -> FolderAlone:
    folder = RunFolder(tmp_path / "run", tmp_path / "memo")
    views = {
        "llme_mmlu_anatomy": [
            scored(0, [-3.0, -1.0, -2.0, -4.0]),
            scored(0, [0.0, -1.0, -2.0, -4.0], "other"),
            scored(1, [-1.0, -1.0, -2.0, -4.0]),
            scored(2, [], status="error"),
            scored(3, [-9.0, -8.0, -7.0, -6.0]),
        ],
        "llme_mmlu_law": [scored(0, [-9.0, -8.0, -1.0, -6.0])],
    }
    for task, rows in views.items():
        path = folder.view("step3", "base", task)
        path.parent.mkdir(parents=True)
        path.write_bytes(b"".join(map(encode_row, rows)))
    return FolderAlone(folder)


def figure(task: str, value: float | None) -> list[AggregateRow]:
    return [AggregateRow(model="base", task=task, metric="acc", filter="none", value=value, n=4)]


GROUPS = (
    Group("llme_mmlu", ("llme_mmlu_stem", "llme_mmlu_other"), "MMLU"),
    Group("llme_mmlu_stem", ("llme_mmlu_anatomy",), "STEM"),
    Group("llme_mmlu_other", ("llme_mmlu_law",), "Other"),
)
FIGURES = {
    "llme_mmlu_anatomy": figure("llme_mmlu_anatomy", 0.5),
    "llme_mmlu_law": figure("llme_mmlu_law", None),
    "llme_mmlu_stem": figure("llme_mmlu_stem", 0.5),
    "llme_mmlu_other": figure("llme_mmlu_other", None),
    "llme_mmlu": figure("llme_mmlu", 0.66906),
}


def test_a_benchmark_s_folder_has_letters_by_subject_and_accuracies_by_category(context: FolderAlone) -> None:
    summary = write_llm_evaluation(context, "base", [], TaskSet((), GROUPS), FIGURES)
    folder = context.folder.task("base", "llme_mmlu")
    letters = json.loads((folder / "results.json").read_text())
    assert letters == {"anatomy": {"0": "B", "1": "A", "3": "D"}, "law": {"0": "C"}}
    assert (folder / "results.log").read_text() == "Average: 66.91\n   STEM: 50.00\n  Other: nan"
    assert summary is not None
    assert summary.accuracies == {"mmlu": pytest.approx(66.906)}
    assert summary.speed is None
    assert not (context.folder.root / "base" / "predict_results.json").exists()


def test_a_run_without_such_tasks_writes_nothing(context: FolderAlone) -> None:
    assert write_llm_evaluation(context, "base", [], TaskSet((), (Group("blimp", ("a",)),)), {}) is None
    assert not context.folder.task("base", "llme_mmlu").exists()
