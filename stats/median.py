"""The median, and the difference of two models' medians on the same documents, with the bootstrap's uncertainty."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stats.bootstrap import OfDraws, cluster_ranks, resample
from stats.estimate import Estimate
from stats.intervals import UNDEFINED, Interval
from stats.mean import Column
from stats.paired import Difference, Pairs

Floats = NDArray[np.float64]
Ranks = NDArray[np.int64]


def upper_median(values: Floats) -> float:
    """The middle value; of an even number the higher of the two in the middle, as lm_eval's `median` has it."""
    return float(np.sort(values)[len(values) // 2])


def estimate_median(column: Column, confidence: float = 0.95) -> Estimate:
    """The median of what is there, with standard error and percentile interval by the bootstrap over clusters."""
    values, clusters = column.arrays()
    present = ~np.isnan(values)
    values, clusters = values[present], clusters[present]
    missing = len(present) - len(values)
    if not len(values):
        return Estimate(None, 0, missing)
    count, membership = cluster_ranks(clusters)
    se, low, high = resample(count, _drawn_medians(values, membership), confidence, cells=len(values))
    return Estimate(upper_median(values), len(values), missing, se, low, high, None if se is None else "bootstrap")


def paired_median(pairs: Pairs, confidence: float = 0.95) -> Difference:
    """The median of the model less that of the baseline, by the bootstrap over documents that both share."""
    model, baseline = pairs.model.ravel(), pairs.baseline.ravel()
    if not len(model):
        return Difference(None, 0, lost=pairs.lost, lost_baseline=pairs.lost_baseline)
    count, membership = cluster_ranks(pairs.clusters)
    own, other = _drawn_medians(model, membership), _drawn_medians(baseline, membership)

    def difference(draws: Floats) -> Floats:
        with np.errstate(invalid="ignore"):  # inf - inf
            return own(draws) - other(draws)

    se, low, high = resample(count, difference, confidence, cells=len(model))
    interval = UNDEFINED if se is None else Interval(low, high, "paired bootstrap")
    value = upper_median(model) - upper_median(baseline)
    figure = None if math.isnan(value) else value
    return Difference(figure, len(model), se, *interval, pairs.lost, pairs.lost_baseline)


def _drawn_medians(values: Floats, membership: Ranks) -> OfDraws:
    """From how often each cluster is drawn, the median of the values then there, for each resample."""
    order = np.argsort(values, kind="stable")
    ascending, owners = values[order], membership[order]

    def medians(draws: Floats) -> Floats:
        below = draws[:, owners].cumsum(axis=1)  # how many values are drawn up to each
        return np.asarray(ascending[(below > below[:, -1:] // 2).argmax(axis=1)])

    return medians
