"""Metrics of Hugging Face's package `evaluate`, by name: for task files that ask for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from pipeline.errors import MissingPackageError, TaskError


@lru_cache(maxsize=32)
def evaluate_metric(name: str, where: str = "") -> Callable[..., Any]:
    """The `compute` of a metric, taking `predictions` and `references`.

    Its code is a module of the Hugging Face hub, of the hub's cache, or a local file. Raises MissingPackageError
    without the package, TaskError where the metric cannot be had; both at `where`.
    """
    try:
        import evaluate
    except ImportError as error:
        missing = MissingPackageError("evaluate", f"the metric {name}, which `hf_evaluate: true` asks for,")
        missing.where = where
        raise missing from error
    try:
        compute: Callable[..., Any] = evaluate.load(name, keep_in_memory=True).compute
    except Exception as error:  # the module is code of the hub's, and may raise anything
        first = (str(error) or type(error).__name__).splitlines()[0]
        raise TaskError(
            f"the metric {name} of the package `evaluate` cannot be had: {first}",
            where=where,
            fix="Without network, put the metric's folder beside the task's file, and name it by its path: ./my_metric",
        ) from error
    return compute
