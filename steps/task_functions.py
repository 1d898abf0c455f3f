"""The functions of a task's own as steps 2 to 4 call them: loaded when first used, in whatever process that is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from metrics.hf_evaluate import evaluate_metric
from tasks.definition import EVALUATE
from tasks.task import Task, TaskCode
from tasks.task_code import load_code


class TaskFunctions:
    """By key, as filters, metrics and aggregations of the task name them."""

    def __init__(self, code: Mapping[str, TaskCode]) -> None:
        self._code = code

    def __contains__(self, key: object) -> bool:
        return key in self._code

    def __getitem__(self, key: str) -> Callable[..., Any]:
        """Raises TaskError where the code cannot be loaded, MissingPackageError for a metric of `evaluate`."""
        code = self._code[key]
        return evaluate_metric(code.name, code.where) if key.startswith(EVALUATE) else load_code(code)

    def where(self, key: str) -> str:
        """`file:line` of the key, for messages."""
        return self._code[key].where if key in self._code else key

    def registered_filter(self, name: str) -> Callable[..., Any] | None:
        """A filter that the task's code has registered with lm_eval under `name`; None where there is none."""
        for key in self._code:
            self[key]
        registry: Any = sys.modules.get("lm_eval.api.registry")
        if registry is None or name not in registry.filter_registry:
            return None
        return registry.filter_registry.get(name)  # type: ignore[no-any-return]


def packed(task: Task) -> dict[str, list[str]]:
    """The task's code as plain JSON, for a worker process; it holds paths, and belongs in no basis."""
    return {key: [str(code.path), code.name, code.content, code.where] for key, code in task.code.items()}


def unpacked(code: Mapping[str, list[str]]) -> TaskFunctions:
    """From what `packed` gave."""
    return TaskFunctions({key: TaskCode(Path(path), *rest) for key, (path, *rest) in code.items()})


def task_functions(task: Task) -> TaskFunctions:
    """The functions of a task at hand."""
    return TaskFunctions(task.code)
