"""Bundled tasks of lm_eval 0.4.13 over made-up documents: equal prompts byte for byte, filtered answers, values, figures.

No model is asked: both sides get the same made-up answers. Documents are found by how a task's templates and code use
them; see `harness_prompts/discovery.py`.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from models.generation import effective_generation
from tasks.index import TaskIndex
from tasks.task_file import read_task_file

pytest.importorskip("lm_eval", reason="the reference is lm_eval")

ROOT = Path(__file__).resolve().parents[2]
Outcomes = dict[str, dict[str, Any]]
# Why a task may be left out of the comparison.
LEFT_OUT = {
    "code cannot be imported": "it needs a package or a network that is not there (harness_refusals.yaml)",
    "documents made by code": "a function makes them, of a tokenizer or of texts of the hub",
    "images or sounds": "not supported",
    "Python class": "test_python_classes.py is about them",
    "unsafe code": "its scorer runs what a model has written",
    "no documents found": "its code wants more of a document than trying has found",
}
# Keys that make no other task of it, as far as prompts and scores go.
NAMING = frozenset({"task", "task_alias", "tag", "group", "metadata", "description"})
DATA = frozenset({"dataset_name", "dataset_path", "dataset_kwargs"})
SELECTED = 800


def by_folder() -> dict[str, dict[str, Path]]:
    """The files of the bundled tasks by name, in the folders below lm_eval/tasks."""
    found: dict[str, dict[str, Path]] = {}
    for name, (known, *_) in sorted(TaskIndex.of_harness().definitions.items()):
        if known.kind == "task":
            folder = str(known.path).partition("/lm_eval/tasks/")[2].partition("/")[0]
            found.setdefault(folder, {})[name] = known.path
    return found


def of_different_make(files: dict[str, Path], generator: random.Random) -> list[str]:
    """Of all tasks with the same settings one, in an order that chance gives."""

    def settings(path: Path) -> str:
        values = {key: value for key, value in read_task_file(path).values.items() if key not in NAMING | DATA}
        return json.dumps(values, sort_keys=True, default=lambda one: getattr(one, "reference", str(one)))

    names = generator.sample(sorted(files), len(files))
    return list({settings(files[name]): name for name in names}.values())


def swept(asked: list[str], folder: Path) -> Outcomes:
    """What became of each task. Their code runs in a process of its own, without network."""
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    offline = dict.fromkeys(("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_EVALUATE_OFFLINE"), "1")
    quiet = {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    program = [sys.executable, "-m", "tests.parity.harness_prompts.sweep", str(folder / "outcomes.json")]
    done = subprocess.run(
        program,
        input=json.dumps(asked),
        env=os.environ | offline | quiet | nowhere,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: Outcomes = json.loads((folder / "outcomes.json").read_text(encoding="utf-8"))
    assert found.keys() == set(asked)
    return found


def check(found: Outcomes, least_scored: int, least_asked: int) -> None:
    """Nothing differs, what is left out is so for a listed reason, and not more than was once compared."""
    differing = {name: one["detail"] for name, one in found.items() if one["status"] == "differs"}
    assert not differing, "\n".join(f"{name}: {detail}" for name, detail in differing.items())
    counts = Counter((one["status"], one["kind"]) for one in found.values())
    strange = {name: one for name, one in found.items() if one["status"] == "left out" and one["kind"] not in LEFT_OUT}
    assert not strange
    scored = counts["equal", "scored"]
    assert scored >= least_scored, counts
    assert scored + counts["equal", "not scored"] >= least_asked, counts


def test_a_task_of_each_of_some_folders(tmp_path: Path) -> None:
    generator = random.Random(7)
    folders = by_folder()
    chosen = generator.sample(sorted(folders), 40)
    check(swept([generator.choice(sorted(folders[folder])) for folder in chosen], tmp_path), 28, 29)


@pytest.mark.slow
def test_generation_settings_mean_what_they_mean_in_lm_eval() -> None:
    from lm_eval.models.utils import normalize_gen_kwargs

    compared = 0
    for settings in all_generation_settings():
        if settings.get("num_beams", 1) != 1:  # refused: there is no beam search
            continue
        found = effective_generation([("the task's file", settings)])
        expected = normalize_gen_kwargs(settings)
        assert list(found.until) == expected["until"], settings
        assert found.max_gen_toks == expected["max_gen_toks"], settings
        assert found.temperature == (expected["temperature"] if expected["do_sample"] else 0.0), settings
        compared += 1
    assert compared >= 100


def all_generation_settings() -> list[dict[str, Any]]:
    """The different settings of bundled tasks that generate, with the stop string that lm_eval supplies."""
    found: dict[str, dict[str, Any]] = {}
    for files in by_folder().values():
        for path in files.values():
            values = read_task_file(path).values
            settings = values.get("generation_kwargs")
            if settings and values.get("output_type", "generate_until") == "generate_until":
                found[json.dumps(settings)] = {"until": ["\n\n"], "temperature": 0.0, **settings}
    return list(found.values())


@pytest.mark.slow
def test_tasks_of_all_folders_and_of_different_make(tmp_path: Path) -> None:
    """At least one task of each folder, and of the others by chance."""
    generator = random.Random(8)
    firsts, others = [], []
    for files in by_folder().values():
        first, *more = of_different_make(files, generator)
        firsts.append(first)
        others += more
    check(swept([*firsts, *generator.sample(others, SELECTED - len(firsts))], tmp_path), 660, 685)
