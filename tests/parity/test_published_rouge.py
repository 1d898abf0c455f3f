"""The ROUGE figures that llm_evaluation published with its predictions, and the package that it used, row by row."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import metrics  # noqa: F401  # registers them
from metrics.aggregation import find_aggregation
from metrics.registry import MetricInput, find_metric
from stats.mean import Column

DATA = Path(__file__).parents[3] / "shared" / "data"
PREDICTIONS = DATA / "llm_evaluation" / "generated_predictions.jsonl"
CHINESE = DATA / "llamafactory"

pytestmark = pytest.mark.skipif(not PREDICTIONS.exists(), reason="the real data are not here")


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def rouge(pairs, **arguments):
    rows = [MetricInput(response=response, target=target) for response, target in pairs]
    return find_metric("rouge", arguments).function(rows, **arguments)


def test_published_means_exactly():
    predictions = lines(PREDICTIONS)
    values = rouge([(row["predict"], row["label"]) for row in predictions], tokenizer="jieba")
    published = json.loads((PREDICTIONS.parent / "predict_results.json").read_text())
    for name in ("rouge-1", "rouge-2", "rouge-l"):
        column = Column()
        column.extend([value[name] for value in values], map(str, range(len(values))))
        assert find_aggregation("mean")(column, maximum=100.0).value == published[f"predict_{name}"]
    assert values[1] == {"rouge-1": 38.0952, "rouge-2": 10.5263, "rouge-l": 38.0952}


@pytest.mark.skipif(not CHINESE.exists(), reason="the real data are not here")
def test_llm_evaluation_s_rule_row_by_row_on_chinese_texts():
    """Answers of the preference pairs, the rejected against the chosen one: long, with punctuation and line breaks."""
    import jieba
    from rouge_chinese import Rouge

    pairs = list(answer_pairs(40))
    assert len(pairs) >= 40
    for (response, target), value in zip(pairs, rouge(pairs, tokenizer="jieba"), strict=True):
        (reference,) = Rouge().get_scores(" ".join(jieba.cut(response)), " ".join(jieba.cut(target)))
        assert value == {name: round(scores["f"] * 100, 4) for name, scores in reference.items()}


def answer_pairs(count):
    """Pairs of different Chinese answers, cut to a length that the reference's quadratic table can bear."""
    for path in sorted(CHINESE.rglob("*zh*.json*")):
        records = json.loads(path.read_text(encoding="utf-8")) if path.suffix == ".json" else lines(path)
        for record in records[:count]:
            chosen, rejected = record.get("chosen"), record.get("rejected")
            if isinstance(chosen, dict) and isinstance(rejected, dict):
                yield rejected["value"][:250], chosen["value"][:250]
