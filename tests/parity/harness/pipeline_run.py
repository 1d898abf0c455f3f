"""The same tasks through this project's four steps, as a user runs them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from main import main
from tests.parity.harness.data_sets import folder_name
from tests.parity.harness.suites import MAX_TOKENS, OWN_TASKS, Suite
from tests.project import Project


def run(folder: Path, model: Path, data: Path, suite: Suite, data_sets: Mapping[str, str]) -> Project:
    """`main.py all` over the suite's tasks; `data_sets` gives the data set of each task and group that has one."""
    asked: dict[str, Any] = {
        "engine": {"dtype": "float32", "device": "cpu", "threads": 1, "use_model_generation_config": True},
        "model": str(model),
        "include_path": [str(OWN_TASKS)],
        "trust_task_code": True,
        "tasks": [_entry(name, data, data_sets.get(name)) for name in suite.tasks],
        "apply_chat_template": suite.chat,
        "fewshot_as_multiturn": suite.multiturn,
        "system_instruction": suite.system_instruction,
        "num_fewshot": suite.num_fewshot,
        "generation_override": {"max_gen_toks": MAX_TOKENS},
        **({"samples": suite.samples} if suite.samples else {"limit": suite.limit}),
    }
    settings = {
        "output_dir": "output/run",
        "processes": 1,
        "step1": {name: value for name, value in asked.items() if value is not None},
    }
    folder.mkdir(parents=True)
    project = Project(folder, settings)
    with contextlib.chdir(folder):  # in this process, which has torch and transformers loaded already
        assert main(["all", str(project.write_settings()), "--quiet"]) == 0
    return project


def _entry(name: str, data: Path, data_set: str | None) -> dict[str, Any]:
    entry = {"name": name if name.startswith("parity") else f"lm_eval:{name}"}
    return entry | ({"data_dir": str(data / folder_name(data_set))} if data_set else {})
