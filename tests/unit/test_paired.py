"""Paired differences, the bootstrap, and columns of counts, against plain formulas."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.aggregation import find_aggregation
from metrics.corpus_scores import ter_score
from pipeline.errors import MetricError
from stats.bootstrap import bootstrap, cluster_sums
from stats.distribution import histogram
from stats.mean import Column
from stats.paired import KeyedColumn, KeyedHashes, paired_corpus, paired_mean
from stats.vectors import VectorColumn


def clear(difference):
    return difference.low is not None and not difference.low <= 0 <= difference.high


def keyed(values, clusters=None):
    column = KeyedColumn()
    groups = [(clusters or {}).get(key, key) for key in values]
    column.extend([hash(key) for key in values], [hash(group) for group in groups], list(values.values()))
    return column


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=2, max_size=40))
def test_the_mean_difference_has_the_error_of_the_differences(pairs):
    model = {str(number): one for number, (one, _) in enumerate(pairs)}
    baseline = {str(number): two for number, (_, two) in reversed(list(enumerate(pairs)))}
    found = paired_mean(keyed(model).pairs(keyed(baseline)))
    differences = [one - two for one, two in pairs]
    assert found.n == len(pairs)
    assert found.value == pytest.approx(statistics.fmean(differences), abs=1e-9)
    assert found.se == pytest.approx(statistics.stdev(differences) / math.sqrt(len(pairs)), rel=1e-6, abs=1e-9)


def test_the_interval_is_scipy_s_paired_t():
    from scipy import stats

    generator = np.random.default_rng(3)
    one, two = generator.normal(size=30), generator.normal(size=30)
    found = paired_mean(keyed(dict(enumerate(one.tolist()))).pairs(keyed(dict(enumerate(two.tolist())))), 0.9)
    low, high = stats.ttest_rel(one, two).confidence_interval(0.9)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_rows_that_one_side_lacks_are_counted_and_left_out():
    model = keyed({"a": 1.0, "b": 0.0, "c": None, "d": math.nan, "e": 1.0})
    baseline = keyed({"a": 0.0, "b": 0.0, "c": 1.0, "d": 1.0, "f": 1.0})
    found = paired_mean(model.pairs(baseline))
    assert (found.value, found.n, found.lost, found.lost_baseline) == (0.5, 2, 3, 1)


@pytest.mark.filterwarnings("error")
def test_infinite_values_are_compared_without_a_warning():
    model = {"a": math.inf, "b": -math.inf, "c": 3.0, "d": 2.0}
    both = paired_mean(keyed(model).pairs(keyed({"a": math.inf, "b": -math.inf, "c": 1.0, "d": 1.0})))
    assert (both.value, both.n, both.se) == (1.5, 2, pytest.approx(0.5))
    one = paired_mean(keyed(model).pairs(keyed({"a": 0.0, "b": -math.inf, "c": 1.0, "d": 1.0})))
    assert (one.value, one.n, one.se, one.low) == (math.inf, 3, None, None)
    opposite = paired_mean(keyed(model).pairs(keyed({"a": 0.0, "b": 0.0, "c": 1.0, "d": 1.0})))
    assert (opposite.value, opposite.n, opposite.se) == (None, 4, None)


def test_clusters_widen_the_error():
    model = {str(number): float(number % 4 == 0) for number in range(16)}
    baseline = dict.fromkeys(model, 0.5)
    alone = paired_mean(keyed(model).pairs(keyed(baseline)))
    together = paired_mean(keyed(model, {key: str(int(key) % 4) for key in model}).pairs(keyed(baseline)))
    assert together.value == alone.value
    assert together.se > alone.se


def test_equal_differences_are_clear_only_where_chance_is_excluded():
    def found(count):
        keys = [str(number) for number in range(count)]
        return paired_mean(keyed(dict.fromkeys(keys, 1.0)).pairs(keyed(dict.fromkeys(keys, 0.0))))

    assert not clear(found(5))
    assert clear(found(6))
    same = keyed({"a": 1.0, "b": 0.0})
    assert not clear(paired_mean(same.pairs(same)))


def test_no_pairs_give_no_figure():
    empty = paired_mean(keyed({"a": 1.0}).pairs(keyed({"b": 1.0})))
    assert (empty.value, empty.n, empty.se, empty.low) == (None, 0, None, None)
    assert paired_corpus(keyed({}).pairs(keyed({})), ter_score).value is None


def test_the_bootstrap_of_a_mean_agrees_with_its_formula_and_repeats():
    values = np.random.default_rng(1).normal(size=(400, 1))
    rows = np.hstack([values, np.ones((400, 1))])

    def mean(counts):
        return counts[:, 0] / counts[:, 1]

    found = bootstrap(rows, np.arange(400), mean)
    assert found.se == pytest.approx(values.std(ddof=1) / 20, rel=0.1)
    assert found.low < values.mean() < found.high
    assert bootstrap(rows, np.arange(400)[::-1], mean) == found  # other hashes of the same documents
    assert bootstrap(rows, np.zeros(400, dtype=np.int64), mean) == (None, None, None)


def test_the_bootstrap_draws_clusters_whole():
    rows = np.array([[1.0], [2.0], [4.0], [8.0]])
    assert cluster_sums(rows, np.array([9, 5, 9, 7])).ravel().tolist() == [5.0, 2.0, 8.0]


def test_a_paired_bootstrap_sees_what_both_share():
    generator = np.random.default_rng(2)
    edits = generator.integers(0, 20, size=60).tolist()
    baseline = {str(number): [float(edit + 1), 20.0] for number, edit in enumerate(edits)}
    model = {str(number): [float(edit), 20.0] for number, edit in enumerate(edits)}
    found = paired_corpus(keyed(model).pairs(keyed(baseline)), ter_score)
    assert found.value == pytest.approx(-5.0)
    assert found.se == pytest.approx(0.0, abs=1e-9)
    assert clear(found)


def test_missing_counts_are_counted_and_shorter_ones_filled_up():
    column = VectorColumn()
    column.extend([None, [1.0, 2.0], [0.0, 2.0]], "abc")
    estimate = find_aggregation("ter")(column)
    assert (estimate.value, estimate.n, estimate.missing, len(column)) == (25.0, 2, 1, 3)
    column.extend([[1.0], [5.0, 6.0, 7.0]], "de")
    assert column.matrix().tolist() == [[1.0, 2.0, 0.0], [0.0, 2.0, 0.0], [1.0, 0.0, 0.0], [5.0, 6.0, 7.0]]
    with pytest.raises(ValueError, match="a number where others"):
        KeyedColumn().extend([1, 2], [1, 2], [1.0, [1.0]])


def test_an_aggregation_refuses_values_of_the_other_kind():
    with pytest.raises(MetricError, match="a mean is of numbers"):
        find_aggregation("mean")(VectorColumn())
    with pytest.raises(MetricError, match="of counts"):
        find_aggregation("bleu")(Column())


def test_histograms_have_common_bins_and_quantiles():
    drawn = histogram({"a": np.array([0.0, 0.2, 1.0, np.nan]), "b": np.array([0.5]), "c": np.array([])}, (0.25, 0.5), 4)
    assert drawn.edges == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert drawn.spreads["a"].counts == (2, 0, 0, 1)
    assert drawn.spreads["a"].quantiles == (0.1, 0.2)
    assert (drawn.spreads["b"].n, drawn.spreads["b"].counts) == (1, (0, 0, 1, 0))
    assert "c" not in drawn.spreads
    assert histogram({"a": np.array([1.0, 1.0])}, (0.5,)) is None
    assert histogram({}, (0.5,)) is None


def hashes(**belonging):
    column = KeyedHashes()
    for key, value in belonging.items():
        column.extend([hash(key)], [hash(value)])
    return column


def test_what_differs_is_counted_over_the_keys_that_both_have():
    one = hashes(a="x", b="y", c="z", own="x")
    one.extend([hash("b"), hash("a")], [hash("y"), hash("x")])  # rows of one document
    assert one.differing(hashes(c="other", b="y", a="other", theirs="z")) == (2, 3)
    assert one.differing(one) == (0, 4)
    assert one.differing(hashes()) == hashes().differing(one) == (0, 0)
