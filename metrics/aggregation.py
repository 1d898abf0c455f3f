"""The table of aggregations: from the column of a metric's row values to one figure with its uncertainty."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Protocol

from pipeline.errors import TaskError
from stats.estimate import Estimate, estimate_mean
from stats.mean import Column


class Aggregation(Protocol):
    """Takes the column, the confidence of the interval, and the highest value that a row can have, if there is one."""

    def __call__(self, column: Column, confidence: float = 0.95, maximum: float | None = 1.0) -> Estimate: ...


_AGGREGATIONS: dict[str, Aggregation] = {}


def register_aggregation(name: str) -> Callable[[Aggregation], Aggregation]:
    """Register a function under the name that `aggregation:` in a task's file gives."""

    def register(function: Aggregation) -> Aggregation:
        if name in _AGGREGATIONS:
            raise ValueError(f"two aggregations are called {name}")
        _AGGREGATIONS[name] = function
        return function

    return register


def find_aggregation(name: str, where: str = "") -> Aggregation:
    """The aggregation `name`. Raises TaskError, at `where`, for an unknown name."""
    if name not in _AGGREGATIONS:
        near = difflib.get_close_matches(name, _AGGREGATIONS, 1)
        hint = f"Did you mean {near[0]}?" if near else f"Known aggregations: {', '.join(sorted(_AGGREGATIONS))}"
        raise TaskError(f"no aggregation is called {name!r}", where=where, fix=hint)
    return _AGGREGATIONS[name]


@register_aggregation("mean")
def mean(column: Column, confidence: float = 0.95, maximum: float | None = 1.0) -> Estimate:
    """The arithmetic mean; its standard error, where rows are independent, is lm_eval's `mean_stderr`."""
    return estimate_mean(column, confidence, maximum)
