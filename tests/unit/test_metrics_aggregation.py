"""Medians, perplexities and figures of classes: values, intervals, differences; and which aggregation takes what."""

from __future__ import annotations

import math

import numpy as np
import pytest

import metrics  # noqa: F401  # registers them
from metrics.aggregation import check_aggregation, find_aggregation
from metrics.raw_values import aggregate_raw, passed_through, statistic_of
from metrics.registry import MetricInput, find_metric
from pipeline.errors import MetricError, TaskError
from stats.mean import Column
from stats.paired import KeyedColumn
from stats.vectors import VectorColumn


def column(values, clusters=None):
    made = VectorColumn() if any(isinstance(value, list) for value in values) else Column()
    made.extend(values, clusters or map(str, range(len(values))))
    return made


def pairs(model, baseline):
    sides = []
    for values in (model, baseline):
        side = KeyedColumn()
        side.extend(range(len(values)), range(len(values)), values)
        sides.append(side)
    return sides[0].pairs(sides[1])


def normal_values(count, seed, mean=0.0):
    return np.random.default_rng(seed).normal(mean, 1.0, count).tolist()


def test_the_median_of_an_even_number_is_the_higher_middle_value():
    median = find_aggregation("median")
    estimate = median(column([4.0, None, 1.0, 3.0, 2.0]))
    assert (estimate.value, estimate.n, estimate.missing) == (3.0, 4, 1)
    assert median(column([])).value is None
    alone = median(column([2.0]))
    assert (alone.value, alone.se, alone.method) == (2.0, None, None)


def test_the_median_s_error_is_near_its_theory_s():
    # Of normal values it is sqrt(pi / 2) times that of the mean: 1.2533 / sqrt(n).
    estimate = find_aggregation("median")(column(normal_values(2000, 1)))
    assert estimate.se == pytest.approx(1.2533 / math.sqrt(2000), rel=0.25)
    assert estimate.low < estimate.value < estimate.high
    assert estimate.method == "bootstrap"


