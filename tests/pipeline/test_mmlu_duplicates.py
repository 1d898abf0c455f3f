"""MMLU whole: its repeated questions are rows of their own that share one call, and no question is lost."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.project import ROOT, Project
from tests.tiny_models import make_base

ARCHIVE = ROOT.parent / "shared" / "data" / "mmlu" / "mmlu.zip"
QUESTIONS = 14042
REPEATED = 27
TEMPLATE = {
    "dataset_path": "mmlu",
    "dataset_kwargs": {"column_names": ["question", "A", "B", "C", "D", "answer"], "cells": "text"},
    "test_split": "test",
    "output_type": "multiple_choice",
    "doc_to_text": "{{question.strip()}}\nA. {{A}}\nB. {{B}}\nC. {{C}}\nD. {{D}}\nAnswer:",
    "doc_to_choice": ["A", "B", "C", "D"],
    "doc_to_target": "answer",
    "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
}


def questions() -> dict[str, list[tuple[str, ...]]]:
    """The test questions of each subject, read without the project's own code."""
    found: dict[str, list[tuple[str, ...]]] = {}
    with zipfile.ZipFile(ARCHIVE) as archive:
        for name in archive.namelist():
            if name.endswith("_test.csv"):
                text = io.StringIO(archive.read(name).decode("utf-8"), newline="")
                found[Path(name).name.removesuffix("_test.csv")] = [tuple(row) for row in csv.reader(text)]
    return found


@pytest.mark.slow
@pytest.mark.skipif(not ARCHIVE.exists(), reason="MMLU is not here: ../shared/data/mmlu/mmlu.zip")
def test_repeated_questions_are_rows_that_share_a_call(tmp_path: Path) -> None:
    subjects = questions()
    assert len(subjects) == 57
    project = Project(tmp_path, write_run(tmp_path, sorted(subjects)))
    project.run("all", str(project.write_settings()), "--verbose")

    (figure,) = rows(tmp_path / "output/run/base/exam/step4_eval_scores.jsonl")
    assert (figure["metric"], figure["n"], figure["errors"], figure["missing"]) == ("acc", QUESTIONS, 0, 0)
    repeated, prompts = 0, set()
    for subject, asked in subjects.items():
        folder = tmp_path / "output/run/base" / f"exam_{subject}"
        generated = rows(folder / "step1_generation.jsonl")
        assert [tuple(row["document"].values()) for row in generated] == asked
        ids = [row["doc_id"] for row in generated]
        assert len(set(ids)) == len(asked) == len(rows(folder / "step3_evaluation.jsonl"))
        copies = [doc_id for doc_id in ids if "#" in doc_id]
        assert all(doc_id.endswith("#2") and doc_id.removesuffix("#2") in ids for doc_id in copies)
        assert len(copies) == sum(count - 1 for count in Counter(asked).values())
        check_shared_calls(generated)
        repeated += len(copies)
        prompts |= {row["prompt"] for row in generated}
    assert repeated == REPEATED
    assert len(project.answered()) == len(prompts) <= QUESTIONS - REPEATED


def write_run(folder: Path, subjects: list[str]) -> dict[str, object]:
    """Task files as the harness has them (a template that each subject includes, a group) and a minute model."""
    make_base(folder / "model", hidden=16, layers=1, max_position_embeddings=8192)
    tasks = folder / "tasks"
    tasks.mkdir()
    (tasks / "_template").write_text(yaml.safe_dump(TEMPLATE))
    for subject in subjects:
        (tasks / f"{subject}.yaml").write_text(f"include: _template\ntask: exam_{subject}\ndataset_name: {subject}\n")
    mean = {"metric": "acc", "aggregation": "mean", "weight_by_size": True}
    group = {"group": "exam", "task": [f"exam_{subject}" for subject in subjects], "aggregate_metric_list": [mean]}
    (tasks / "exam.yaml").write_text(yaml.safe_dump(group))
    return {
        "output_dir": "output/run",
        "step1": {
            "engine": {"backend": "hf", "threads": 1, "batch_tokens": 16384, "max_batch_size": 256},
            "model": "model",
            "include_path": ["tasks"],
            "tasks": [{"name": "exam", "data_dir": str(ARCHIVE)}],
        },
        "step2": {},
        "step3": {},
        "step4": {},
    }


def rows(path: Path) -> list[dict]:
    # bytes: a text would also be split at U+0085, which stands within questions
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def check_shared_calls(generated: list[dict]) -> None:
    """A copy has the answer of the first, to the last bit: it is the same call."""
    by_id = {row["doc_id"]: row for row in generated}
    for doc_id, row in by_id.items():
        first = by_id[doc_id.partition("#")[0]]
        assert row["requests"] == first["requests"]
        assert row["index"] >= first["index"]
