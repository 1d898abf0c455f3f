"""The figures of groups: means over their members, tasks or groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.rows import AggregateRow, restore
from stats.estimate import Estimate
from stats.groups import group_mean
from steps.step4_aggregation import estimate_fields
from tasks.task import Group


def inner_first(groups: Sequence[Group]) -> list[Group]:
    """Groups after the groups among their members."""
    names = {group.name: group for group in groups}
    ordered: dict[str, Group] = {}

    def visit(group: Group) -> None:
        for member in group.members:
            if member in names and member not in ordered:
                visit(names[member])
        ordered.setdefault(group.name, group)

    for group in groups:
        visit(group)
    return list(ordered.values())


def group_rows(
    model: str, group: Group, figures: Mapping[str, Sequence[AggregateRow]], confidence: float
) -> Iterator[AggregateRow]:
    """The group's means: of the metrics that it names, else of those that all members have."""
    members = [
        {(row.metric, row.filter): row for row in figures[name] if row.slice is None}
        for name in group.members
        if name in figures
    ]
    if not members:
        return
    for (metric, filter_name), weighted in averaged_metrics(group, members).items():
        parts = [member[metric, filter_name] for member in members]
        estimate = group_mean([_estimate(part) for part in parts], weighted, confidence)
        yield AggregateRow(
            model=model,
            task=group.name,
            metric=metric,
            filter=filter_name,
            **estimate_fields(estimate),
            errors=sum(part.errors for part in parts),
            higher_is_better=parts[0].higher_is_better,
        )


def averaged_metrics(group: Group, members: Sequence[Mapping[tuple[str, str], Any]]) -> dict[tuple[str, str], bool]:
    """Which (metric, filter) pairs are averaged, and whether members count by their size."""
    common = [pair for pair in members[0] if all(pair in member for member in members)]
    if not group.metrics:
        return dict.fromkeys(common, True)
    chosen: dict[tuple[str, str], bool] = {}
    for asked in group.metrics:
        filters = _names(asked.get("filter_list"))
        for metric, filter_name in common:
            if metric == asked["metric"] and (not filters or filter_name in filters):
                chosen[metric, filter_name] = bool(asked.get("weight_by_size", True))
    return chosen


def _names(value: Any) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def _estimate(row: AggregateRow) -> Estimate:
    return Estimate(restore(row.value), row.n, row.missing, restore(row.se))
