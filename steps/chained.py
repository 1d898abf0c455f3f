"""What steps 2 to 4 share: each reads the view before it, and stays fresh as long as that and its settings do."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from pipeline.config import Shared
from pipeline.console import say
from pipeline.errors import StaleInputError, in_short
from pipeline.execution import Spec
from pipeline.fingerprint import digest
from pipeline.lock_file import Basis, Entry, LockFile, altered, changes, why_stale
from pipeline.os_locks import one_configuration
from pipeline.run_folder import STEPS, VIEWS
from pipeline.views import ViewSummary, first_broken_line
from steps.context import Context
from steps.manifest import Manifest
from steps.units import Unit, claim
from tasks.task import Task, TaskSet


class Computed(NamedTuple):
    """A view that was written, counts of what is in it, and metrics that failed on all of its rows, with the reason.

    `errors`: of its error rows by kind how many there are, and one's message.
    """

    view: ViewSummary
    counts: dict[str, int]
    failed: dict[str, str]
    errors: dict[str, tuple[int, str]]


@dataclass(frozen=True)
class ChainedStep:
    """A step after the first. `spec` gives all settings that affect the view of a task, as plain JSON."""

    name: str
    version: int
    spec: Callable[[Task, Context], Spec]

    @property
    def before(self) -> str:
        """The step whose view this one reads."""
        return STEPS[STEPS.index(self.name) - 1]

    def source(self, unit: Unit, context: Context) -> Path:
        return context.folder.view(self.before, unit.model, unit.task.name)

    def view(self, unit: Unit, context: Context) -> Path:
        return context.folder.view(self.name, unit.model, unit.task.name)


def all_units(manifest: Manifest, tasks: TaskSet) -> list[Unit]:
    """Every model on every task; task by task, so that models can be compared early."""
    return [Unit(model.name, task) for task in tasks.tasks for model in manifest.models]


def run_units(
    step: ChainedStep,
    settings: Shared,
    context: Context,
    units: list[Unit],
    compute: Callable[[Unit, Basis], Computed],
) -> int:
    """Have `compute` write each stale unit's view and count what is in it; the number of error rows in all views.

    Raises StaleInputError, before anything is computed, where a view of the step before is not sound.
    """
    bases = [step_basis(step, unit, context, settings.allow_stale) for unit in units]
    by_unit = {(unit.model, unit.task.name): basis for unit, basis in zip(units, bases, strict=True)}

    def basis(unit: Unit) -> Basis:
        return by_unit[unit.model, unit.task.name]

    configuration = digest({f"{model}~{task}": basis.settings for (model, task), basis in by_unit.items()})
    with (
        one_configuration(context.folder.os_lock(step.name), configuration, context.about()),
        closing(
            claim(context.folder, step.name, units, lambda unit: view_reasons(step.name, unit, basis(unit), context))
        ) as claimed,
    ):
        for unit in claimed:
            make_view(step.name, unit, basis(unit), context, compute)
    return say_end(step.name, units, context)


def make_view(
    step: str, unit: Unit, basis: Basis, context: Context, compute: Callable[[Unit, Basis], Computed]
) -> None:
    """Have `compute` write one unit's view, its lock entry `running` before and `done` after."""
    began = time.monotonic()
    lock = LockFile(context.folder, step, unit.model)
    entry = Entry(state="running", basis=basis, run=context.record, started=now())
    lock.put(unit.task.name, entry)
    entry.view, entry.counts, entry.failed, errors = compute(unit, basis)
    entry.run = context.record | {"errors": errors}
    entry.state, entry.finished, entry.seconds = "done", now(), round(time.monotonic() - began, 3)
    lock.put(unit.task.name, entry)


