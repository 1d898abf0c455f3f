"""`status` of a run whose folders were moved or deleted since: it shows what it can, then says what is gone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.project import Project

TASK = """\
task: mine
dataset_path: json
test_split: test
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
"""
UNKNOWN = "made, and whether it is up to date cannot be told"
TOLD = "Step 1 was run with these tasks: put back what is gone, or correct its YAML and run it again."


@pytest.fixture
def moved(project: Project) -> Project:
    """A finished run of a task of one's own, whose task folder and data are ready to be moved."""
    folder = project.folder / "my_tasks"
    folder.mkdir()
    (folder / "mine.yaml").write_text(TASK)
    own = {"name": "mine", "data_files": {"test": "data/test.jsonl"}}
    project.settings["step1"] |= {"adapters": [], "include_path": ["my_tasks"], "tasks": [own], "limit": 2}
    project.settings["step3"] = {}
    project.run("all", str(project.write_settings()))
    (project.folder / "later.yaml").write_text("output_dir: output/run\nstep2: {}\nstep3: {}\nstep4: {}\n")
    return project


def line_of(path: Path, text: str) -> int:
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if text in line)


def test_a_moved_include_path_is_told_by_the_setting_that_names_it(moved: Project) -> None:
    (moved.folder / "my_tasks").rename(moved.folder / "my_task")
    done = moved.run("status", "run.yaml", expect=2)
    states = done.stdout.splitlines()
    assert states == [f"step{number}  base  mine: {UNKNOWN}" for number in (1, 2, 3, 4)]
    where = f"run.yaml:{line_of(moved.folder / 'run.yaml', '- my_tasks')}"
    assert (
        f"error: {where}: include_path names my_tasks, and there is no such folder\n  Did you mean my_task?"
        in done.stderr
    )
    said = moved.run("status", "later.yaml", expect=2).stderr
    run = moved.folder / "output" / "run" / "run.json"
    expected = (
        f"error: {run}: include_path names my_tasks, and there is no such folder\n  Did you mean my_task?\n  {TOLD}\n"
    )
    assert said == expected
    assert moved.run("step3", "later.yaml", expect=2).stderr == expected


def test_once_the_run_s_file_is_corrected_step_1_is_what_is_to_be_run(moved: Project) -> None:
    (moved.folder / "my_tasks").rename(moved.folder / "elsewhere")
    moved.write_settings(step1={"include_path": ["elsewhere"]})
    done = moved.run("status", "run.yaml", expect=2)
    assert "step1  base  mine: fresh\n" in done.stdout  # a moved folder changes nothing
    assert f"step2  base  mine: {UNKNOWN}\n" in done.stdout
    assert TOLD in done.stderr
    moved.run("step1", "run.yaml")
    assert moved.run("status", "run.yaml").stdout.count(": fresh") == 5


def test_moved_data_leave_the_later_steps_to_be_told(moved: Project) -> None:
    (moved.folder / "data").rename(moved.folder / "date")
    done = moved.run("status", "run.yaml", expect=2)
    assert done.stdout.splitlines() == [
        f"step1  base  mine: {UNKNOWN}",
        *(f"step{number}  base  mine: fresh" for number in (2, 3, 4)),
        "reports: fresh",
    ]
    where = f"run.yaml:{line_of(moved.folder / 'run.yaml', '- name: mine')}"
    assert f"error: {where}: no such data file: data/test.jsonl\n  Did you mean date?" in done.stderr


def test_a_task_file_that_is_gone_is_told_with_the_run_that_named_it(moved: Project) -> None:
    (moved.folder / "my_tasks" / "mine.yaml").unlink()
    said = moved.run("status", "later.yaml", expect=2).stderr
    assert "run.json: step1.tasks[0]: no task, group or tag is called 'mine'" in said
    assert said.endswith(f"  {TOLD}\n")


def test_a_model_that_is_gone_leaves_the_later_steps_to_be_told(moved: Project) -> None:
    shutil.rmtree(moved.folder / "models" / "base")
    done = moved.run("status", "run.yaml", expect=2)
    assert f"step1  base  mine: {UNKNOWN}\nstep2  base  mine: fresh\n" in done.stdout
    assert (
        f"run.yaml:{line_of(moved.folder / 'run.yaml', 'model:')}: models/base: this is not a local folder"
        in done.stderr
    )
