"""What a command works with: the run's folder, hashes, worker processes, and the record of how it was called."""

from __future__ import annotations

import os
import platform
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from pipeline.config import Shared
from pipeline.errors import StorageError
from pipeline.execution import Spec, Workers
from pipeline.fingerprint import FileHashes
from pipeline.run_folder import STEPS, RunFolder, run_folder
from tasks.task import Task

_PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Context:
    """One command's surroundings. `yaml` is the file it was given, `overrides` its `--set`s."""

    folder: RunFolder
    hashes: FileHashes
    workers: Workers
    yaml: Path
    overrides: tuple[str, ...]
    whole_run: bool  # whether the YAML holds all steps
    untrusted: str = ""  # see `manifest.untrusted_by`
    record: dict[str, Any] = field(default_factory=dict)
    # The version of an earlier step and the settings that the run's file gives its view; None where it holds none.
    expected: Callable[[str, Task], tuple[int, Spec] | None] = lambda _step, _task: None

    def command(self, step: str) -> str:
        """The command that runs `step`, as the user would type it."""
        if not self.whole_run and step not in self.yaml.name:
            return f"python main.py {step} <its YAML>"
        own = [text for text in self.overrides if _concerns(text, step)]
        sets = [part for override in own for part in ("--set", override)]
        return shlex.join(["python", "main.py", step, str(self.yaml), *sets])

    def about(self) -> str:
        """One line about this process, for others that meet its locks."""
        return f"process {os.getpid()} on {platform.node()}, {self.record['command']}"


def _concerns(override: str, step: str) -> bool:
    """Whether a `--set` of this command is one for `step` too."""
    first = override.partition("=")[0].partition(".")[0]
    return first == step or first not in (*STEPS, "allow_stale")


def open_context(
    settings: Shared,
    yaml: Path,
    overrides: Sequence[str],
    workers: Workers | None = None,
    *,
    whole_run: bool,
    untrusted: str = "",
) -> Context:
    """The context of a command on one run folder; without `workers`, of one that computes nothing.

    Raises StorageError where the folder cannot be used.
    """
    folder, record = run_folder(settings.output_dir, settings.memo_dir), run_record(settings, yaml)
    hashes, at_work = open_hashes(folder), workers or Workers(1)
    return Context(folder, hashes, at_work, yaml, tuple(overrides), whole_run, untrusted, record)


def open_hashes(folder: RunFolder) -> FileHashes:
    try:
        return FileHashes(folder.memo / "files.sqlite")
    except sqlite3.DatabaseError as error:
        if "not a database" in str(error) or "malformed" in str(error):
            raise StorageError(
                "this is not a readable list of file hashes",
                where=str(folder.memo / "files.sqlite"),
                fix="Remove it: the hashes are computed again",
            ) from error
        raise _unusable(folder, error) from error
    except OSError as error:
        raise _unusable(folder, error) from error


def _unusable(folder: RunFolder, error: Exception) -> StorageError:
    return StorageError(
        f"the memo's folder cannot be used ({error})",
        where=str(folder.memo),
        fix="Make the folder writable, free some space, or set memo_dir to one that is fit",
    )


def run_record(settings: Shared, yaml: Path) -> dict[str, Any]:
    """How this command was called, for the lock files: configuration as run, command, versions, commit, seed."""
    return {
        "configuration": settings.model_dump(mode="json"),
        "file": str(yaml),
        "command": shlex.join(sys.argv),
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "seed": settings.seed,
    }


def package_versions(packages: Sequence[str]) -> dict[str, str]:
    """The installed versions of packages that decide a score."""
    return {package: metadata.version(package) for package in sorted(packages)}


def _commit() -> str | None:
    """The commit of this project's checkout, where it is one."""
    try:
        done = subprocess.run(
            ["git", "-C", str(_PROJECT), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
