"""What the run's reports were made from and are known by, so that `status` can tell whether they still stand."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from pipeline.config import Step4Settings
from pipeline.errors import StorageError
from pipeline.fingerprint import FileHashes
from pipeline.lock_file import Basis, Entry, LockFile, changes
from pipeline.run_folder import VIEWS
from pipeline.views import write_file
from steps.chained import now
from steps.context import Context
from steps.manifest import Manifest
from tasks.task import TaskSet

_VERSION = 3  # raised when the code of the reports changes what they say
_READ = ("step3", "step4")
_NAMED = 3  # reasons spelled out; a change of a whole run has hundreds


class ReportLock(msgspec.Struct, frozen=True, kw_only=True):
    """`files`: the sha256 of each file written, by its path from the run's folder."""

    basis: Basis
    files: dict[str, str]
    run: dict[str, Any]
    finished: str


def report_basis(settings: Step4Settings, context: Context, manifest: Manifest, tasks: TaskSet) -> Basis:
    """What the reports follow from: the rows and figures of every model and task, the groups, the main metrics."""
    inputs: dict[str, str] = {}
    for model in manifest.models:
        for step in _READ:
            entries = LockFile(context.folder, step, model.name).entries()
            for task in tasks.tasks:
                inputs[f"{model.name}/{task.name}/{VIEWS[step]}"] = _content(entries.get(task.name))
    shown = {task.name: [task.primary_metric, *(metric.name for metric in task.metrics)] for task in tasks.tasks}
    own_code = any(task.code for task in tasks.tasks)
    return Basis(
        version=_VERSION,
        inputs=inputs,
        settings={
            "confidence": settings.confidence,
            "models": msgspec.to_builtins(manifest.models),
            "tasks": list(manifest.tasks),
            "groups": {group.name: msgspec.to_builtins(group) for group in tasks.groups},
            "primary_metrics": shown,
            **({"resamples": settings.task_code_resamples} if own_code else {}),
        },
    )


def _content(entry: Entry | None) -> str:
    return entry.view.sha256 if entry is not None and entry.view is not None else ""


def write_report_lock(context: Context, basis: Basis, files: Iterable[Path], lock_file: Path | None = None) -> None:
    """Note, in the run's report.lock.json or another `lock_file`, that `files` were written from `basis`."""
    root = context.folder.root
    hashes = {os.path.relpath(path, root): context.hashes(path) for path in files}
    lock = ReportLock(basis=basis, files=hashes, run=context.record, finished=now())
    write_file(
        lock_file or context.folder.report_lock, msgspec.json.format(msgspec.json.encode(lock), indent=1) + b"\n"
    )


def report_reasons(basis: Basis, context: Context, lock_file: Path | None = None) -> list[str]:
    """Why the reports are not what `basis` gives; none where they are. Raises StorageError for a broken lock file."""
    path = lock_file or context.folder.report_lock
    try:
        lock = msgspec.json.decode(path.read_bytes(), type=ReportLock)
    except FileNotFoundError:
        return ["not yet made"]
    except msgspec.DecodeError as error:
        raise StorageError(
            f"this is not a readable lock file ({error})", where=str(path), fix="Remove it and run step 4 again"
        ) from error
    reasons = list(changes(lock.basis, basis))
    reasons = reasons or list(_altered(lock.files, context.folder.root, context.hashes))
    further = len(reasons) - _NAMED
    return reasons if further < 2 else [*reasons[:_NAMED], f"{further} further reasons"]


def _altered(files: dict[str, str], root: Path, hashes: FileHashes) -> Iterable[str]:
    for name, known in files.items():
        try:
            if hashes(root / name) != known:
                yield f"{name} was changed after it was written"
        except FileNotFoundError:
            yield f"{name} is gone"
