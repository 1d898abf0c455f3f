"""The files in llm_evaluation's form, against its own published ones where these are at hand."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from reports.llm_evaluation import (
    ModelSummary,
    Speed,
    accuracies_log,
    letters_json,
    predict_results_json,
    prediction_line,
    results_table_csv,
    results_table_markdown,
)

DATA = Path(__file__).parents[3] / "shared" / "data" / "llm_evaluation"
published = pytest.mark.skipif(not DATA.exists(), reason="the real data are not here")
MEANS = {"bleu-4": 68.05863333333333, "rouge-1": 79.36506666666666, "rouge-2": 70.17543333333333, "rouge-l": 79.36506666666666}  # fmt: skip
SIMILARITY = {"semantic_similarity": 0.8512865900993347}
SPEED = Speed(3.9457, 0.76)


@published
def test_prediction_lines_are_the_published_ones():
    text = (DATA / "generated_predictions.jsonl").read_bytes()
    records = [json.loads(line) for line in text.splitlines()]
    lines = [prediction_line(record["label"], record["predict"], record["score"]) for record in records]
    assert b"".join(lines).splitlines() == text.splitlines()
    assert json.loads(prediction_line("a", "b", None)) == {"label": "a", "predict": "b"}


@published
def test_predict_results_are_the_published_ones():
    written = predict_results_json(MEANS | SIMILARITY, SPEED, similarity=True)
    assert written == (DATA / "predict_results.json").read_text().rstrip("\n")
    written = predict_results_json(MEANS | SIMILARITY, SPEED, similarity=False)
    assert written == (DATA / "all_results.json").read_text().rstrip("\n")


@published
def test_letters_and_accuracies_are_the_published_ones():
    text = (DATA / "mmlu" / "results.json").read_text(encoding="utf-8")
    letters = {
        name: {int(index): letter for index, letter in given.items()} for name, given in json.loads(text).items()
    }
    assert letters_json(letters) == text.rstrip("\n")
    accuracies = {"Average": 66.907, "STEM": 59.5825, "Social Sciences": 76.08, "Humanities": 62.21, "Other": 71.84}
    assert accuracies_log(accuracies) == (DATA / "mmlu" / "results.log").read_text().rstrip("\n")


def test_what_was_not_measured_is_null_or_nan():
    results = json.loads(predict_results_json({}, Speed(0.5, None), similarity=True))
    assert results == {"predict_runtime": 0.5, "predict_samples_per_second": None, "predict_steps_per_second": None}
    assert accuracies_log({"Average": None, "STEM": 50.0}) == "Average: nan\n   STEM: 50.00"


def test_the_table_has_its_columns_and_a_row_a_model():
    summaries = [ModelSummary("base", MEANS | SIMILARITY, SPEED, {"mmlu": 66.906}), ModelSummary("a|b", {}, None, {})]
    base, other = csv.DictReader(io.StringIO(results_table_csv(summaries), newline=""))
    assert list(base) == ["model", "rouge-1", "rouge-2", "rouge-l", "samples_per_second", "steps_per_second", "sem_sim_score", "avg_mmlu", "avg_cmmlu", "avg_ceval"]  # fmt: skip
    assert (float(base["rouge-l"]), base["avg_mmlu"], base["avg_cmmlu"]) == (79.36506666666666, "66.906", "")
    assert set(other.values()) == {"a|b", ""}
    lines = [line for line in results_table_markdown(summaries).splitlines() if line.startswith("|")]
    assert [cell.strip() for cell in lines[0].split("|")[1:-1]] == ["Model", "rouge-1", "rouge-2", "rouge-l", "samples_per_second", "steps_per_second", "sem_sim_score", "avg_mmlu"]  # fmt: skip
    assert "0.8513" in lines[2]
    assert "66.91" in lines[2]
    assert r"a\|b" in lines[3]
