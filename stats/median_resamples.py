"""The medians of bootstrap resamples, drawn no further than they must be known. Estimates are those of `median.py`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stats.bootstrap import RESAMPLES, SEED

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_REACH = 8.0  # standard deviations around the median that count as near: beyond them is one resample in 1e15
_CELLS = 4_000_000  # numbers held at once: 32 MB


class _Ranked(NamedTuple):
    """One model's values in ascending order, and the cluster of each; those from `first` to `last` are near."""

    values: Floats
    owners: Integers
    first: int
    last: int

    @property
    def near(self) -> Integers:
        return self.owners[self.first : self.last]


class _Drawn(NamedTuple):
    """Resamples: how often each near cluster is drawn, (resamples, near), and how many of each other kind."""

    near: Floats
    of_kind: Integers


def resampled_medians(
    samples: Sequence[Floats],
    membership: Integers,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    reach: float = _REACH,
) -> Floats:
    """The upper median of each of `samples` in each resample, (resamples, samples).

    Row i of every sample belongs to cluster `membership[i]`, numbered from 0 without a gap. A resample draws as many
    clusters as there are, with replacement, the same ones for all samples.

    The median of a resample lies near that of the sample. So which clusters are drawn is found out for those alone that
    have a row near it. Of the others it is enough to know how many are drawn of each kind, that is of one size and with
    as many rows before the median: these numbers are multinomial. A resample whose median lies elsewhere has the rest
    of its clusters drawn as well. The medians are thus distributed exactly as if every cluster were drawn by itself,
    whatever `reach` is; it decides how long that takes. Where each row is a cluster of its own, this is the
    distribution that J. S. Maritz and R. G. Jarrett give in "A Note on Estimating the Variance of the Sample Median",
    JASA 73 (1978), p. 194.
    """
    clusters = _Clusters(samples, membership, reach)
    generator = np.random.default_rng(seed)
    at_once = max(1, _CELLS // clusters.width)
    parts = [min(at_once, resamples - start) for start in range(0, resamples, at_once)]
    return np.concatenate([clusters.medians(clusters.draw(generator, part), generator) for part in parts])


class _Clusters:
    """The clusters of some samples: those with a row near a median, and the kinds of all others."""

    def __init__(self, samples: Sequence[Floats], membership: Integers, reach: float) -> None:
        sizes = np.bincount(membership)
        self._count = len(sizes)
        self._ranked = [_ranked(values, membership, sizes, reach) for values in samples]
        before = [np.bincount(one.owners[: one.first], minlength=self._count) for one in self._ranked]
        numbers = np.stack([sizes, *before], axis=1)  # of each cluster: its rows, and those before each window
        is_near = np.zeros(self._count, dtype=bool)
        for one in self._ranked:
            is_near[one.near] = True
        self._near, others = np.flatnonzero(is_near), np.flatnonzero(~is_near)
        self._position = np.cumsum(is_near) - 1  # of a near cluster among the near ones
        kinds = _kinds(numbers[others])
        self._others = others[np.argsort(kinds, kind="stable")]  # by kind
        _, self._start, self._of_kind = np.unique(np.sort(kinds), return_index=True, return_counts=True)
        self._near_numbers = numbers[self._near].astype(np.float64)
        self._kind_numbers = numbers[self._others[self._start]].astype(np.float64)
        self.width = max(len(self._near), *(len(one.near) for one in self._ranked))

    def draw(self, generator: np.random.Generator, resamples: int) -> _Drawn:
        shares = np.array([len(self._near), *self._of_kind]) / self._count
        numbers = generator.multinomial(self._count, shares, size=resamples)
        number = len(self._near)
        chosen = generator.integers(number, size=numbers[:, 0].sum())
        chosen += np.repeat(np.arange(resamples) * number, numbers[:, 0])
        times = np.bincount(chosen, minlength=resamples * number).reshape(resamples, number)
        return _Drawn(times.astype(np.float64), numbers[:, 1:])

    def medians(self, drawn: _Drawn, generator: np.random.Generator) -> Floats:
        """(resamples, samples)."""
        numbers = drawn.near @ self._near_numbers + drawn.of_kind @ self._kind_numbers
        half = numbers[:, 0] // 2
        medians = np.empty((len(half), len(self._ranked)))
        beyond = np.zeros(len(half), dtype=bool)
        for column, one in enumerate(self._ranked):
            before = numbers[:, column + 1]
            passed = before[:, None] + drawn.near[:, self._position[one.near]].cumsum(axis=1) > half[:, None]
            medians[:, column] = one.values[one.first + passed.argmax(axis=1)]
            beyond |= (before > half) | ~passed[:, -1]
        for resample in np.flatnonzero(beyond):
            times = self._all_drawn(drawn.near[resample], drawn.of_kind[resample], generator)
            medians[resample] = [_median_of_drawn(one, times) for one in self._ranked]
        return medians

    def _all_drawn(self, near: Floats, of_kind: Integers, generator: np.random.Generator) -> Floats:
        """How often each cluster is drawn in a resample of which the near ones and the numbers by kind are known."""
        start, size = np.repeat(self._start, of_kind), np.repeat(self._of_kind, of_kind)
        times = np.bincount(self._others[start + generator.integers(size)], minlength=self._count).astype(np.float64)
        times[self._near] = near
        return times


def _ranked(values: Floats, membership: Integers, sizes: Integers, reach: float) -> _Ranked:
    order = np.argsort(values, kind="stable")
    owners, middle = membership[order], len(values) // 2
    # What a resample has before the median of the sample, less half of its rows, is the sum of this over its clusters.
    excess = np.bincount(owners[:middle], minlength=len(sizes)) - sizes / 2
    far = int(reach * math.sqrt(((excess - excess.mean()) ** 2).sum())) + 1
    return _Ranked(values[order], owners, max(0, middle - far), min(len(values), middle + far))


def _kinds(numbers: Integers) -> Integers:
    """A number for each row of `numbers`, the same for equal rows, from 0 without a gap."""
    kinds = np.zeros(len(numbers), dtype=np.int64)
    for column in numbers.T if len(numbers) else ():
        _, kinds = np.unique(kinds * (column.max() + 1) + column, return_inverse=True)
    return kinds


def _median_of_drawn(ranked: _Ranked, times: Floats) -> float:
    passed = times[ranked.owners].cumsum()
    return float(ranked.values[(passed > passed[-1] // 2).argmax()])
