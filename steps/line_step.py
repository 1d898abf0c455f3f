"""How steps 2 and 3 run: a pure function of the lines of the view before, on all cores, with lock and freshness."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from pipeline.config import Shared
from pipeline.console import say
from pipeline.errors import StaleInputError
from pipeline.execution import Build, Spec
from pipeline.lock_file import Basis, Entry, LockFile, altered, why_stale
from pipeline.progress import Progress
from pipeline.run_folder import STEPS, VIEWS
from pipeline.views import ViewWriter, read_lines
from steps.context import Context
from steps.manifest import Manifest
from steps.units import Unit, claim
from tasks.task import Task, TaskSet


class LinesDone(msgspec.Struct):
    """What a chunk became: encoded lines, how many, and counts for the lock file."""

    lines: bytes
    rows: int
    counts: dict[str, int]


@dataclass(frozen=True)
class LineStep:
    """A step that turns lines into lines. `spec` holds all settings that affect its output, as plain JSON."""

    name: str
    version: int
    build: Build[LinesDone]
    spec: Callable[[Task, Context], Spec]

    @property
    def before(self) -> str:
        return STEPS[STEPS.index(self.name) - 1]


def all_units(manifest: Manifest, tasks: TaskSet) -> list[Unit]:
    """Every model on every task; task by task, so that models can be compared early."""
    return [Unit(model.name, task) for task in tasks.tasks for model in manifest.models]


def run_line_step(step: LineStep, settings: Shared, context: Context, manifest: Manifest, tasks: TaskSet) -> int:
    """Bring the step's views up to date; the number of error rows in them. Raises StaleInputError."""
    errors = fresh = 0
    units = all_units(manifest, tasks)
    bases = {(unit.model, unit.task.name): line_basis(step, unit, context, settings.allow_stale) for unit in units}

    def reasons(unit: Unit) -> list[str]:
        return line_reasons(step, unit, bases[unit.model, unit.task.name], context)

    with closing(claim(context.folder, step.name, units, reasons)) as claimed:
        for unit in claimed:
            _compute(step, unit, bases[unit.model, unit.task.name], context)
    for unit in units:
        entry = LockFile(context.folder, step.name, unit.model).get(unit.task.name)
        errors += entry.counts.get("errors", 0) if entry else 0
        fresh += 1
    say(f"{step.name}: {fresh} views up to date" + (f", {errors} error rows" if errors else ""))
    return errors


def line_basis(step: LineStep, unit: Unit, context: Context, allow_stale: bool) -> Basis:
    """What the step's view of `unit` follows from. Raises StaleInputError where the view before is not sound."""
    entry = LockFile(context.folder, step.before, unit.model).get(unit.task.name)
    view = context.folder.view(step.before, unit.model, unit.task.name)
    why = ["not yet made"] if entry is None else altered(entry, view, context.hashes)
    if entry is not None and entry.state == "running":
        why = ["interrupted before its end"]
    if why and not (allow_stale and view.exists()):
        raise StaleInputError(
            f"the input of {step.name} for {unit.task.name} of {unit.model} is not ready: {'; '.join(why)}",
            where=str(view),
            fix=f"Run {context.command(step.before)}"
            + (" (or pass --set allow_stale=true to use the file as it is)" if view.exists() else ""),
        )
    content = context.hashes(view) if why or entry is None or entry.view is None else entry.view.sha256
    return Basis(version=step.version, inputs={VIEWS[step.before]: content}, settings=step.spec(unit.task, context))


def line_reasons(step: LineStep, unit: Unit, basis: Basis, context: Context) -> list[str]:
    entry = LockFile(context.folder, step.name, unit.model).get(unit.task.name)
    view = context.folder.view(step.name, unit.model, unit.task.name)
    return why_stale(entry, basis, view, context.hashes)


def _compute(step: LineStep, unit: Unit, basis: Basis, context: Context) -> None:
    source = context.folder.view(step.before, unit.model, unit.task.name)
    lock = LockFile(context.folder, step.name, unit.model)
    entry = Entry(state="running", basis=basis, run=context.record, started=now())
    lock.put(unit.task.name, entry)
    began = time.monotonic()
    counts: Counter[str] = Counter()
    spec = basis.settings | {"model": unit.model, "source": str(source), "remake": context.command(step.before)}
    before = LockFile(context.folder, step.before, unit.model).get(unit.task.name)
    total = before.view.rows if before and before.view else None
    with (
        ViewWriter(context.folder.view(step.name, unit.model, unit.task.name)) as writer,
        Progress(f"{step.name} {unit.task.name} of {unit.model}", total) as progress,
    ):
        for done in context.workers.map(step.build, spec, read_lines(source)):
            writer.write(done.lines, done.rows)
            counts.update(done.counts)
            progress.advance(done.counts.get("documents", 0))
        entry.view = writer.commit()
    entry.state, entry.finished, entry.seconds = "done", now(), round(time.monotonic() - began, 3)
    entry.counts = dict(counts)
    lock.put(unit.task.name, entry)


def now() -> str:
    """The present moment in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
