"""Step 4: what the values say. One figure a metric, filter and slice for each model and task; groups; the reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

import metrics  # noqa: F401  # registers them all
from metrics.aggregation import AnyColumn, find_aggregation
from metrics.registry import find_metric, labelled
from pipeline.config import Step4Settings
from pipeline.execution import Spec
from pipeline.lock_file import Basis, LockFile
from pipeline.rows import AggregateRow, Status, encode_row, restore
from pipeline.views import ViewSummary, ViewWriter, decode_line, read_lines, write_file
from reports.json_file import task_results_json
from reports.log_file import task_results_log
from stats.estimate import Estimate
from stats.mean import Column
from stats.objects import ObjectColumn, estimate_objects
from stats.vectors import VectorColumn
from steps.chained import ChainedStep, Computed, run_units
from steps.context import Context
from steps.step3_class import class_scoring
from steps.step4_figures import estimate_fields
from steps.step4_slice_groups import slice_group_rows
from steps.units import Unit
from steps.value_kinds import Form, ValueKind, value_kind
from tasks.task import Task

_COLUMNS: dict[Form, type[Column] | type[VectorColumn] | type[ObjectColumn]] = {
    "numbers": Column,
    "counts": VectorColumn,
    "objects": ObjectColumn,
}


class _Scored(msgspec.Struct):
    """What this step reads of a `ScoredRow`."""

    status: Status
    cluster: str
    slices: dict[str, Any]
    filter: str
    values: dict[str, Any]


def aggregation(settings: Step4Settings) -> ChainedStep:
    """The step under `settings`."""

    def spec(task: Task, context: Context) -> Spec:
        own = {
            metric.name: {
                key: value
                for key, value in (
                    ("aggregation", metric.aggregation),
                    ("higher_is_better", metric.higher_is_better),
                )
                if value is not None
            }
            for metric in task.metrics
        }
        groups = {"slice_groups": task.slice_groups} if task.slice_groups else {}
        used = {metric.aggregation for metric in task.metrics}
        code = class_scoring(task) or {key: one.content for key, one in task.code.items() if key in used}
        by_code = {"code": code, "seeds": vars(task.seeds), "resamples": settings.task_code_resamples} if code else {}
        return {"task": task.name, "metrics": own, "confidence": settings.confidence, **groups, **by_code}

    return ChainedStep(name="step4", version=4, spec=spec)


def run_aggregation(step: ChainedStep, settings: Step4Settings, context: Context, units: list[Unit]) -> int:
    """Bring the figures of every model and task up to date; the number of error rows behind them."""
    return run_units(step, settings, context, units, lambda unit, basis: _compute(step, unit, basis, context))


def _compute(step: ChainedStep, unit: Unit, basis: Basis, context: Context) -> Computed:
    columns = _Columns(unit.task)
    source = step.source(unit, context)
    place = str(source)
    decoder = msgspec.json.Decoder(_Scored)
    remake = context.command(step.before)
    for number, lines in read_lines(source):
        columns.add(decode_line(decoder, line, place, number + offset, remake) for offset, line in enumerate(lines))
    scored = LockFile(context.folder, step.before, unit.model).get(unit.task.name)
    asked = scored.basis.settings.get("metrics", []) if scored else []
    rows = [*columns.aggregate(unit, basis.settings), *columns.nothing_but_errors(unit, asked)]
    counts = {"rows": len(rows), "errors": sum(columns.errors_by_filter().values())}
    return Computed(write_figures(context, unit.model, unit.task.name, rows), counts, failed={}, errors={})


def write_figures(context: Context, model: str, name: str, rows: list[AggregateRow]) -> ViewSummary:
    """The figures of one model on one task or group: as rows, as results.json, as results.log."""
    with ViewWriter(context.folder.view("step4", model, name)) as writer:
        for row in rows:
            writer.write(encode_row(row))
        summary = writer.commit()
    folder = context.folder.task(model, name)
    write_file(folder / "results.json", task_results_json(rows))
    write_file(folder / "results.log", task_results_log(rows))
    return summary


class _Columns:
    """The values of a view by filter, metric and slice, 16 bytes a value (or, of counts, 8 a number)."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._columns: dict[tuple[str, str, str | None], AnyColumn | ObjectColumn] = {}
        self._errors: Counter[tuple[str, str | None]] = Counter()

    def add(self, rows: Iterable[_Scored]) -> None:
        """Take a chunk of rows in."""
        parts: dict[tuple[str, str | None], list[_Scored]] = {}
        for row in rows:
            parts.setdefault((row.filter, None), []).append(row)
            for name, value in row.slices.items():
                parts.setdefault((row.filter, f"{name}={value}"), []).append(row)
        for (filter_name, part), members in parts.items():
            sound = [row for row in members if row.status != "error"]
            self._errors[filter_name, part] += len(members) - len(sound)
            for name in dict.fromkeys(name for row in sound for name in row.values):
                having = [row for row in sound if name in row.values]
                self._take((filter_name, name, part), having)

    def _take(self, key: tuple[str, str, str | None], rows: Sequence[_Scored]) -> None:
        """The values of a name in the rows that bear it."""
        name = key[1]
        column = self._columns.get(key)
        if column is None:
            column = self._columns[key] = _COLUMNS[value_kind(self._task, name).form]()
        clusters = [row.cluster for row in rows]
        if isinstance(column, ObjectColumn):
            column.extend(range(len(rows)), map(hash, clusters), [restore(row.values[name]) for row in rows])
        else:
            column.extend([as_number(row.values[name]) for row in rows], clusters)

    def nothing_but_errors(self, unit: Unit, asked: Sequence[Mapping[str, Any]]) -> Iterator[AggregateRow]:
        """Rows without a value, so that a filter or slice whose every row failed does not vanish from the tables.

        They name the values that the task's other rows have, else all that the metrics which were `asked` for can give.
        """
        valued = {(filter_name, part) for filter_name, _, part in self._columns}
        names = dict.fromkeys(name for _, name, _ in self._columns) or [
            labelled(output, metric.get("label")) for metric in asked for output in find_metric(metric["name"]).outputs
        ]
        for (filter_name, part), errors in self._errors.items():
            if not errors or (filter_name, part) in valued:
                continue
            for name in names:
                yield AggregateRow(
                    **_identity(unit),
                    metric=name,
                    filter=filter_name,
                    slice=part,
                    value=None,
                    n=0,
                    errors=errors,
                    higher_is_better=value_kind(unit.task, name).higher_is_better,
                )

    def errors_by_filter(self) -> dict[str, int]:
        return {name: count for (name, part), count in self._errors.items() if part is None}

    def aggregate(self, unit: Unit, spec: Spec) -> Iterator[AggregateRow]:
        """A row for each column, whole tasks before slices."""
        for key in sorted(self._columns, key=lambda key: key[2] is not None):
            filter_name, name, part = key
            kind = value_kind(unit.task, name)
            estimate = _estimate(self._columns[key], kind, spec)
            yield AggregateRow(
                **_identity(unit),
                metric=name,
                filter=filter_name,
                slice=part,
                **estimate_fields(estimate),
                errors=self._errors[filter_name, part],
                higher_is_better=kind.higher_is_better,
            )
        plain = {key: column for key, column in self._columns.items() if not isinstance(column, ObjectColumn)}
        yield from slice_group_rows(plain, self._errors, unit.task, spec["confidence"], _identity(unit))


def _identity(unit: Unit) -> dict[str, Any]:
    return {"model": unit.model, "task": unit.task.name, "num_fewshot": unit.task.num_fewshot}


def _estimate(column: AnyColumn | ObjectColumn, kind: ValueKind, spec: Spec) -> Estimate:
    if isinstance(column, ObjectColumn):
        assert kind.figure is not None
        return estimate_objects(column, kind.figure, spec.get("resamples", 0), spec["confidence"])
    return find_aggregation(kind.aggregation)(column, spec["confidence"], kind.maximum)


def as_number(value: Any) -> Any:
    """A value as a column holds it, a number, counts or None: NaN and infinities are tagged in the rows."""
    return restore(value) if isinstance(value, dict) else value
