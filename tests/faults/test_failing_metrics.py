"""Code that values no row of a task: what the run says and ends with, what it keeps, and how it goes on afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.project import Project, write_lines

CODE = """
from pathlib import Path


def process_results(doc, results):
    if not (Path(__file__).parent / "wordlist.txt").exists():
        raise LookupError("the word list is not there")
    return {"length": float(len(results[0]))}


def odd(references, predictions):
    if int(references[0]) % 2:
        raise ValueError("cannot value odd ones")
    return 1.0
"""
HEAD = (
    "dataset_path: json\ntest_split: test\ndoc_to_text: q\ndoc_to_target: a\n"
    "generation_kwargs: {until: [x], max_gen_toks: 3}\n"
)
LOST = "process_results failed on every row of whole (models: base and sft__checkpoint-100): LookupError: the word list is not there"  # fmt: skip


@pytest.fixture
def failing(project: Project) -> Project:
    tasks = project.folder / "tasks"
    tasks.mkdir()
    (tasks / "own.py").write_text(CODE)
    metrics = "metric_list:\n  - {metric: length, aggregation: mean, higher_is_better: true}\n"
    (tasks / "whole.yaml").write_text(f"task: whole\n{HEAD}process_results: !function own.process_results\n{metrics}")
    metrics = "metric_list:\n  - {metric: !function own.odd, aggregation: mean, higher_is_better: true}\n"
    (tasks / "partly.yaml").write_text(f"task: partly\n{HEAD}{metrics}  - metric: exact_match\n")
    data = [{"q": f"Say {number}", "a": str(number)} for number in range(4)]
    write_lines(project.folder / "data" / "test.jsonl", data)
    entries = [{"name": name, "data_dir": "data"} for name in ("whole", "partly")]
    project.settings["step3"] = {}
    project.settings["step1"] |= {
        "tasks": entries,
        "include_path": ["tasks"],
        "trust_task_code": True,
        "adapters": ["models/sft/checkpoint-100"],
    }
    return project


def figures(project: Project, model: str, task: str) -> dict[str, tuple[Any, int, int]]:
    rows = project.views(step=4)[f"{model}/{task}/step4_eval_scores.jsonl"]
    return {row["metric"]: (row["value"], row["n"], row["missing"]) for row in rows}


def text(project: Project, name: str) -> str:
    return (Path(project.folder) / "output" / "run" / name).read_text(encoding="utf-8")


def test_a_task_without_any_value_is_named_and_tried_again(failing: Project) -> None:
    settings = str(failing.write_settings())
    done = failing.run("all", settings, expect=1)
    assert f"warning: {LOST}\n" in done.stderr
    assert "warning: partly of base: odd failed on 2 of 4 rows; the first: ValueError: cannot value odd ones" in done.stderr  # fmt: skip
    assert "whole of base" not in done.stderr
    assert f"\n{LOST}.\n" in done.stdout
    assert figures(failing, "base", "whole") == {"length": (None, 0, 4)}
    assert figures(failing, "base", "partly") == {"odd": (1.0, 2, 2), "exact_match": (0.0, 4, 0)}
    assert LOST in text(failing, "run.log")
    for name in ("results.md", "report.html"):
        assert LOST in text(failing, name)
        assert "4 × process_results failed: LookupError: the word list is not there" in text(failing, name)
        assert "2 × odd failed: ValueError: cannot value odd ones" in text(failing, name)
    assert f"\n{LOST}.\n" in failing.run("step4", settings, expect=1).stdout, "where all views are fresh, too"
    status = failing.run("status", settings).stdout
    assert "whole: out of date: process_results failed on every row and will be tried again" in status
    assert "partly: fresh" in status
    (failing.folder / "tasks" / "wordlist.txt").write_text("")
    done = failing.run("all", settings)
    assert "step1: 4 views up to date; no calls needed" in done.stderr
    value, n, missing = figures(failing, "base", "whole")["length"]
    assert (n, missing) == (4, 0)
    assert value > 0
    assert LOST not in text(failing, "report.html")
