"""Units of work, one model on one task each, shared between processes: who holds a unit's OS lock computes it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple

from pipeline.console import say
from pipeline.os_locks import OsLock
from pipeline.run_folder import RunFolder
from tasks.task import Task


class Unit(NamedTuple):
    """One model's work on one task."""

    model: str
    task: Task


def claim(folder: RunFolder, step: str, units: Sequence[Unit], reasons: Callable[[Unit], list[str]]) -> Generator[Unit]:
    """The units that `reasons` calls stale, each while its lock is held; what others hold is come back to at the end.

    A unit that another process has finished meanwhile is passed over: `reasons` is asked again under the lock.
    """
    busy: list[Unit] = []
    for unit in units:
        if not reasons(unit):
            continue
        lock = OsLock(folder.os_lock(step, unit.model, unit.task.name))
        if not lock.acquire(wait=False):
            busy.append(unit)
            continue
        yield from _held(lock, unit, reasons)
    for unit in busy:
        lock = OsLock(folder.os_lock(step, unit.model, unit.task.name))
        if not lock.acquire(wait=False):
            say(f"waiting for another process, which works on {unit.task.name} of {unit.model}")
            lock.acquire(wait=True)
        yield from _held(lock, unit, reasons)


def _held(lock: OsLock, unit: Unit, reasons: Callable[[Unit], list[str]]) -> Generator[Unit]:
    try:
        if reasons(unit):
            yield unit
    finally:
        lock.release()
