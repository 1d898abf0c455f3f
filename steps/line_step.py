"""How steps 2 and 3 run: a function from lines to lines, on all cores, its results in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from pipeline.config import Shared
from pipeline.console import warn
from pipeline.errors import in_short
from pipeline.execution import Build, Spec
from pipeline.lock_file import Basis, LockFile
from pipeline.progress import Progress
from pipeline.views import ViewWriter, read_lines
from reports.faults import Lost, lost_sentences
from steps.chained import ChainedStep, Computed, run_units
from steps.context import Context
from steps.task_functions import packed
from steps.units import Unit

Failures = dict[str, tuple[int, str]]  # by what failed: on how many rows, and the first reason


class LinesDone(msgspec.Struct):
    """What a chunk became: encoded lines, how many, and counts for the lock file.

    `failures`: for what failed on some of the rows without making errors of them, on how many, and the first reason;
    `errors`: the same of error rows, by their kind.
    """

    lines: bytes
    rows: int
    counts: dict[str, int]
    failures: Failures = {}
    errors: Failures = {}


@dataclass(frozen=True)
class LineStep(ChainedStep):
    """A step that turns lines into lines; `build` makes the function from the spec.

    `build_together` does the work of a spec that says `whole_task`, in this process and from the view that it names.
    """

    build: Build[LinesDone]
    build_together: Callable[[Spec], Iterator[LinesDone]] | None = None
    prepare: Callable[[Unit, Spec, Context], Counter[str]] | None = None  # work of the driver before the lines


def run_line_step(step: LineStep, settings: Shared, context: Context, units: list[Unit]) -> int:
    """Bring the step's views up to date; the number of error rows in them, and of metrics that failed on whole views.

    Raises StaleInputError.
    """
    errors = run_units(step, settings, context, units, lambda unit, basis: _compute(step, unit, basis, context))
    entries = [(unit, LockFile(context.folder, step.name, unit.model).get(unit.task.name)) for unit in units]
    lost = [
        Lost(unit.task.name, unit.model, metric, reason)
        for unit, entry in entries
        if entry is not None
        for metric, reason in entry.failed.items()
    ]
    for sentence in lost_sentences(lost):
        warn(sentence)
    return errors + len(lost)


def work_spec(step: LineStep, unit: Unit, settings: Spec, context: Context) -> Spec:
    """What `build` makes its function from: the settings that the view follows from, and where all input stands."""
    place = {"source": str(step.source(unit, context)), "remake": context.command(step.before)}
    spec = settings | place | {"model": unit.model, "memo": str(context.folder.memo)}
    spec["functions"] = packed(unit.task)
    spec["seeds"] = vars(unit.task.seeds)
    if unit.task.scorer is not None:
        spec["scorer"] = unit.task.scorer.packed()
    return spec


def _compute(step: LineStep, unit: Unit, basis: Basis, context: Context) -> Computed:
    source = step.source(unit, context)
    before = LockFile(context.folder, step.before, unit.model).get(unit.task.name)
    spec = work_spec(step, unit, basis.settings, context)
    counts = step.prepare(unit, spec, context) if step.prepare else Counter[str]()
    failures: Failures = {}
    errors: Failures = {}
    with (
        ViewWriter(step.view(unit, context)) as writer,
        Progress(
            f"{step.name} {unit.task.name} of {unit.model}", before.view.rows if before and before.view else None
        ) as progress,
    ):
        whole = step.build_together if spec.get("whole_task") else None
        for done in whole(spec) if whole else context.workers.map(step.build, spec, read_lines(source)):
            writer.write(done.lines, done.rows)
            counts.update(done.counts)
            count_in(failures, done.failures)
            count_in(errors, done.errors)
            progress.advance(done.counts["documents"])
        summary = writer.commit()
    valued = summary.rows - counts["errors"]
    for name, (count, reason) in failures.items():
        if count < valued:
            some = f"{unit.task.name} of {unit.model}: {name} failed on {count} of {valued} rows"
            warn(f"{some}; the first: {in_short(reason)}")
    failed = {name: in_short(reason) for name, (count, reason) in failures.items() if count == valued}
    return Computed(summary, dict(counts), failed, errors)


def count_in(failures: Failures, more: Failures) -> None:
    """Add counts to counts; the first reason stays."""
    for name, (count, reason) in more.items():
        known, first = failures.get(name, (0, reason))
        failures[name] = (known + count, first)
