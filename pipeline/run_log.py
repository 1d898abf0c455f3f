"""The log of a run, `output/<run>/run.log`: what was started, noted, and how it ended.

Several processes write one log: each line is appended by one write. What is noted is decided by `console.py`.
"""

from __future__ import annotations

import os
import platform
import shlex
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from pipeline.console import logging_to, warn
from pipeline.errors import EvaluationError, StorageError
from pipeline.interrupts import Interrupted
from pipeline.progress import duration

FILE_NAME = "run.log"
_PACKAGES = ("torch", "transformers", "peft", "datasets")


@contextmanager
def run_log(folder: Path) -> Iterator[None]:
    """Log this block in the run's folder: the command, all notes of the console, its end or its error.

    A log that cannot be written is a warning; raises StorageError where nothing can be written to the folder.
    """
    log = _RunLog(folder)
    began = time.monotonic()
    with log:
        log.write("INFO", f"started: {shlex.join(sys.argv)} ({_versions()})")
        try:
            with logging_to(log.write):
                yield
        except BaseException as error:
            log.write("ERROR", f"{_reason(error)}\nended after {duration(time.monotonic() - began)}")
            raise
        log.write("INFO", f"ended after {duration(time.monotonic() - began)}")


class _RunLog:
    """An open log; `write` never raises, and says once when it cannot."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._descriptor: int | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            _require_writable(folder)
            self._go_without(error)

    def __enter__(self) -> None: ...

    def __exit__(self, *exception: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def write(self, level: str, message: str) -> None:
        """Append one entry; its further lines are indented."""
        if self._descriptor is None:
            return
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        text = message.replace("\n", "\n    ")
        try:
            os.write(self._descriptor, f"{moment} {level} {os.getpid()}: {text}\n".encode("utf-8", "replace"))
        except OSError as error:
            self._go_without(error)

    def _go_without(self, error: OSError) -> None:
        self.__exit__()
        warn(f"{self._path} cannot be written ({error.strerror}); the run goes on without a log")


def _require_writable(folder: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StorageError(
            f"nothing can be written to the run's folder ({error.strerror})",
            where=str(folder),
            fix="Make the folder writable, or set output_dir to one that is",
        ) from error


def _reason(error: BaseException) -> str:
    if isinstance(error, (EvaluationError, Interrupted)):
        return str(error)
    return "".join(traceback.format_exception(error)).rstrip()


def _versions() -> str:
    found = [f"python {platform.python_version()}"]
    for package in _PACKAGES:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue  # not needed by every step
    return ", ".join(found)
