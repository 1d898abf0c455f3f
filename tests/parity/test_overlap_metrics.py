"""BLEU, chrF and TER against the packages that define them, and against llm_evaluation's published figures."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

import metrics  # noqa: F401  # registers them
from metrics.aggregation import find_aggregation
from metrics.registry import MetricInput, find_metric
from stats.mean import Column
from stats.vectors import VectorColumn

PREDICTIONS = Path(__file__).parents[3] / "shared" / "data" / "llm_evaluation" / "generated_predictions.jsonl"
WORDS = ["the", "cat", "sat", "on", "a", "mat", "dog,", "ran.", "3.5", "猫", "在", "垫子", "上", "。", "The", "(mat)"]


def texts(count, seed, longest=14):
    generator = random.Random(seed)
    return [" ".join(generator.choices(WORDS, k=generator.randrange(longest))) for _ in range(count)]


def valued(metric, pairs, **arguments):
    rows = [MetricInput(response=response, target=target) for response, target in pairs]
    (name,) = find_metric(metric, arguments).outputs
    return [value[name] for value in find_metric(metric).function(rows, **arguments)]


def corpus(metric, pairs, **arguments):
    column = VectorColumn()
    column.extend(valued(metric, pairs, **arguments), map(str, range(len(pairs))))
    return find_aggregation(metric)(column)


@pytest.mark.skipif(not PREDICTIONS.exists(), reason="the real data are not here")
def test_llm_evaluation_s_bleu_4_exactly():
    records = [json.loads(line) for line in PREDICTIONS.read_text(encoding="utf-8").splitlines()]
    values = valued("bleu4", [(record["predict"], record["label"]) for record in records])
    column = Column()
    column.extend(values, "abc")
    assert values[1] == 4.1759
    published = json.loads((PREDICTIONS.parent / "predict_results.json").read_text())
    assert find_aggregation("mean")(column, maximum=100.0).value == published["predict_bleu-4"]


def test_bleu_4_of_a_row_is_nltk_s():
    translate = pytest.importorskip("nltk.translate.bleu_score")
    smooth = translate.SmoothingFunction().method3
    pairs = [*zip(texts(500, 1, 5), texts(500, 2, 5), strict=True), ("", "a"), ("a", ""), ("ab", "ab"), ("猫在", "猫")]
    expected = [
        round(100 * translate.sentence_bleu([list(target)], list(response), smoothing_function=smooth), 4)
        for response, target in pairs
    ]
    assert valued("bleu4", pairs) == expected
    assert len(set(expected)) > 100
    assert valued("bleu4", [("abcde", ["xyz", "abcdf"])]) == [
        max(valued("bleu4", [("abcde", "xyz"), ("abcde", "abcdf")]))
    ]
    assert valued("bleu4", [("a", None)]) == [None]


@pytest.mark.parametrize(
    ("metric", "scorer", "arguments"),
    [
        ("bleu", "BLEU", {}),
        ("bleu", "BLEU", {"tokenize": "zh", "lowercase": True}),
        ("chrf", "CHRF", {}),
        ("chrf", "CHRF", {"word_order": 2}),
        ("ter", "TER", {}),
        ("ter", "TER", {"normalized": True, "asian_support": True}),
    ],
)
def test_corpus_figures_are_sacrebleu_s(metric, scorer, arguments):
    sacrebleu = pytest.importorskip("sacrebleu.metrics")
    for size, seed in ((1, 3), (2, 4), (7, 5), (150, 6)):
        hypotheses, references, others = (texts(size, seed + offset) for offset in (0, 100, 200))
        reference = getattr(sacrebleu, scorer)(**arguments)
        expected = reference.corpus_score(hypotheses, [references]).score
        estimate = corpus(metric, list(zip(hypotheses, references, strict=True)), **arguments)
        assert estimate.value == pytest.approx(expected, abs=1e-9)
        several = list(zip(hypotheses, map(list, zip(references, others, strict=True)), strict=True))
        expected = reference.corpus_score(hypotheses, [references, others]).score
        assert corpus(metric, several, **arguments).value == pytest.approx(expected, abs=1e-9)
    assert estimate.low < estimate.value < estimate.high
    assert 0 < estimate.se < 10
    assert estimate.method == "bootstrap"


def test_texts_too_short_for_an_order_and_empty_ones():
    sacrebleu = pytest.importorskip("sacrebleu.metrics")
    for hypothesis, reference in (
        ("a b c", "a b c"),
        ("", "a"),
        ("a", ""),
        ("a b c d e", "f g h"),
        ("a x c y e", "a b c d e"),
    ):
        assert corpus("bleu", [(hypothesis, reference)]).value == pytest.approx(
            sacrebleu.BLEU().corpus_score([hypothesis], [[reference]]).score
        )
        assert corpus("chrf", [(hypothesis, reference)]).value == pytest.approx(
            sacrebleu.CHRF().corpus_score([hypothesis], [[reference]]).score
        )
        assert corpus("ter", [(hypothesis, reference)]).value == pytest.approx(
            sacrebleu.TER().corpus_score([hypothesis], [[reference]]).score
        )


def test_figures_are_lm_eval_s():
    reference = pytest.importorskip("lm_eval.api.metrics")
    pairs = list(zip(texts(80, 11), texts(80, 12), strict=True))
    items = [(target, response) for response, target in pairs]
    for metric in ("bleu", "chrf", "ter"):
        assert corpus(metric, pairs).value == pytest.approx(getattr(reference, metric)(items), abs=1e-9)
