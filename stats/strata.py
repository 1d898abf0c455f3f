"""The unweighted mean of several slices' means, where slices share documents."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from stats.estimate import Estimate
from stats.intervals import student_t
from stats.mean import Column


def mean_of_means(columns: Sequence[Column], confidence: float = 0.95) -> Estimate:
    """(1/K) Σ_k mean_k over K columns, each counting alike whatever its size.

    One document may have a row in several columns, so that their means are not independent: with
    d_c = Σ_k Σ_{i∈c,k} (x_i - mean_k) / (K n_k) for a cluster c, se² = G/(G-1) Σ_c d_c² over all G clusters. For one
    column this is the cluster-robust variance of `stats.mean`. The interval is Student's with G - 1 degrees of freedom.

    A column without values leaves the whole without one: the mean of the others would be another figure.
    """
    summaries = [column.summary(None) for column in columns]
    n = sum(summary.n for summary in summaries)
    missing = sum(summary.missing for summary in summaries)
    means = [summary.mean for summary in summaries if summary.mean is not None]
    if not means or len(means) < len(columns) or not all(map(math.isfinite, means)):
        return Estimate(None, n, missing)
    value = math.fsum(means) / len(means)
    weights, clusters = [], []
    for column, mean in zip(columns, means, strict=True):
        values, hashes = column.arrays()
        present = ~np.isnan(values)
        weights.append((values[present] - mean) / (len(columns) * np.count_nonzero(present)))
        clusters.append(hashes[present])
    distinct, membership = np.unique(np.concatenate(clusters), return_inverse=True)
    count = len(distinct)
    if count < 2:
        return Estimate(value, n, missing)
    sums = np.bincount(membership, weights=np.concatenate(weights), minlength=count)
    se = math.sqrt(count / (count - 1) * math.fsum((sums * sums).tolist()))
    low, high, _ = student_t(value, se, count - 1, confidence)
    return Estimate(value, n, missing, se, low, high, "cluster-t")
