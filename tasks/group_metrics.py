"""A group's `aggregate_metric_list`: which metrics are averaged over its tasks, and how.

The averages are made in `steps/step4_groups.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.console import warn_once
from pipeline.errors import TaskError
from tasks.task_file import FunctionReference, TaskFile

_KEYS = frozenset({"metric", "aggregation", "weight_by_size", "filter_list"})


def group_metrics(file: TaskFile) -> tuple[Mapping[str, Any], ...]:
    """{metric, aggregation: mean, weight_by_size, filter_list} of each entry; filters are None where all count.

    lm_eval takes the mean also where `aggregation` is a function, and any word for `weight_by_size` as true: both are
    done here, with a warning. A metric that is a function goes by the function's name, as its values do. Raises
    TaskError with the line of what cannot be.
    """
    listed = file.values.get("aggregate_metric_list") or []
    entries = listed if isinstance(listed, list) else [listed]
    return tuple(_entry(file, entry, number) for number, entry in enumerate(entries))


def _entry(file: TaskFile, entry: Any, number: int) -> Mapping[str, Any]:
    where = file.where("aggregate_metric_list", number)
    metric = _metric(entry)
    if metric is None:
        raise TaskError("an entry of aggregate_metric_list is a mapping with `metric: <name>`", where=where)
    unknown = sorted(set(entry) - _KEYS)
    if unknown:
        fix = f"There are {', '.join(sorted(_KEYS))}."
        raise TaskError(f"aggregate_metric_list has no key {unknown[0]!r}", where=where, fix=fix)
    _check_aggregation(entry.get("aggregation", "mean"), where)
    weighted, filters = entry.get("weight_by_size", True), entry.get("filter_list")
    if not isinstance(weighted, bool):
        warn_once(f"{where}: `weight_by_size` is true or false; {weighted!r} counts as {str(bool(weighted)).lower()}")
    names = [filters] if isinstance(filters, str) else filters
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise TaskError("`filter_list` of a group takes the name of a filter pipeline, or a list of them", where=where)
    return {"metric": metric, "aggregation": "mean", "weight_by_size": bool(weighted), "filter_list": names}


def _metric(entry: Any) -> str | None:
    metric = entry.get("metric") if isinstance(entry, dict) else None
    if isinstance(metric, FunctionReference):
        return metric.reference.rpartition(".")[2]
    return metric if isinstance(metric, str) else None


def _check_aggregation(aggregation: Any, where: str) -> None:
    if isinstance(aggregation, FunctionReference):
        message = f"groups are aggregated by `mean` alone; {aggregation.reference} is not called, nor is it in lm_eval"
        warn_once(f"{where}: {message}")
    elif aggregation != "mean":
        raise TaskError("groups are aggregated by `mean` alone", where=where)
