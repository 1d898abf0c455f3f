"""`check`: settings, tasks, files and names of a run, without loading a model; `--plan` adds what would be computed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.config_load import load_all
from pipeline.console import show
from pipeline.errors import InputError, raise_all
from pipeline.fingerprint import FileHashes
from steps.preflight import preflight
from steps.status import run_lines, summarised


def check(path: Path, overrides: Sequence[str], plan: bool) -> int:
    """Validate what `path` says; 0 where everything is in order. Raises InputError with what is wrong."""
    loaded = load_all(path, overrides)
    preflight(loaded, FileHashes())
    show(f"{path}: {', '.join(loaded)} in order")
    if plan:
        faults: list[InputError] = []
        for line in summarised(run_lines(loaded, path, overrides, faults)):
            show(line)
        raise_all(faults)
    return 0
