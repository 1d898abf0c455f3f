"""The bootstrap: standard error and interval of a figure that is no mean, by drawing documents anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]  # summed statistics (resamples, numbers) -> a figure each

RESAMPLES = 1000
SEED = 1234
_CELLS = 4_000_000  # draws held at once: 32 MB


class Resampled(NamedTuple):
    """The spread of a figure over resamples; None below two clusters, and where a resample has no finite figure."""

    se: float | None
    low: float | None
    high: float | None


UNKNOWN = Resampled(None, None, None)


def bootstrap(
    rows: Floats,
    clusters: NDArray[np.int64],
    statistic: Statistic,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Resampled:
    """The standard deviation of `statistic` over resampled clusters, and its percentile interval.

    Each resample draws as many clusters as there are, with replacement, and sums their rows of `rows`
    (rows, numbers). B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap" (1993), algorithm 6.1 and
    section 13.3. Equal input gives equal results: the seed is fixed and clusters come in the order of their first rows.
    """
    sums = cluster_sums(rows, clusters)
    count = len(sums)
    if count < 2:
        return UNKNOWN
    generator = np.random.default_rng(seed)
    at_once = max(1, _CELLS // count)
    parts = [min(at_once, resamples - start) for start in range(0, resamples, at_once)]
    with np.errstate(invalid="ignore"):  # 0 · inf, of rows that were not drawn
        return spread(np.concatenate([statistic(_draws(generator, part, count) @ sums) for part in parts]), confidence)


def spread(figures: Floats, confidence: float = 0.95) -> Resampled:
    """Standard deviation and percentile interval of a figure's values over resamples."""
    if not np.isfinite(figures).all():
        return UNKNOWN
    low, high = np.quantile(figures, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return Resampled(float(figures.std(ddof=1)), float(low), float(high))


def cluster_sums(rows: Floats, clusters: NDArray[np.int64]) -> Floats:
    """The sum of the rows of each cluster, in the order in which clusters first appear."""
    count, membership = cluster_ranks(clusters)
    sums = np.zeros((count, rows.shape[1]))
    np.add.at(sums, membership, rows)
    return sums


def cluster_ranks(clusters: NDArray[np.int64]) -> tuple[int, NDArray[np.int64]]:
    """How many clusters there are, and the number of each row's, from 0 in the order in which they first appear."""
    _, first, membership = np.unique(clusters, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return len(first), rank[membership]


def _draws(generator: np.random.Generator, resamples: int, count: int) -> Floats:
    """How often each of `count` clusters is drawn in each resample, (resamples, count)."""
    chosen = generator.integers(count, size=(resamples, count))
    chosen += np.arange(resamples)[:, None] * count
    return np.bincount(chosen.ravel(), minlength=resamples * count).reshape(resamples, count).astype(np.float64)
