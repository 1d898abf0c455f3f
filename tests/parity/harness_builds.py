"""Builds tasks of lm_eval's bundled files as a run does before any work, without their data: a program of its own.

It imports the code of the tasks, which says and registers what it likes. Reads lists of names as JSON, those of a list
being built together, and writes refusals as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pipeline.config import TaskSettings
from pipeline.errors import EvaluationError, InputError
from pipeline.fingerprint import FileHashes
from steps.task_checks import check_task
from steps.value_kinds import value_kind
from tasks.loader import load_tasks
from tasks.task import Task


def refusals(names: list[str]) -> dict[str, str]:
    """By name, of a task or group that was asked for or of a group's task, why a run would refuse it."""
    entries = [TaskSettings(name=f"lm_eval:{name}") for name in names]
    try:
        built = load_tasks(entries, [], True, FileHashes(), find_data=False).tasks
    except EvaluationError as error:
        if len(names) == 1:
            return {names[0]: str(error)}
        half = len(names) // 2  # which of them it was that the error is about
        return refusals(names[:half]) | refusals(names[half:])
    return {task.name: said for task in built if (said := _checked(task))}


def _checked(task: Task) -> str:
    faults: list[InputError] = []
    check_task(task, faults)
    if not faults:
        task.request_basis()
        for metric in task.metrics:
            value_kind(task, metric.name)
    return "\n".join(map(str, faults))


if __name__ == "__main__":
    found: dict[str, str] = {}
    for together in json.load(sys.stdin):
        found |= refusals(together)
    Path(sys.argv[1]).write_text(json.dumps(found), encoding="utf-8")
