"""The difference of two models on the same documents: what a comparison rests on. Knows numbers only.

Two models answer the same questions, so their values rise and fall together; the error of the difference, document by
document, is therefore smaller than the errors of the two figures suggest.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stats.bootstrap import Statistic, bootstrap
from stats.intervals import UNDEFINED, Interval, student_t
from stats.mean import summarise
from stats.vectors import NumberRows, as_matrix

Floats = NDArray[np.float64]
Hashes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Difference:
    """A model's figure less its baseline's over `n` pairs, with standard error and interval; None where undefined.

    `lost` and `lost_baseline`: rows that the model, or the baseline, alone does not have a value for.
    """

    value: float | None
    n: int
    se: float | None = None
    low: float | None = None
    high: float | None = None
    method: str | None = None
    lost: int = 0
    lost_baseline: int = 0


@dataclass(frozen=True)
class Pairs:
    """The rows that two models both have, in one order: values (rows, numbers), the rows' clusters, and losses.

    The two may have different numbers a row, where counts of what never occurred are left off.
    """

    model: Floats
    baseline: Floats
    clusters: Hashes
    lost: int
    lost_baseline: int


class KeyedColumn:
    """One metric's values with the documents that they are of: 16 bytes a row and 8 a number.

    Keys and clusters are kept as 64-bit hashes. None and NaN are missing: such a row is not here at all.
    """

    def __init__(self) -> None:
        self._keys = array("q")
        self._clusters = array("q")
        self._rows = NumberRows()

    def __len__(self) -> int:
        return len(self._keys)

    def extend(
        self, keys: Sequence[int], clusters: Sequence[int], values: Sequence[float | Sequence[float] | None]
    ) -> None:
        """Several rows: hashes of what each is of and of its cluster, and its value, one number or as many counts."""
        present = [number for number, value in enumerate(values) if value is not None]
        if not present:
            return
        if len(present) < len(values):
            keys, clusters = [keys[number] for number in present], [clusters[number] for number in present]
        numbers = as_matrix([value for value in values if value is not None])
        kept = ~np.isnan(numbers).any(axis=1)
        self._rows.extend(numbers[kept])
        self._keys.frombytes(np.array(keys, dtype=np.int64)[kept].tobytes())
        self._clusters.frombytes(np.array(clusters, dtype=np.int64)[kept].tobytes())

    def values(self) -> Floats:
        """(rows, numbers a row)."""
        return self._rows.matrix()

    def pairs(self, baseline: KeyedColumn) -> Pairs:
        """The rows that `baseline` has too, in this column's order. Keys that repeat count once."""
        keys, others = (np.frombuffer(column._keys, dtype=np.int64) for column in (self, baseline))
        _, own, other = np.intersect1d(keys, others, return_indices=True)
        order = np.argsort(own)
        own, other = own[order], other[order]
        return Pairs(
            self.values()[own],
            baseline.values()[other],
            np.frombuffer(self._clusters, dtype=np.int64)[own],
            lost=len(baseline) - len(own),
            lost_baseline=len(self) - len(own),
        )


class KeyedHashes:
    """What belongs to each document, as a 64-bit hash beside its key: 16 bytes a row."""

    def __init__(self) -> None:
        self._keys = array("q")
        self._hashes = array("q")

    def extend(self, keys: Sequence[int], hashes: Sequence[int]) -> None:
        """Several rows: hashes of what each is of, and of what belongs to it."""
        self._keys.extend(keys)
        self._hashes.extend(hashes)

    def differing(self, other: KeyedHashes) -> tuple[int, int]:
        """How many keys have another hash in `other`, and how many both have. Keys that repeat count once."""
        keys, others = (np.frombuffer(one._keys, dtype=np.int64) for one in (self, other))
        _, own, theirs = np.intersect1d(keys, others, return_indices=True)
        hashes, other_hashes = (np.frombuffer(one._hashes, dtype=np.int64) for one in (self, other))
        return int(np.count_nonzero(hashes[own] != other_hashes[theirs])), len(own)


def paired_mean(pairs: Pairs, confidence: float = 0.95) -> Difference:
    """The mean of d_i = model_i - baseline_i, its cluster-robust standard error, and mean ± t·se.

    Source: the paired analysis of E. Miller, "Adding Error Bars to Evals" (2024, arXiv:2411.00640); the variance is
    that of `stats.mean`, t has one degree of freedom less than there are clusters. Where all differences are equal
    and not 0 they show no variance: an interval is given only where the sign test would exclude chance.

    Two values that are infinite with the same sign have no difference: their pair is left out of mean and `n`. The mean
    of differences that are infinite with both signs is undefined.
    """
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, which the summary leaves out
        differences = (pairs.model - pairs.baseline).ravel()
    summary = summarise(differences, pairs.clusters)
    interval = student_t(summary.mean, summary.se, summary.clusters - 1, confidence)
    if summary.se == 0 and summary.mean and not _enough(summary.clusters, confidence):
        interval = UNDEFINED
    mean = None if summary.mean is None or math.isnan(summary.mean) else summary.mean
    return _difference(mean, summary.se, interval, pairs, summary.n)


def paired_corpus(pairs: Pairs, statistic: Statistic, confidence: float = 0.95) -> Difference:
    """The difference of two figures of summed counts, by the bootstrap over documents that both models share.

    Source: P. Koehn, "Statistical Significance Tests for Machine Translation Evaluation" (2004), section 3.
    """
    width = pairs.model.shape[1]
    if not len(pairs.model):
        return _difference(None, None, UNDEFINED, pairs, 0)

    def difference(counts: Floats) -> Floats:
        with np.errstate(invalid="ignore"):  # inf - inf
            return statistic(counts[:, :width]) - statistic(counts[:, width:])

    both = np.hstack([pairs.model, pairs.baseline])
    (value,) = difference(both.sum(axis=0, keepdims=True))
    se, low, high = bootstrap(both, pairs.clusters, difference, confidence)
    interval = UNDEFINED if se is None else Interval(low, high, "paired bootstrap")
    return _difference(None if math.isnan(value) else float(value), se, interval, pairs, len(both))


def _enough(clusters: int, confidence: float) -> bool:
    """Whether equal differences in all clusters could be no chance: the sign test, 2 · 0.5^clusters."""
    return 2 * math.pow(0.5, clusters) <= 1 - confidence


def _difference(value: float | None, se: float | None, interval: Interval, pairs: Pairs, n: int) -> Difference:
    low, high, method = interval
    return Difference(value, n, se, low, high, method, pairs.lost, pairs.lost_baseline)
