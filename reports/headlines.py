"""A run's main figures: one a benchmark, by its main metric. What the summary tells of and the curves show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.rows import AggregateRow
from reports.run_results import Comparison, RunResults


@dataclass(frozen=True)
class Headline:
    """One task or group by its main metric: each model's figure, and its difference to the baseline."""

    task: str
    metric: str
    filter: str
    higher_is_better: bool | None
    figures: Mapping[str, AggregateRow]
    differences: Mapping[str, Comparison]


def headlines(results: RunResults) -> list[Headline]:
    """The outermost groups that have a figure, and the tasks outside of them, in the order of the run."""
    tasks = dict.fromkeys(row.task for row in results.rows if row.slice is None)
    inner = {member for members in results.groups.values() for member in members}
    outer = [name for name in (*results.groups, *tasks) if name not in inner]
    names = dict.fromkeys(name for start in outer for name in _with_figures(start, results, frozenset(tasks)))
    found = (_headline(results, name) for name in names)
    return [one for one in found if one is not None]


def _with_figures(name: str, results: RunResults, known: frozenset[str], depth: int = 0) -> Iterator[str]:
    """`name`, or where it is a group without a figure of its own, what is under it."""
    if name in known:
        yield name
    elif depth < len(results.groups):
        for member in results.groups.get(name, ()):
            yield from _with_figures(member, results, known, depth + 1)


def _headline(results: RunResults, name: str) -> Headline | None:
    rows = [row for row in results.rows if row.task == name and row.slice is None]
    metric = results.primary.get(name) or next((row.metric for row in rows), None)
    chosen = [row for row in rows if row.metric == metric]
    if not chosen:
        return None
    first = chosen[0]
    return Headline(
        task=name,
        metric=first.metric,
        filter=first.filter,
        higher_is_better=first.higher_is_better,
        figures={row.model: row for row in chosen if row.filter == first.filter},
        differences={
            one.model: one
            for one in results.comparisons
            if (one.task, one.metric, one.filter) == (name, first.metric, first.filter)
        },
    )
