"""The bootstrap: standard error and interval of a figure that is no mean, by drawing documents anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]  # summed statistics (resamples, numbers) -> a figure each
OfDraws = Callable[[Floats], Floats]  # how often each cluster is drawn (resamples, clusters) -> a figure each

RESAMPLES = 1000
_SEED = 1234
_CELLS = 4_000_000  # draws held at once: 32 MB


class Resampled(NamedTuple):
    """The spread of a figure over resamples; None below two clusters, and where a resample has no finite figure."""

    se: float | None
    low: float | None
    high: float | None


def bootstrap(
    rows: Floats,
    clusters: NDArray[np.int64],
    statistic: Statistic,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = _SEED,
) -> Resampled:
    """The standard deviation of `statistic` over resampled clusters, and its percentile interval.

    Each resample draws as many clusters as there are, with replacement, and sums their rows of `rows`
    (rows, numbers). B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap" (1993), algorithm 6.1 and
    section 13.3. Equal input gives equal results: the seed is fixed and clusters come in the order of their first rows.
    """
    sums = cluster_sums(rows, clusters)

    def figures(draws: Floats) -> Floats:
        with np.errstate(invalid="ignore"):  # 0 · inf, of rows that were not drawn
            return statistic(draws @ sums)

    return resample(len(sums), figures, confidence, resamples, seed)


def resample(
    count: int,
    figures: OfDraws,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = _SEED,
    cells: int = 0,
) -> Resampled:
    """The spread of `figures` over draws of `count` clusters with replacement, as `bootstrap` describes it.

    `cells`: how many numbers `figures` holds for each resample, where these are more than the clusters.
    """
    if count < 2:
        return Resampled(None, None, None)
    generator = np.random.default_rng(seed)
    at_once = max(1, _CELLS // max(count, cells))
    found = np.concatenate(
        [figures(_draws(generator, min(at_once, resamples - start), count)) for start in range(0, resamples, at_once)]
    )
    if not np.isfinite(found).all():
        return Resampled(None, None, None)
    low, high = np.quantile(found, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return Resampled(float(found.std(ddof=1)), float(low), float(high))


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
