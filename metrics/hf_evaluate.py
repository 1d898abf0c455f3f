"""Metrics of Hugging Face's package `evaluate`, by name: for task files that ask for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from pipeline.errors import MissingPackageError, TaskError


@lru_cache(maxsize=32)
def evaluate_metric(name: str) -> Callable[..., dict[str, Any]]:
    """The `compute` of a metric, taking `predictions` and `references`.

    Its code is a module of the Hugging Face hub, of the hub's cache, or a local folder. Raises MissingPackageError
    without the package, TaskError where the metric cannot be had.
    """
    try:
        import evaluate
    except ImportError as error:
        raise MissingPackageError("evaluate", f"the metric {name} of that package") from error
    try:
        compute: Callable[..., dict[str, Any]] = evaluate.load(name).compute
    except Exception as error:  # the module is code of the hub's, and may raise anything
        first = (str(error) or type(error).__name__).splitlines()[0]
        raise TaskError(
            f"the metric {name} of the package `evaluate` cannot be had: {first}",
            fix="Without network, put the metric's folder beside the task file's data, and name it by its path.",
        ) from error
    return compute
