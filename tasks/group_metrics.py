"""A group's `aggregate_metric_list`: which metrics are averaged over its tasks, and how.

The averages are made in `steps/step4_groups.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.errors import TaskError
from tasks.task_file import TaskFile

_KEYS = frozenset({"metric", "aggregation", "weight_by_size", "filter_list"})


def group_metrics(file: TaskFile) -> tuple[Mapping[str, Any], ...]:
    """{metric, aggregation: mean, weight_by_size, filter_list} of each entry; filters are None where all count.

    Raises TaskError with the line of what cannot be.
    """
    listed = file.values.get("aggregate_metric_list") or []
    entries = listed if isinstance(listed, list) else [listed]
    return tuple(_entry(file, entry, number) for number, entry in enumerate(entries))


def _entry(file: TaskFile, entry: Any, number: int) -> Mapping[str, Any]:
    where = file.where("aggregate_metric_list", number)
    if not isinstance(entry, dict) or not isinstance(entry.get("metric"), str):
        raise TaskError("an entry of aggregate_metric_list is a mapping with `metric: <name>`", where=where)
    unknown = sorted(set(entry) - _KEYS)
    if unknown:
        fix = f"There are {', '.join(sorted(_KEYS))}."
        raise TaskError(f"aggregate_metric_list has no key {unknown[0]!r}", where=where, fix=fix)
    if entry.get("aggregation", "mean") != "mean":
        raise TaskError("groups are aggregated by `mean` alone", where=where)
    weighted, filters = entry.get("weight_by_size", True), entry.get("filter_list")
    if not isinstance(weighted, bool):
        raise TaskError(f"`weight_by_size` is true or false, not {weighted!r}", where=where)
    names = [filters] if isinstance(filters, str) else filters
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise TaskError("`filter_list` of a group takes the name of a filter pipeline, or a list of them", where=where)
    return {"metric": entry["metric"], "aggregation": "mean", "weight_by_size": weighted, "filter_list": names}
