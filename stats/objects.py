"""Values that are no numbers, with a figure that a function makes of all of them: what a task's own code aggregates.

Knows the values as they are and nothing of what they mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from stats.estimate import Estimate
from stats.intervals import UNDEFINED, Interval
from stats.paired import Difference

Figure = Callable[[list[Any]], float]
_SEED = 20240229


class ObjectColumn:
    """The values of one name in the order of the documents, and the cluster of each. None is missing."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.keys: list[int] = []
        self.clusters: list[int] = []
        self.missing = 0

    def __len__(self) -> int:
        return len(self.values) + self.missing

    def extend(self, keys: Iterable[int], clusters: Iterable[int], values: Iterable[Any]) -> None:
        """Several rows: hashes of what each is of and of its cluster, and its value."""
        for key, cluster, value in zip(keys, clusters, values, strict=True):
            if value is None:
                self.missing += 1
                continue
            self.values.append(value)
            self.keys.append(key)
            self.clusters.append(cluster)


def estimate_objects(column: ObjectColumn, figure: Figure, resamples: int, confidence: float = 0.95) -> Estimate:
    """The figure of all values; with `resamples`, error and percentile interval by the bootstrap over clusters."""
    if not column.values:
        return Estimate(None, 0, column.missing)

    def drawn(rows: Sequence[int]) -> float:
        return figure([column.values[row] for row in rows])

    value = figure(list(column.values))
    se, interval = _bootstrap(column.clusters, drawn, resamples, confidence, "bootstrap")
    return Estimate(value, len(column.values), column.missing, se, *interval)


def difference_of_objects(
    model: ObjectColumn, baseline: ObjectColumn, figure: Figure, resamples: int, confidence: float = 0.95
) -> Difference:
    """The figure of a model less its baseline's over the rows that both have; error and interval as above, by pairs."""
    own = dict(zip(model.keys, zip(model.values, model.clusters, strict=True), strict=True))
    other = dict(zip(baseline.keys, baseline.values, strict=True))
    shared = [key for key in own if key in other]
    lost, lost_baseline = len(other) - len(shared), len(own) - len(shared)
    if not shared:
        return Difference(None, 0, lost=lost, lost_baseline=lost_baseline)

    def drawn(rows: Sequence[int]) -> float:
        keys = [shared[row] for row in rows]
        return figure([own[key][0] for key in keys]) - figure([other[key] for key in keys])

    value = drawn(range(len(shared)))
    clusters = [own[key][1] for key in shared]
    se, interval = _bootstrap(clusters, drawn, resamples, confidence, "paired bootstrap")
    return Difference(value, len(shared), se, *interval, lost=lost, lost_baseline=lost_baseline)


def _bootstrap(
    clusters: Sequence[int], drawn: Callable[[Sequence[int]], float], resamples: int, confidence: float, method: str
) -> tuple[float | None, Interval]:
    """Standard deviation and percentiles of the figure over samples of whole clusters, drawn with replacement."""
    members: dict[int, list[int]] = {}
    for row, cluster in enumerate(clusters):
        members.setdefault(cluster, []).append(row)
    groups = list(members.values())
    if resamples < 2 or len(groups) < 2:
        return None, UNDEFINED
    random = np.random.default_rng(_SEED)
    figures = np.array(
        [
            drawn([row for number in random.integers(len(groups), size=len(groups)) for row in groups[number]])
            for _ in range(resamples)
        ]
    )
    low, high = np.quantile(figures, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(figures.std(ddof=1)), Interval(float(low), float(high), method)
