"""The figures of groups: means over their tasks, however deep these stand in groups within the group."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.near import listed
from pipeline.rows import AggregateRow, restore
from stats.estimate import Estimate
from stats.groups import group_mean
from steps.step4_figures import estimate_fields
from tasks.task import Group

Pair = tuple[str, str]  # metric, filter


@dataclass(frozen=True)
class Average:
    """How one metric of one filter is averaged over a group: over which of its tasks, and whether by their size."""

    tasks: tuple[str, ...]
    weighted: bool
    lacking: tuple[str, ...]  # tasks of the group that have not got the metric


def leaf_tasks(groups: Sequence[Group]) -> dict[str, tuple[str, ...]]:
    """The tasks of each group and of the groups within it, in order; each once, where lm_eval counts it by group."""
    known = {group.name: group for group in groups}

    def leaves(group: Group) -> Iterator[str]:
        for member in group.members:
            if member in known:
                yield from leaves(known[member])
            else:
                yield member

    return {group.name: tuple(dict.fromkeys(leaves(group))) for group in groups}


def averages(group: Group, tasks: Mapping[str, Iterable[Pair]]) -> dict[Pair, Average]:
    """What is averaged over a group whose leaf tasks have the metrics and filters `tasks`.

    The metrics of its `aggregate_metric_list`, in the filters named there or in all, over those tasks that have them,
    as lm_eval does. A group without that list has the mean by size of what all its tasks have.
    """
    pairs = {task: dict.fromkeys(found) for task, found in tasks.items()}
    every = dict.fromkeys(pair for found in pairs.values() for pair in found)
    if not group.metrics:
        common = [pair for pair in every if all(pair in found for found in pairs.values())]
        return {pair: Average(tuple(pairs), True, ()) for pair in common}
    chosen: dict[Pair, Average] = {}
    for asked in group.metrics:
        filters: Container[str] | None = asked["filter_list"]
        for pair in every:
            if pair[0] == asked["metric"] and (filters is None or pair[1] in filters):
                having = tuple(task for task, found in pairs.items() if pair in found)
                lacking = tuple(task for task, found in pairs.items() if pair not in found)
                chosen[pair] = Average(having, asked["weight_by_size"], lacking)
    return chosen


def group_rows(
    model: str,
    group: Group,
    leaves: Sequence[str],
    figures: Mapping[str, Sequence[AggregateRow]],
    confidence: float,
) -> Iterator[AggregateRow]:
    """The means of one model over the group's tasks, `leaves`; slices have none."""
    tasks = _whole_tasks(leaves, figures)
    for (metric, filter_name), average in averages(group, tasks).items():
        parts = [tasks[name][metric, filter_name] for name in average.tasks]
        estimate = group_mean([_estimate(part) for part in parts], average.weighted, confidence)
        yield AggregateRow(
            model=model,
            task=group.name,
            metric=metric,
            filter=filter_name,
            **estimate_fields(estimate),
            errors=sum(part.errors for part in parts),
            higher_is_better=parts[0].higher_is_better,
        )


def lacking_notes(groups: Sequence[Group], figures: Mapping[str, Sequence[AggregateRow]]) -> Iterator[str]:
    """A sentence for each figure of a group that some of its tasks have no part in, and for each that none has."""
    leaves = leaf_tasks(groups)
    for group in groups:
        tasks = _whole_tasks(leaves[group.name], figures)
        found = averages(group, tasks)
        for (metric, filter_name), average in found.items():
            if average.lacking:
                share = f"{len(average.tasks)} of its {len(tasks)} tasks"
                others = listed(average.lacking, 5)
                yield f"{group.name}: {metric} ({filter_name}) is the mean over {share}; not among them: {others}"
        for asked in group.metrics:
            if tasks and not any(metric == asked["metric"] for metric, _ in found):
                filters = f" in the filters {', '.join(asked['filter_list'])}" if asked["filter_list"] else ""
                yield f"{group.name}: no task of it has {asked['metric']}{filters}, which aggregate_metric_list names"


def _whole_tasks(
    leaves: Sequence[str], figures: Mapping[str, Sequence[AggregateRow]]
) -> dict[str, dict[Pair, AggregateRow]]:
    """Each task's figures that are no slice's; tasks without any were left out of the run."""
    return {
        name: {(row.metric, row.filter): row for row in figures[name] if row.slice is None}
        for name in leaves
        if name in figures
    }


def _estimate(row: AggregateRow) -> Estimate:
    return Estimate(restore(row.value), row.n, row.missing, restore(row.se))
