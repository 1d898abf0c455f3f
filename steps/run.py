"""Running one step, or the four in order, from a YAML file: settings in, exit code out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.config import Shared, Step1Settings, Step2Settings, Step3Settings, Step4Settings
from pipeline.config_load import Loaded, load, load_all
from pipeline.console import say
from pipeline.execution import Workers
from pipeline.lock_file import changes
from pipeline.os_locks import one_configuration
from pipeline.run_folder import STEPS
from pipeline.run_log import run_log
from steps.context import Context, open_context
from steps.line_step import run_line_step
from steps.manifest import read_manifest

_DONE, _WITH_ERRORS = 0, 1


def run_step(step: str, path: Path, overrides: Sequence[str]) -> int:
    """Run one step; 0, or 1 where error rows remain. Raises EvaluationError."""
    loaded = load(path, step, overrides)
    with Workers(loaded.settings.processes) as workers:
        errors = _run(step, loaded, path, overrides, workers, whole_run=len(load_all(path, overrides)) > 1)
    return _WITH_ERRORS if errors else _DONE


def run_all(path: Path, overrides: Sequence[str]) -> int:
    """Run the four steps in order; error rows of one do not keep the next from running."""
    every = load_all(path, overrides)
    errors = 0
    for step in STEPS:
        if step in every:
            with Workers(every[step].settings.processes) as workers:
                errors += _run(step, every[step], path, overrides, workers, whole_run=True)
    return _WITH_ERRORS if errors else _DONE
