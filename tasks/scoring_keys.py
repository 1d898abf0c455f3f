"""The keys `metric_list` and `filter_list` of a task file: whether their entries are of the form that they must have.

Whether there is such a metric or filter is not asked here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.errors import Problem
from pipeline.near import or_meant
from tasks.task_file import FunctionReference, TaskFile

# The keys of a metric's entry that are not arguments of the metric.
_OF_METRICS: Mapping[str, tuple[str, tuple[type, ...]]] = {
    "aggregation": ("a text or a !function", (str, FunctionReference)),
    "higher_is_better": ("true or false", (bool,)),
    "hf_evaluate": ("true or false", (bool,)),
}
_PIPELINE = "an entry of filter_list is `{name: <name>, filter: [{function: <filter>, …}]}`"


def metric_problems(file: TaskFile, entries: Sequence[Any]) -> list[Problem]:
    """What is wrong with the entries of `metric_list`, with the line of each."""
    problems = []
    for number, entry in enumerate(entries):
        where = file.where("metric_list", number)
        if not isinstance(entry, dict) or not isinstance(entry.get("metric"), (str, FunctionReference)):
            problems.append(Problem(where, "an entry of metric_list is a mapping with `metric: <name>`"))
            continue
        for key, (kind, types) in _OF_METRICS.items():
            if not isinstance(entry.get(key), (*types, type(None))):
                problems.append(Problem(where, f"`{key}` of a metric takes {kind}, not {entry[key]!r}"))
    return problems


def filter_problems(file: TaskFile, entries: Sequence[Any]) -> list[Problem]:
    """What is wrong with the entries of `filter_list`, with the line of each."""
    problems = []
    for number, entry in enumerate(entries):
        steps = entry.get("filter") if isinstance(entry, dict) else None
        if not isinstance(steps, list) or not isinstance(entry.get("name"), str):
            problems.append(Problem(file.where("filter_list", number), _PIPELINE))
            continue
        for key in (one for one in entry if one not in ("name", "filter")):
            hint = or_meant(str(key), ("name", "filter"), _PIPELINE)
            where = file.where("filter_list", number, key)
            problems.append(Problem(where, f"`{key}` is not a key of an entry of filter_list{hint}"))
        for position, step in enumerate(steps):
            where = file.where("filter_list", number, "filter", position)
            if not isinstance(step, dict) or not isinstance(step.get("function"), (str, FunctionReference)):
                problems.append(Problem(where, _PIPELINE))
            elif step["function"] == "custom" and not isinstance(step.get("filter_fn"), FunctionReference):
                problems.append(Problem(where, "the filter `custom` takes `filter_fn: !function <module>.<name>`"))
    return problems
