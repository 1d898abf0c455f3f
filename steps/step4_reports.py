"""Step 4's second half: group means over the tasks' figures, and the files and the table that people read."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from pipeline.config import Step4Settings
from pipeline.console import show
from pipeline.rows import AggregateRow, restore
from pipeline.views import write_file
from reports.csv_file import results_csv
from reports.json_file import all_results_json
from reports.table import results_markdown
from reports.terminal import results_text
from stats.estimate import Estimate
from stats.groups import group_mean
from steps.context import Context
from steps.manifest import Manifest
from steps.step4_aggregation import estimate_fields, write_figures
from tasks.task import Group, TaskSet

_Figures = dict[str, list[AggregateRow]]  # of one model, by task or group


def report(settings: Step4Settings, context: Context, manifest: Manifest, tasks: TaskSet) -> None:
    """Write the run's results and show the table."""
    rows: list[AggregateRow] = []
    for model in manifest.models:
        figures = {task.name: _read(context, model.name, task.name) for task in tasks.tasks}
        for group in _inner_first(tasks.groups):
            figures[group.name] = list(_group_rows(model.name, group, figures, settings.confidence))
            write_figures(context, model.name, group.name, figures[group.name])
        rows.extend(row for group in tasks.groups for row in figures[group.name])
        rows.extend(row for task in tasks.tasks for row in figures[task.name])
    members = {group.name: group.members for group in tasks.groups}
    root = context.folder.root
    write_file(root / "all_results.json", all_results_json(rows))
    write_file(root / "results.csv", results_csv(rows))
    write_file(root / "results.md", results_markdown(rows, members, title=root.name))
    color = sys.stdout.isatty()
    show(results_text(rows, members, color=color, width=shutil.get_terminal_size().columns).rstrip("\n"))
    show(f"\nresults: {root / 'results.md'}, results.csv, all_results.json")


def _read(context: Context, model: str, task: str) -> list[AggregateRow]:
    decoder = msgspec.json.Decoder(AggregateRow)
    return [decoder.decode(line) for line in context.folder.view("step4", model, task).read_bytes().splitlines()]


def _inner_first(groups: Sequence[Group]) -> list[Group]:
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


def _group_rows(model: str, group: Group, figures: _Figures, confidence: float) -> Iterator[AggregateRow]:
    """The group's means: of the metrics that it names, else of those that all members have."""
    members = [
        {(row.metric, row.filter): row for row in figures[name] if row.slice is None}
        for name in group.members
        if name in figures
    ]
    if not members:
        return
    for (metric, filter_name), weighted in _averaged(group, members).items():
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


def _averaged(group: Group, members: Sequence[Mapping[tuple[str, str], AggregateRow]]) -> dict[tuple[str, str], bool]:
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