def test_clusters_widen_the_median_s_interval():
    values = [value for value in normal_values(60, 2) for _ in range(4)]
    apart = find_aggregation("median")(column(values))
    together = find_aggregation("median")(column(values, [str(number // 4) for number in range(240)]))
    assert together.value == apart.value
    assert together.se > 1.5 * apart.se


def test_the_difference_of_medians_uses_what_models_share():
    values = normal_values(300, 3)
    found = find_aggregation("median").difference(pairs([value + 0.5 for value in values], values))
    assert found.value == pytest.approx(0.5)
    assert found.se == pytest.approx(0.0, abs=1e-9)
    assert (found.n, found.method) == (300, "paired bootstrap")
    nothing = find_aggregation("median").difference(pairs([], values))
    assert (nothing.value, nothing.n, nothing.lost) == (None, 0, 300)


def test_perplexity_transforms_the_interval_of_the_mean():
    values = normal_values(400, 4, mean=-2.0)
    mean, perplexity = (
        find_aggregation("mean")(column(values), maximum=None),
        find_aggregation("perplexity")(column(values)),
    )
    assert perplexity.value == pytest.approx(math.exp(-mean.value))
    assert perplexity.se == pytest.approx(perplexity.value * mean.se)
    assert (perplexity.low, perplexity.high) == (
        pytest.approx(math.exp(-mean.high)),
        pytest.approx(math.exp(-mean.low)),
    )
    assert perplexity.method == mean.method == "student-t"


def test_perplexity_of_the_impossible_is_infinite_and_has_no_interval():
    estimate = find_aggregation("perplexity")(column([-1.0, -math.inf]))
    assert (estimate.value, estimate.se, estimate.low) == (math.inf, None, None)
    assert find_aggregation("perplexity")(column([-2000.0, -2000.0])).value == math.inf
    assert find_aggregation("perplexity")(column([])).value is None
    whole = find_aggregation("weighted_perplexity")(column([[-math.inf, 3.0], [-1.0, 2.0], [-1.0, 2.0]]))
    assert (whole.value, whole.se, whole.method) == (math.inf, None, None)
    both = find_aggregation("perplexity").difference(pairs([-math.inf, -1.0], [-math.inf, -2.0]))
    assert (both.value, both.se, both.method) == (None, None, None)


def test_the_difference_of_perplexities_is_paired():
    baseline = normal_values(500, 5, mean=-2.0)
    noise = normal_values(500, 6)
    model = [value + 0.2 + 0.01 * other for value, other in zip(baseline, noise, strict=True)]
    aggregation = find_aggregation("perplexity")
    found = aggregation.difference(pairs(model, baseline))
    assert found.value == pytest.approx(aggregation(column(model)).value - aggregation(column(baseline)).value)
    assert found.high < 0
    assert found.se < aggregation(column(baseline)).se / 2


def test_figures_a_unit_weigh_texts_by_their_length():
    values = [[-10.0, 2.0], [-1.0, 9.0]]
    assert find_aggregation("weighted_perplexity")(column(values)).value == pytest.approx(math.e)
    assert find_aggregation("bits_per_byte")(column(values)).value == pytest.approx(1 / math.log(2))
    assert find_aggregation("bits_per_byte")(column([[-1.0, 0.0], [0.0, 0.0]])).value == math.inf
    assert find_aggregation("bits_per_byte")(column([[0.0, 0.0], [0.0, 0.0]])).value is None


def test_classes_that_few_rows_have_are_compared_too():
    model = [[1.0, 1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 1.0, 1.0]] * 20
    baseline = [*model[:-1], [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]]
    mcc = find_aggregation("matthews_corrcoef")
    found = mcc.difference(pairs(model, baseline))
    assert mcc(column(model)).value == 1.0
    assert found.value == pytest.approx(1.0 - mcc(column(baseline)).value)
    assert found.value > 0
    assert found.se > 0


@pytest.mark.parametrize(
    ("metric", "aggregation"),
    [
        ("acc", None), ("acc", "mean"), ("acc", "nanmean"), ("exact_match", "median"), ("brier_score", "brier_score"),
        ("brier_score", "mean"), ("perplexity", "perplexity"), ("f1", "f1"), ("mcc", "matthews_corrcoef"),
        ("byte_perplexity", "bits_per_byte"), ("chrf++", None), ("rouge", None),
    ],
)  # fmt: skip
def test_aggregations_that_suit_a_metric(metric, aggregation):
    check_aggregation(find_metric(metric), aggregation)


@pytest.mark.parametrize(
    ("metric", "aggregation", "said"),
    [
        ("f1", "mean", "the aggregation mean takes numbers a row, and f1 gives the counts of a class"),
        ("f1", "mean", "Use f1"),
        ("acc", "f1", "Use brier_score, mean, median, nanmean, perplexity"),
        ("bleu", "chrf", "the counts of chrF a row, and bleu gives the counts of BLEU"),
        ("word_perplexity", "perplexity", "Use bits_per_byte, weighted_perplexity"),
        ("likelihood", None, "no figure of its own"),
        ("likelihood", "mean", "!function"),
        ("likelihood", "likelihood", "!function"),
        ("acc", "meen", "Did you mean mean"),
    ],
)
def test_aggregations_that_do_not_are_refused_with_the_line(metric, aggregation, said):
    with pytest.raises(TaskError, match=said) as refused:
        check_aggregation(find_metric(metric), aggregation, "task.yaml:7")
    assert str(refused.value).startswith("task.yaml:7: ")


def test_a_metric_without_a_figure_has_none_in_step_4_either():
    for use in (
        lambda one: one(column([])),
        lambda one: one.figure(np.zeros((1, 1))),
        lambda one: one.difference(None),
    ):
        with pytest.raises(MetricError, match="no figure of its own"):
            use(find_aggregation("likelihood"))


@pytest.mark.parametrize(
    ("aggregation", "value"),
    [
        ("mean", "1"),
        ("mean", None),
        ("median", [1.0]),
        ("weighted_perplexity", -3.0),
        ("weighted_perplexity", (-3.0, "4")),
        ("bits_per_byte", (-3.0, 4, 5)),
        ("f1", ("yes", "no")),
        ("f1", 1),
        ("brier_score", (2, [0.5, 0.5])),
        ("brier_score", (-1, [0.5, 0.5])),
        ("brier_score", (0, 0.5)),
        ("bleu", ("a", ["b", "c"])),
        ("chrf", ([], "b")),
        ("ter", (["a", 1], "b")),
        ("chrf++", "ab"),
    ],
)
def test_values_that_an_aggregation_cannot_take_are_named(aggregation, value):
    with pytest.raises(MetricError, match="a row and got") as refused:
        statistic_of(aggregation)(value)
    assert f"the aggregation {aggregation} takes" in str(refused.value)


def test_raw_values_of_unknown_or_unsuitable_aggregations():
    with pytest.raises(TaskError, match="Did you mean median"):
        statistic_of("medain")
    with pytest.raises(MetricError, match="task's own code"):
        statistic_of("likelihood")
    with pytest.raises(MetricError, match="labels a row and got"):
        aggregate_raw("matthews_corrcoef", [([1], [1])])
    assert math.isnan(aggregate_raw("mean", []))
    assert aggregate_raw("mean", [1, math.nan, 0.0]) == 0.5


def test_labels_of_any_kind_correlate():
    assert aggregate_raw("matthews_corrcoef", [["ja", "ja"], ["nein", "nein"]]) == 1.0
    assert aggregate_raw("matthews_corrcoef", [["ja", "ja"], ["ja", "ja"]]) == 0.0


def test_texts_are_handed_on_with_their_targets():
    row = MetricInput(response=["out"], target="in")
    assert passed_through("bleu")(row) == ["in", "out"]
    assert passed_through("ter")(MetricInput(response="out", target=["a", "b"])) == [["a", "b"], "out"]
    assert passed_through("bleu")(MetricInput(response="out", target=None)) is None
    assert passed_through("acc") is None
