"""The reference: lm_eval's own evaluation of tasks, with its own model class, on the suite's data sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

from tests.parity.harness import data_sets
from tests.parity.harness.coded_data import OF_CLASSES
from tests.parity.harness.suites import MAX_TOKENS, OWN_TASKS, Suite


def load_model(folder: Path) -> Any:
    """lm_eval's model class over the suite's model. One row a batch: rows of a batch can spoil each other there."""
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=str(folder), device="cpu", dtype="float32", batch_size=1)


@cache
def task_manager() -> Any:
    """Knows lm_eval's own tasks and the suite's; looking through them all takes it seconds."""
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=str(OWN_TASKS))


def evaluate(model: Any, suite: Suite, loaded: Callable[[str, str | None], None]) -> dict[str, Any]:
    """lm_eval's results with its samples. `loaded` hears of each data set that a task loads.

    Chosen documents are left to the comparison: asked for them alone, lm_eval draws their few-shot examples as if they
    were the first ones, and so gives them other prompts than in a run of all.
    """
    from lm_eval import simple_evaluate

    def load_dataset(path: str, name: str | None = None, **settings: Any) -> Any:
        loaded(path, name)
        return data_sets.load_dataset(path, name, **settings)

    with mock.patch("datasets.load_dataset", load_dataset):
        found: dict[str, Any] = simple_evaluate(
            model,
            tasks=list(suite.tasks),
            task_manager=task_manager(),
            num_fewshot=suite.num_fewshot,
            limit=suite.limit,
            bootstrap_iters=2,
            system_instruction=suite.system_instruction,
            apply_chat_template=suite.chat,
            fewshot_as_multiturn=suite.multiturn,
            gen_kwargs={"max_gen_toks": MAX_TOKENS},
        )
    return found


def data_sets_of(results: Mapping[str, Any]) -> dict[str, str]:
    """The data set of each task that has one, and of each group: that of its first task."""
    configs: Mapping[str, Any] = results["configs"]
    found = OF_CLASSES | {task: config["dataset_path"] for task, config in configs.items() if "dataset_path" in config}
    inner: Mapping[str, list[str]] = results["group_subtasks"]

    def of_group(group: str) -> str | None:
        return next((found.get(member) or of_group(member) for member in inner.get(group, ())), None)

    return found | {group: path for group in inner if (path := of_group(group)) is not None}
