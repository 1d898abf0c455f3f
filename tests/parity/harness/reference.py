"""The reference: lm_eval's own evaluation of tasks, with its own model class, on the suite's data sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from tests.parity.harness import data_sets
from tests.parity.harness.suites import MAX_TOKENS, Suite


def task_folder() -> Path:
    """Where lm_eval keeps its task files."""
    import lm_eval

    return Path(lm_eval.__path__[0]) / "tasks"


def load_model(folder: Path) -> Any:
    """lm_eval's model class over the suite's model. One row a batch: rows of a batch can spoil each other there."""
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=str(folder), device="cpu", dtype="float32", batch_size=1)


def evaluate(model: Any, suite: Suite, loaded: Callable[[str, str | None], None]) -> dict[str, Any]:
    """lm_eval's results with its samples. `loaded` hears of each data set that a task loads."""
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    def load_dataset(path: str, name: str | None = None, **settings: Any) -> Any:
        loaded(path, name)
        return data_sets.load_dataset(path, name, **settings)

    with mock.patch("datasets.load_dataset", load_dataset):
        found: dict[str, Any] = simple_evaluate(
            model,
            tasks=list(suite.tasks),
            task_manager=TaskManager(include_path=[str(path) for path in suite.folders], include_defaults=False),
            num_fewshot=suite.num_fewshot,
            limit=suite.limit,
            samples=suite.samples,
            bootstrap_iters=2,
            system_instruction=suite.system_instruction,
            apply_chat_template=suite.chat,
            fewshot_as_multiturn=suite.multiturn,
            gen_kwargs={"max_gen_toks": MAX_TOKENS},
        )
    return found
