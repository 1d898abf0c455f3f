"""Step 4's figures over groups of slices: each the unweighted mean of the slices' own figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from metrics.aggregation import AnyColumn, Mean, find_aggregation
from pipeline.rows import AggregateRow
from stats.mean import Column
from stats.strata import mean_of_means
from steps.step4_figures import estimate_fields
from steps.value_kinds import value_kind
from tasks.task import Task

Key = tuple[str, str, str | None]  # filter, value name, slice


def slice_group_rows(
    columns: Mapping[Key, AnyColumn],
    errors: Mapping[tuple[str, str | None], int],
    task: Task,
    confidence: float,
    identity: Mapping[str, Any],
) -> Iterator[AggregateRow]:
    """A row for each group of slices, filter and value; none where a slice's figure is no mean of plain numbers.

    `errors` are counted by filter and slice; `identity` is what the rows bear of model and task. A group of which the
    rows have but some slices has no value; one of which they have none has no row.
    """
    pairs = dict.fromkeys((filter_name, name) for filter_name, name, _ in columns)
    for filter_name, name in pairs:
        kind = value_kind(task, name)
        if kind.form != "numbers" or not isinstance(find_aggregation(kind.aggregation), Mean):
            continue
        for slice_name, members in task.slice_groups.items():
            for group, values in members.items():
                parts = [f"{slice_name}={value}" for value in values]
                found = [columns[filter_name, name, part] for part in parts if (filter_name, name, part) in columns]
                plain = [column for column in found if isinstance(column, Column)]
                if not plain or len(plain) < len(found):
                    continue
                estimate = mean_of_means([*plain, *[Column()] * (len(parts) - len(plain))], confidence)
                yield AggregateRow(
                    **identity,
                    metric=name,
                    filter=filter_name,
                    slice=f"group={group}",
                    **estimate_fields(estimate),
                    errors=sum(errors.get((filter_name, part), 0) for part in parts),
                    higher_is_better=kind.higher_is_better,
                )
