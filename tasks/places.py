"""Where a setting of a task stands, for messages of steps that have the task and not its file."""

from __future__ import annotations

from tasks.harness_task import HarnessTask
from tasks.python_task import PythonTask
from tasks.task import Task


def place(task: Task, key: str, *path: str | int) -> str:
    """`file:line` of what stands within a key of the task's file; the task's name where its file does not say it."""
    if isinstance(task, HarnessTask | PythonTask) and task.config.file.holds(key, *path):
        return task.config.file.where(key, *path)
    return f"{key} of {task.name}"
