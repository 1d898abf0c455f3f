"""Step 4 in lm-evaluation-harness's layout: a group's figures by the harness's own rules and standard errors.

This project's own, which its reports show, are `step4_groups.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reports.lm_eval_layout import NOTHING, Figures, figure
from stats.pooled import pooled_mean
from tasks.task import Group


def outer_first(groups: Sequence[Group]) -> list[Group]:
    """Each group before the groups within it."""
    return list(_ordered(groups, inner=False))


def inner_first(groups: Sequence[Group]) -> list[Group]:
    """Each group after the groups within it."""
    return list(_ordered(groups, inner=True))


def _ordered(groups: Sequence[Group], *, inner: bool) -> Iterator[Group]:
    known = {group.name: group for group in groups}
    held = {member for group in groups for member in group.members}
    seen: set[str] = set()

    def visit(group: Group) -> Iterator[Group]:
        if group.name in seen:
            return
        seen.add(group.name)
        if not inner:
            yield group
        for member in group.members:
            if member in known:
                yield from visit(known[member])
        if inner:
            yield group

    for group in groups:
        if group.name not in held:
            yield from visit(group)


def group_figures(group: Group, groups: Sequence[Group], results: Mapping[str, Figures]) -> Figures:
    """The means over the group's tasks, at whatever depth, of those that have the metric; `results` are the tasks'.

    A group that names no metrics has its name alone. A task counts with its `sample_len`, whatever rows the metric has.
    """
    figures: Figures = {"alias": group.alias or group.name, "name": group.name}
    if not group.metrics:
        return figures
    tasks = [results[name] for name in _leaves(group, {one.name: one for one in groups}) if name in results]
    figures["sample_len"] = sum(task["sample_len"] for task in tasks)
    counts: dict[str, int] = {}
    for asked in group.metrics:
        for filter_name in _filters(asked, tasks):
            key = f"{asked['metric']},{filter_name}"
            having = [task for task in tasks if key in task]
            if having:
                figures |= _mean(having, asked, filter_name)
                counts[key] = sum(task["sample_len"] for task in having)
    return {**figures, "sample_count": counts} if counts else figures


def _mean(tasks: Sequence[Figures], asked: Mapping[str, Any], filter_name: str) -> Figures:
    metric = asked["metric"]
    errors = [task.get(f"{metric}_stderr,{filter_name}", NOTHING) for task in tasks]
    value, error = pooled_mean(
        [task[f"{metric},{filter_name}"] for task in tasks],
        [None if one == NOTHING else one for one in errors],
        [task["sample_len"] for task in tasks],
        asked["weight_by_size"],
    )
    return figure(metric, filter_name, value, error)


def _filters(asked: Mapping[str, Any], tasks: Sequence[Figures]) -> list[str]:
    """The filters that the entry names, else all under which a task has the metric."""
    if asked["filter_list"] is not None:
        return list(asked["filter_list"])
    prefix = f"{asked['metric']},"
    return sorted({key.removeprefix(prefix) for task in tasks for key in task if key.startswith(prefix)})


def _leaves(group: Group, known: Mapping[str, Group]) -> Iterator[str]:
    for member in group.members:
        if member in known:
            yield from _leaves(known[member], known)
        else:
            yield member