def step_basis(step: ChainedStep, unit: Unit, context: Context, allow_stale: bool) -> Basis:
    """What the step's view of `unit` follows from. Raises StaleInputError where the view before is not sound."""
    source = step.source(unit, context)
    entry = LockFile(context.folder, step.before, unit.model).get(unit.task.name)
    faults = input_faults(step, unit, context, entry)
    if faults and not (allow_stale and source.exists()):
        broken = first_broken_line(source) if source.exists() else None
        if broken:
            faults = [*faults, f"line {broken} is broken"]
        allow = " (or pass --set allow_stale=true to use the file as it is)" if source.exists() else ""
        first = next((name for name, _ in _chain_faults(step, unit, context)), step.before)
        raise StaleInputError(
            f"the input of {step.name} for {unit.task.name} of {unit.model} is not ready: {'; '.join(faults)}",
            where=f"{source}:{broken}" if broken else str(source),
            fix=f"Run {context.command(first)}{' and the steps after it' * (first != step.before)}{allow}",
        )
    content = entry.view.sha256 if entry and entry.view and not faults else context.hashes(source)
    inputs = _read_by_class(unit, context) | {VIEWS[step.before]: content}
    return Basis(version=step.version, inputs=inputs, settings=step.spec(unit.task, context))


def _read_by_class(unit: Unit, context: Context) -> dict[str, str]:
    """The inputs of step 1 where a Python class values the rows: by all its data, it may be, not by theirs alone."""
    asked = LockFile(context.folder, "step1", unit.model).get(unit.task.name) if unit.task.scorer is not None else None
    return dict(asked.basis.inputs) if asked is not None else {}


def input_faults(step: ChainedStep, unit: Unit, context: Context, entry: Entry | None) -> list[str]:
    """Why the view before is not one to work on: unfinished, altered, or made from what has changed since."""
    if entry is None:
        return ["not yet made"]
    if entry.state == "running":
        return ["interrupted before its end"]
    faults = altered(entry, step.source(unit, context), context.hashes)
    return faults + [fault for _, fault in _chain_faults(step, unit, context)]


def _chain_faults(step: ChainedStep, unit: Unit, context: Context) -> Iterator[tuple[str, str]]:
    """Each earlier step, from step 2 on, whose view was made from other content or other settings than the present."""
    for position in range(1, STEPS.index(step.name)):
        name, source = STEPS[position], STEPS[position - 1]
        entry = LockFile(context.folder, name, unit.model).get(unit.task.name)
        made = LockFile(context.folder, source, unit.model).get(unit.task.name)
        if entry is None or made is None or made.view is None:
            continue
        if entry.basis.inputs.get(VIEWS[source]) != made.view.sha256:
            yield name, f"{VIEWS[name]} was made from another {VIEWS[source]} than the present one"
        expected = context.expected(name, unit.task)
        if expected is not None:
            present = Basis(version=expected[0], inputs=entry.basis.inputs, settings=expected[1])
            yield from (
                (name, f"{name} was run with other settings: {change}") for change in changes(entry.basis, present)
            )


def view_reasons(step: str, unit: Unit, basis: Basis, context: Context) -> list[str]:
    """Why the step's view of `unit` is not what `basis` gives; none where it is fresh."""
    entry = LockFile(context.folder, step, unit.model).get(unit.task.name)
    return why_stale(entry, basis, context.folder.view(step, unit.model, unit.task.name), context.hashes)


def say_end(step: str, units: Sequence[Unit], context: Context) -> int:
    """Say how the units' views stand; the number of error rows in them."""
    found = [LockFile(context.folder, step, unit.model).get(unit.task.name) for unit in units]
    entries = [entry for entry in found if entry is not None]
    errors = sum(entry.counts.get("errors", 0) for entry in entries)
    say(up_to_date(step, len(units), errors))
    say_errors(entries)
    return errors


def up_to_date(step: str, views: int, errors: int) -> str:
    """The line with which a step ends."""
    text = f"{step}: {views} view{'s' * (views != 1)} up to date"
    return text + (f", {errors} error row{'s' * (errors != 1)}" if errors else "")


def say_errors(entries: Iterable[Entry]) -> None:
    """Say what the error rows are, a line a kind, with one of its messages."""
    counts: Counter[str] = Counter()
    messages: dict[str, str] = {}
    for entry in entries:
        for kind, (count, message) in entry.run.get("errors", {}).items():
            counts[kind] += count
            messages.setdefault(kind, message)
    for kind, count in counts.most_common():
        say(f"  {count} {kind}, such as: {in_short(messages[kind])}")


def now() -> str:
    """The present moment in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
