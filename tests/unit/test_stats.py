"""Means, standard errors, intervals and group means, against numpy, scipy and plain formulas."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stats.estimate import Estimate, estimate_mean
from stats.groups import group_mean
from stats.intervals import UNDEFINED, normal, student_t, t_quantile, wilson
from stats.mean import Column

NUMBERS = st.floats(-1e6, 1e6)
CONFIDENCE = st.sampled_from([0.5, 0.9, 0.95, 0.99])


def column(values, clusters=None):
    filled = Column()
    filled.extend(values, clusters or [str(number) for number in range(len(values))])
    return filled


@settings(deadline=None)
@given(st.lists(NUMBERS, min_size=2, max_size=60))
def test_mean_and_standard_error_of_independent_rows(values):
    summary = column(values).summary()
    assert summary.mean == pytest.approx(statistics.fmean(values), rel=1e-12, abs=1e-9)
    assert summary.se == pytest.approx(np.std(values, ddof=1) / math.sqrt(len(values)), rel=1e-9, abs=1e-9)


@settings(deadline=None)
@given(st.lists(st.tuples(NUMBERS, st.sampled_from("abcdef")), min_size=2, max_size=60))
def test_clustered_standard_error_is_miller_s_with_the_correction_for_few_clusters(rows):
    values, clusters = zip(*rows, strict=True)
    count = len(set(clusters))
    summary = column(values, clusters).summary()
    assert summary.clusters == count
    if count == 1:
        assert summary.se is None
        return
    mean = statistics.fmean(values)
    covariance = sum(
        (one - mean) * (two - mean) for one, first in rows for two, second in rows if first == second
    )  # the double sum over pairs within a cluster, the diagonal included
    expected = math.sqrt(max(0.0, covariance) * count / (count - 1)) / len(values)
    assert summary.se == pytest.approx(expected, rel=1e-6, abs=1e-3)


def test_copies_of_each_row_do_not_make_the_error_smaller():
    values = [0.0, 1.0, 1.0, 0.0, 1.0]
    single = column(values).summary()
    tripled = column(values * 3, list("abcde") * 3).summary()
    assert tripled.se == pytest.approx(single.se)
    assert tripled.mean == pytest.approx(single.mean)


@settings(deadline=None)
@given(st.permutations(list(range(12))))
def test_the_order_of_rows_changes_nothing(order):
    values = [0.1 * number**3 for number in range(12)]
    forward = column(values).summary()
    shuffled = column([values[place] for place in order]).summary()
    assert (shuffled.mean, shuffled.se) == (forward.mean, forward.se)


def test_rows_one_by_one_or_in_chunks_are_the_same():
    one, chunked = Column(), Column()
    values, clusters = [1.0, None, 0.25, True, 3], ["a", "b", "a", "c", "d"]
    for value, cluster in zip(values, clusters, strict=True):
        one.add(value, cluster)
    chunked.extend(values[:2], clusters[:2])
    chunked.extend(iter(values[2:]), iter(clusters[2:]))
    assert one.summary() == chunked.summary()
    assert (one.summary().n, one.summary().missing, one.summary().clusters) == (4, 1, 3)


def test_a_column_refuses_what_is_no_number_and_uneven_chunks():
    with pytest.raises(TypeError):
        Column().add([1, 2], "a")
    with pytest.raises(ValueError, match="one cluster a value"):
        Column().extend([1.0], ["a", "b"])


def test_an_infinite_value_leaves_the_mean_infinite_and_no_error():
    estimate = estimate_mean(column([1.0, math.inf]), maximum=None)
    assert estimate.value == math.inf
    assert (estimate.se, estimate.low, estimate.high, estimate.method) == (None, None, None, None)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), CONFIDENCE)
def test_wilson_is_scipy_s(counts, confidence):
    from scipy import stats

    successes, n = counts
    reference = stats.binomtest(successes, n).proportion_ci(confidence, method="wilson")
    assert wilson(successes, n, confidence)[:2] == pytest.approx((reference.low, reference.high), abs=1e-12)


@settings(max_examples=200, deadline=None)
@given(NUMBERS, st.floats(1e-6, 1e3), st.integers(1, 100000), CONFIDENCE)
def test_student_t_is_scipy_s(mean, se, degrees, confidence):
    from scipy import stats

    low, high, method = student_t(mean, se, degrees, confidence)
    assert (low, high) == pytest.approx(stats.t.interval(confidence, degrees, mean, se), rel=1e-9)
    assert method == "student-t"


def test_normal_is_the_limit_of_student_t():
    assert normal(0.0, 1.0, 0.95).high == pytest.approx(1.959963984540054, abs=1e-12)
    assert t_quantile(0.95, 10**9) == pytest.approx(1.959963984540054, abs=1e-8)


def test_what_is_undefined_is_none():
    assert wilson(0, 0) == UNDEFINED
    assert student_t(1.0, None, 5) == UNDEFINED
    assert student_t(1.0, 0.1, 0) == UNDEFINED
    assert normal(None, None) == UNDEFINED
    assert estimate_mean(Column()) == Estimate(None, 0)
    alone = estimate_mean(column([0.3]))
    assert (alone.value, alone.se, alone.low, alone.method) == (0.3, None, None, None)
    assert estimate_mean(column([None, math.nan])) == Estimate(None, 0, 2)


@pytest.mark.parametrize(
    ("values", "clusters", "maximum", "method"),
    [
        ([0, 1, 1, 1], None, 1.0, "wilson"),
        ([0, 1, 1, 1], "aabb", 1.0, "cluster-t"),
        ([0, 0.5, 1], None, 1.0, "student-t"),
        ([0, 0.5, 1], "aab", 1.0, "cluster-t"),
        ([0, 100, 100], None, 100.0, "wilson"),
        ([0, 1, 1], None, 100.0, "student-t"),
        ([0, 1, 1], None, None, "student-t"),
        ([1], None, 1.0, "wilson"),
    ],
)
def test_the_interval_suits_the_values(values, clusters, maximum, method):
    estimate = estimate_mean(column(values, clusters), 0.95, maximum)
    assert estimate.method == method
    assert estimate.low <= estimate.value <= estimate.high


def test_an_interval_of_percentages_is_in_percent():
    plain = estimate_mean(column([0, 1, 1]), maximum=1.0)
    percent = estimate_mean(column([0, 100, 100]), maximum=100.0)
    assert (percent.low, percent.high) == pytest.approx((100 * plain.low, 100 * plain.high))


def test_an_interval_of_a_clustered_proportion_stays_a_proportion():
    estimate = estimate_mean(column([1, 1, 1, 1, 0, 1], "aabbcd"))
    assert estimate.high == 1.0
    assert estimate.low >= 0.0


def test_wilson_covers_what_it_says():
    generator = np.random.default_rng(7)
    draws = generator.binomial(50, 0.1, size=4000)
    inside = sum(low <= 0.1 <= high for low, high, _ in (wilson(int(draw), 50) for draw in draws))
    assert 0.93 < inside / 4000 < 0.98


MEMBERS = [Estimate(0.5, 100, 1, 0.05), Estimate(0.8, 300, 2, 0.02)]


def test_group_mean_by_size_is_the_mean_over_all_rows():
    group = group_mean(MEMBERS)
    assert (group.value, group.n, group.missing) == (pytest.approx(0.725), 400, 3)
    assert group.se == pytest.approx(math.hypot(0.25 * 0.05, 0.75 * 0.02))
    assert group.low == pytest.approx(group.value - 1.959963984540054 * group.se)
    assert group.method == "normal"


def test_plain_group_mean_weighs_members_alike():
    group = group_mean(MEMBERS, weight_by_size=False)
    assert group.value == pytest.approx(0.65)
    assert group.se == pytest.approx(math.hypot(0.05, 0.02) / 2)


def test_group_error_is_that_of_simulated_groups():
    generator = np.random.default_rng(3)
    means = [np.concatenate([generator.normal(0, 1, 40), generator.normal(5, 3, 160)]).mean() for _ in range(4000)]
    members = [Estimate(0.0, 40, se=1 / math.sqrt(40)), Estimate(5.0, 160, se=3 / math.sqrt(160))]
    assert group_mean(members).se == pytest.approx(np.std(means), rel=0.05)


def test_a_member_without_value_or_error_is_not_passed_over():
    assert group_mean([*MEMBERS, Estimate(None, 0, 5)]) == Estimate(None, 400, 8)
    without_error = group_mean([*MEMBERS, Estimate(0.5, 1)])
    assert without_error.value is not None
    assert (without_error.se, without_error.low, without_error.method) == (None, None, None)
    assert group_mean([]) == Estimate(None, 0)
