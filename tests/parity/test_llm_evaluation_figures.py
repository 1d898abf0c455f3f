"""llm_evaluation's published figures, from its own answers through steps 2 to 4: ROUGE, BLEU and five accuracies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.project import Project

DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
PUBLISHED = DATA / "llm_evaluation"
ACCURACIES = {
    "llme_mmlu": 66.91,
    "llme_mmlu_stem": 59.58,
    "llme_mmlu_social_sciences": 76.08,
    "llme_mmlu_humanities": 62.21,
    "llme_mmlu_other": 71.84,
}

pytestmark = pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the real data are not here")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """All that llm_evaluation has published of one model, scored here. No model is named, and none is loaded."""
    mmlu = {
        "name": "llme_mmlu",
        "data_dir": str(DATA / "mmlu" / "mmlu.zip"),
        "predictions": str(PUBLISHED / "mmlu" / "results.json"),
        "format": "llme_letters",
    }
    domain = {"name": "domain", "predictions": str(PUBLISHED / "generated_predictions.jsonl")}
    metrics = [{"name": "rouge", "tokenizer": "jieba", "tasks": ["domain"]}, {"name": "bleu4", "tasks": ["domain"]}]
    settings = {
        "output_dir": "output/run",
        "processes": 1,
        "step1": {"model": {"name": "published"}, "tasks": [mmlu, domain]},
        "step3": {"metrics": metrics},
    }
    project = Project(tmp_path_factory.mktemp("published"), settings)
    project.run("all", str(project.write_settings()))
    return project


def figure(run: Project, task: str, metric: str) -> dict[str, Any]:
    view = run.folder / "output" / "run" / "published" / task / "step4_eval_scores.jsonl"
    rows = [json.loads(line) for line in view.read_text("utf-8").splitlines()]
    (row,) = (row for row in rows if row["metric"] == metric and row["slice"] is None)
    return row


@pytest.mark.parametrize(
    ("name", "key"), [("rouge-1", "rouge-1"), ("rouge-2", "rouge-2"), ("rouge-l", "rouge-l"), ("bleu-4", "bleu-4")]
)
def test_overlap_of_its_predictions_exactly(run: Project, name: str, key: str) -> None:
    published = json.loads((PUBLISHED / "predict_results.json").read_text("utf-8"))
    found = figure(run, "domain", name)
    assert found["value"] == published[f"predict_{key}"]
    assert found["n"] == 3


@pytest.mark.parametrize("task", ACCURACIES)
def test_accuracies_of_its_letters(run: Project, task: str) -> None:
    found = figure(run, task, "acc")
    assert round(100 * found["value"], 2) == ACCURACIES[task]
    assert (found["errors"], found["missing"]) == (0, 0)


def test_every_question_counts_once(run: Project) -> None:
    """27 questions stand twice in MMLU; they stay questions of their own."""
    found = figure(run, "llme_mmlu", "acc")
    assert found["n"] == 14042
    assert found["value"] * 14042 == pytest.approx(9395, abs=1e-6)


def test_its_files_are_written_again(run: Project) -> None:
    folder = run.folder / "output" / "run" / "published" / "llme_mmlu"
    theirs = PUBLISHED / "mmlu"
    assert json.loads((folder / "results.json").read_text("utf-8")) == json.loads(
        (theirs / "results.json").read_text("utf-8")
    )
    assert (folder / "results.log").read_text("utf-8") == (theirs / "results.log").read_text("utf-8")


def test_rows_say_that_they_are_imported(run: Project) -> None:
    for task in ("domain", "llme_mmlu_anatomy"):
        view = run.folder / "output" / "run" / "published" / task / "step3_evaluation.jsonl"
        assert all(json.loads(line)["flags"] == {"imported": True} for line in view.read_text("utf-8").splitlines())
