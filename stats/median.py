"""The median, and the difference of two models' medians on the same documents, with the bootstrap's uncertainty."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stats.bootstrap import UNKNOWN, cluster_ranks, spread
from stats.estimate import Estimate
from stats.intervals import UNDEFINED, Interval
from stats.mean import Column
from stats.median_resamples import resampled_medians
from stats.paired import Difference, Pairs

Floats = NDArray[np.float64]


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
    resampled = UNKNOWN if count < 2 else spread(resampled_medians([values], membership)[:, 0], confidence)
    method = None if resampled.se is None else "bootstrap"
    return Estimate(upper_median(values), len(values), missing, *resampled, method)


def paired_median(pairs: Pairs, confidence: float = 0.95) -> Difference:
    """The median of the model less that of the baseline, by the bootstrap over documents that both share."""
    model, baseline = pairs.model.ravel(), pairs.baseline.ravel()
    if not len(model):
        return Difference(None, 0, lost=pairs.lost, lost_baseline=pairs.lost_baseline)
    value = upper_median(model) - upper_median(baseline)
    count, membership = cluster_ranks(pairs.clusters)
    resampled = UNKNOWN
    if count > 1:
        own, other = resampled_medians([model, baseline], membership).T
        with np.errstate(invalid="ignore"):  # inf - inf
            resampled = spread(own - other, confidence)
    se, low, high = resampled
    interval = UNDEFINED if se is None else Interval(low, high, "paired bootstrap")
    figure = None if math.isnan(value) else value
    return Difference(figure, len(model), se, *interval, pairs.lost, pairs.lost_baseline)
