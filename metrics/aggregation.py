"""The table of aggregations: from the column of a metric's row values to one figure with its uncertainty.

An aggregation also knows how to compare two models' columns, row by row.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Protocol

from metrics.corpus_scores import bleu_score, chrf_score, ter_score
from pipeline.errors import MetricError, TaskError
from stats.bootstrap import Statistic
from stats.estimate import Estimate, estimate_corpus, estimate_mean
from stats.mean import Column
from stats.paired import Difference, Pairs, paired_corpus, paired_mean
from stats.vectors import VectorColumn

AnyColumn = Column | VectorColumn


class Aggregation(Protocol):
    """What makes one figure of many rows."""

    def __call__(self, column: AnyColumn, confidence: float = 0.95, maximum: float | None = 1.0) -> Estimate:
        """The figure; `confidence` is of the interval, `maximum` the highest value of a row, if there is one."""
        ...

    def difference(self, pairs: Pairs, confidence: float = 0.95) -> Difference:
        """The figure of a model less that of its baseline, over the rows that both have."""
        ...


_AGGREGATIONS: dict[str, Aggregation] = {}


def register_aggregation(name: str, aggregation: Aggregation) -> None:
    """Register an aggregation under the name that `aggregation:` in a task's file gives."""
    if name in _AGGREGATIONS:
        raise ValueError(f"two aggregations are called {name}")
    _AGGREGATIONS[name] = aggregation


def find_aggregation(name: str, where: str = "") -> Aggregation:
    """The aggregation `name`. Raises TaskError, at `where`, for an unknown name."""
    if name not in _AGGREGATIONS:
        near = difflib.get_close_matches(name, _AGGREGATIONS, 1)
        hint = f"Did you mean {near[0]}?" if near else f"Known aggregations: {', '.join(sorted(_AGGREGATIONS))}"
        raise TaskError(f"no aggregation is called {name!r}", where=where, fix=hint)
    return _AGGREGATIONS[name]


class Mean:
    """The arithmetic mean; its standard error, where rows are independent, is lm_eval's `mean_stderr`."""

    def __call__(self, column: AnyColumn, confidence: float = 0.95, maximum: float | None = 1.0) -> Estimate:
        if not isinstance(column, Column):
            raise MetricError("a mean is of numbers, and this metric's rows hold counts", fix="Use its own aggregation")
        return estimate_mean(column, confidence, maximum)

    def difference(self, pairs: Pairs, confidence: float = 0.95) -> Difference:
        return paired_mean(pairs, confidence)


@dataclass(frozen=True)
class OfCounts:
    """A figure of counts summed over the rows; its uncertainty by the bootstrap over clusters."""

    statistic: Statistic

    def __call__(self, column: AnyColumn, confidence: float = 0.95, maximum: float | None = 1.0) -> Estimate:
        if not isinstance(column, VectorColumn):
            raise MetricError("this aggregation is of counts, and the metric's rows hold numbers", fix="Use `mean`")
        return estimate_corpus(column, self.statistic, confidence)

    def difference(self, pairs: Pairs, confidence: float = 0.95) -> Difference:
        return paired_corpus(pairs, self.statistic, confidence)


register_aggregation("mean", Mean())
register_aggregation("bleu", OfCounts(bleu_score))
register_aggregation("chrf", OfCounts(chrf_score))
register_aggregation("ter", OfCounts(ter_score))
