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
    refused: dict[str, str] = {}
    left = list(names)
    while True:
        tried: list[int] = []
        try:
            built = _built(left, tried)
        except EvaluationError as error:
            refused[left.pop(tried[-1])] = str(error)  # the entry that was being loaded
        else:
            return refused | {task.name: said for task in built if (said := _checked(task))}


def _built(names: list[str], tried: list[int]) -> tuple[Task, ...]:
    def place(number: int) -> str:
        tried.append(number)
        return "run.yaml:1"

    entries = [TaskSettings(name=f"lm_eval:{name}") for name in names]
    return load_tasks(entries, [], True, FileHashes(), place, find_data=False).tasks


def _checked(task: Task) -> str:
    faults: list[InputError] = []
    check_task(task, faults)
    if not faults:
        task.definition()
        for metric in task.metrics:
            value_kind(task, metric.name)
    return "\n".join(map(str, faults))


if __name__ == "__main__":
    found: dict[str, str] = {}
    for together in json.load(sys.stdin):
        found |= refusals(together)
    Path(sys.argv[1]).write_text(json.dumps(found), encoding="utf-8")
