"""The medians of resamples are distributed as those of samples drawn one by one: against enumeration and theory."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from stats.median_resamples import resampled_medians

ROWS_ALONE = [0, 1, 2, 3, 4]
UNEVEN = [0, 1, 1, 2, 0, 3, 1, 3]  # rows of a cluster do not stand together
VALUES = [0.3, -1.0, 2.5, 0.9, 7.0, 0.9, -3.0, 1.1]
OTHERS = [1.0, 1.0, -2.0, 0.5, 0.0, 3.0, 2.0, -1.0]


def enumerated(samples: list[list[float]], membership: list[int]) -> Counter[tuple[float, ...]]:
    """How often each set of medians comes up among all equally likely draws of clusters."""
    clusters = [[row for row, owner in enumerate(membership) if owner == one] for one in range(max(membership) + 1)]
    found: Counter[tuple[float, ...]] = Counter()
    for drawn in itertools.product(clusters, repeat=len(clusters)):
        rows = [row for cluster in drawn for row in cluster]
        found[tuple(sorted(values[row] for row in rows)[len(rows) // 2] for values in samples)] += 1
    return found


@pytest.mark.parametrize("reach", [8.0, 0.3, 0.0])
@pytest.mark.parametrize("membership", [ROWS_ALONE, UNEVEN])
@pytest.mark.parametrize("others", [[], [OTHERS]])
def test_every_set_of_medians_comes_as_often_as_it_should(
    reach: float, membership: list[int], others: list[list[float]]
) -> None:
    samples = [values[: len(membership)] for values in (VALUES, *others)]
    expected = enumerated(samples, membership)
    total, drawn = expected.total(), 40_000
    arrays = [np.array(values) for values in samples]
    medians = resampled_medians(arrays, np.array(membership), resamples=drawn, reach=reach)
    found = Counter(map(tuple, medians.tolist()))
    assert set(found) <= set(expected)
    for medians_of_one, count in expected.items():
        share = count / total
        error = (share * (1 - share) / drawn) ** 0.5
        assert abs(found[medians_of_one] / drawn - share) < 5 * error


@pytest.mark.parametrize("reach", [8.0, 0.5])
def test_ranks_of_medians_follow_maritz_and_jarrett(reach: float) -> None:
    from scipy.stats import binom, kstest

    count = 20_001
    values = np.random.default_rng(3).permutation(count).astype(np.float64)
    medians = resampled_medians([values], np.arange(count), resamples=4000, reach=reach)[:, 0]
    # The median is at most the value of rank r where at least half of the draws are of the r + 1 least values.
    at_most = lambda rank: binom.sf(count // 2, count, (np.asarray(rank) + 1) / count)  # noqa: E731
    jittered = medians - np.random.default_rng(4).random(len(medians))  # a rank's whole step of the distribution
    steps = np.floor(jittered)
    between = at_most(steps) + (jittered - steps) * (at_most(steps + 1) - at_most(steps))
    assert kstest(between, "uniform").pvalue > 0.001


def test_equal_input_gives_equal_medians() -> None:
    values = np.random.default_rng(5).normal(size=300)
    first, second = (resampled_medians([values], np.arange(300) // 3) for _ in range(2))
    assert (first == second).all()
    assert len(np.unique(first)) > 20


@pytest.mark.parametrize("reach", [8.0, 0.0])
def test_infinite_values_and_one_huge_cluster_are_no_obstacle(reach: float) -> None:
    values, membership = [np.inf, -np.inf, *map(float, range(2000))], [0, 1, *[2] * 2000]
    expected = enumerated([values], membership)
    medians = resampled_medians([np.array(values)], np.array(membership), resamples=5000, reach=reach)
    found = Counter(map(tuple, medians.tolist()))
    assert set(found) == set(expected)
    for one, count in expected.items():
        assert found[one] / 5000 == pytest.approx(count / 27, abs=0.035)
