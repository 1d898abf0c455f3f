"""A metric's values, gathered row by row in little memory, and their mean with its standard error."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class MeanSummary:
    """The mean of `n` values in `clusters` clusters.

    `mean` is None where n is 0, `se` where it is undefined: below two clusters, or with an infinite value.
    """

    n: int
    missing: int
    clusters: int
    mean: float | None
    se: float | None
    zeros: int  # how many values are 0
    ones: int  # how many equal the highest possible value


class Column:
    """The values of one metric: 16 bytes a row. None and NaN are missing: counted, never averaged.

    Clusters are kept as 64-bit hashes; among a million of them two coincide with a probability of 3e-8.
    """

    def __init__(self) -> None:
        self._values = array("d")
        self._clusters = array("q")

    def __len__(self) -> int:
        return len(self._values)

    def add(self, value: float | None, cluster: str) -> None:
        """One row's value. Raises TypeError for a value that is no number."""
        self._values.append(math.nan if value is None else value)
        self._clusters.append(hash(cluster))

    def extend(self, values: Iterable[float | None], clusters: Iterable[str]) -> None:
        """Several rows' values, with a cluster each."""
        self._values.extend([math.nan if value is None else value for value in values])
        self._clusters.extend(map(hash, clusters))
        if len(self._values) != len(self._clusters):
            raise ValueError("a column needs one cluster a value")

    def arrays(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The values, NaN where one is missing, and their clusters' hashes."""
        return np.frombuffer(self._values, dtype=np.float64), np.frombuffer(self._clusters, dtype=np.int64)

    def summary(self, maximum: float | None = 1.0) -> MeanSummary:
        """Mean and standard error of what is there; `maximum` is the highest value that a row can have, if any."""
        return summarise(*self.arrays(), maximum)


def summarise(values: NDArray[np.float64], clusters: NDArray[np.int64], maximum: float | None = None) -> MeanSummary:
    """Mean and standard error of `values`, of which NaN are missing; `clusters` are hashes, one a value."""
    present = ~np.isnan(values)
    missing = len(values) - int(np.count_nonzero(present))
    values, clusters = values[present], clusters[present]
    mean = _mean(values)
    count, se = _standard_error(values, clusters, mean)
    return MeanSummary(
        n=len(values),
        missing=missing,
        clusters=count,
        mean=mean,
        se=se,
        zeros=int(np.count_nonzero(values == 0.0)),
        ones=0 if maximum is None else int(np.count_nonzero(values == maximum)),
    )


def _mean(values: NDArray[np.float64]) -> float | None:
    if not len(values):
        return None
    if not np.isfinite(values).all():
        with np.errstate(invalid="ignore"):  # inf - inf, where both signs occur: the mean is NaN
            return float(values.sum())
    return math.fsum(values.tolist()) / len(values)  # exact, so that the order of rows does not matter


def _standard_error(
    values: NDArray[np.float64], clusters: NDArray[np.int64], mean: float | None
) -> tuple[int, float | None]:
    """The number of clusters G and the standard error of the mean.

    se² = G/(G-1) · (1/n²) · Σ_c (Σ_{i∈c} (x_i - mean))²: the cluster-robust variance of Miller, "Adding Error Bars
    to Evals" (2024, arXiv:2411.00640), section 2.2, with the correction for few clusters. Where each row is a cluster
    of its own it is Σ (x_i - mean)² / (n (n-1)), the variance of lm_eval's `mean_stderr`.
    """
    distinct, membership = np.unique(clusters, return_inverse=True)
    count = len(distinct)
    if mean is None or not math.isfinite(mean) or count < 2:
        return count, None
    deviations = values - mean
    sums = deviations if count == len(values) else np.bincount(membership, weights=deviations, minlength=count)
    squares = math.fsum((sums * sums).tolist())  # exact: clusters come in the order of their hashes, which vary
    variance = count / (count - 1) * squares / len(values) ** 2
    return count, math.sqrt(variance)
