"""What an aggregation of a task's own gets of a generated answer, under the name of any of lm_eval's metrics."""

from __future__ import annotations

from pathlib import Path

import pytest

from metrics.raw_values import passed_through
from metrics.registry import MetricInput
from tests.project import write_lines

pytest.importorskip("lm_eval", reason="the reference is lm_eval")

NAMES = [
    "acc",
    "acc_norm",
    "acc_bytes",
    "acc_mutual_info",
    "f1",
    "mcc",
    "brier_score",
    "likelihood",
    "perplexity",
    "word_perplexity",
    "byte_perplexity",
    "bits_per_byte",
    "bleu",
    "chrf",
    "ter",
]


def test_the_target_and_the_answer_as_they_are(tmp_path: Path) -> None:
    from lm_eval.api.registry import metric_registry
    from lm_eval.api.task import ConfigurableTask

    write_lines(tmp_path / "test.jsonl", [{"q": "x", "a": "gold"}])
    metrics = [
        {"metric": name, "aggregation": len, "higher_is_better": True, "ignore_case": True}
        for name in (*NAMES, "exact_match")
    ]
    config = {"task": "texts", "dataset_path": "json", "test_split": "test", "output_type": "generate_until"}
    data = {"data_files": {"test": str(tmp_path / "test.jsonl")}, "cache_dir": str(tmp_path / "cache")}
    fields = {"doc_to_text": "q", "doc_to_target": "a", "dataset_kwargs": data, "metric_list": metrics}
    reference = ConfigurableTask(config=config | fields)
    theirs = reference.process_results(reference.eval_docs[0], ["an answer"])
    row = MetricInput(response="an answer", target="gold")
    ours = {name: passed_through(name, texts=True) for name in (*NAMES, "exact_match")}
    assert ours.pop("exact_match") is None  # which is a number there too
    assert theirs.pop("exact_match") == 0.0
    assert {name: of_row(row) for name, of_row in ours.items() if of_row} == theirs
    assert set(theirs) == set(NAMES)
    left = set(metric_registry.keys()) - set(NAMES)
    assert left == {"exact_match", "chrf++", "acc_all", "bypass"}
