"""The unweighted mean of several slices' means: its value, and its error where slices share documents."""

from __future__ import annotations

import numpy as np
import pytest

from stats.estimate import estimate_mean
from stats.mean import Column
from stats.strata import mean_of_means


def column(values, clusters):
    one = Column()
    one.extend(values, clusters)
    return one


def test_a_mean_of_means_counts_each_slice_alike_and_documents_once():
    drawn = np.random.default_rng(5)
    documents = drawn.normal(size=400)
    slices = []
    for _ in range(3):
        members = drawn.choice(400, size=250, replace=False)
        slices.append((documents[members] + drawn.normal(scale=0.1, size=250), [str(number) for number in members]))
    estimate = mean_of_means([column(values, clusters) for values, clusters in slices])
    assert estimate.value == pytest.approx(np.mean([values.mean() for values, _ in slices]))
    assert estimate.n == 750
    independent = np.sqrt(sum(values.var(ddof=1) / 250 for values, _ in slices)) / 3
    assert estimate.se > 1.2 * independent  # documents that are in several slices move all of them together
    resampled = [_resampled_mean(slices, drawn.integers(0, 400, size=400)) for _ in range(2000)]
    assert estimate.se == pytest.approx(np.std(resampled), rel=0.1)


def _resampled_mean(slices, chosen):
    times = np.bincount(chosen, minlength=400)
    weights = [(values, times[[int(name) for name in clusters]]) for values, clusters in slices]
    return np.mean([np.average(values, weights=weight) for values, weight in weights])


def test_a_mean_of_one_slice_is_its_mean_and_of_a_missing_one_nothing():
    values, clusters = [1.0, 2.0, 4.0, None], ["a", "a", "b", "c"]
    one = mean_of_means([column(values, clusters)])
    plain = estimate_mean(column(values, clusters), maximum=None)
    assert (one.value, one.n, one.missing) == (plain.value, plain.n, plain.missing)
    assert one.se == pytest.approx(plain.se)
    assert one.low == pytest.approx(plain.low)
    assert mean_of_means([column(values, clusters), Column()]).value is None
