"""Filters that cannot do what they are there for, told by `check` and not after the answers have been generated."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.test_cli_faults import fails, line_of
from tests.project import Project, write_lines

TASK = """task: several
dataset_path: json
test_split: test
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
repeats: 2
generation_kwargs: {until: [x], max_gen_toks: 3, do_sample: true, temperature: 1.0}
filter_list:
  - name: vote
    filter: [{function: majority_vote}, {function: take_first}]
  - name: best
    filter:
      - {function: strip}
"""
TAKES_TWO = "      - {function: take_first_k, k: 2}\n"


@pytest.fixture
def several(project: Project) -> Project:
    """A project with a task of two samples a document beside gsm8k, choices and data of one's own."""
    (project.folder / "several.yaml").write_text(TASK + TAKES_TWO)
    project.settings["step1"]["tasks"].insert(1, {"name": "several.yaml", "data_dir": "data"})
    return project


@pytest.mark.parametrize(
    ("steps", "line", "gets"),
    [
        ("      - {function: take_first_k, k: 4}\n", 14, 2),
        ("      - {function: majority_vote}\n" + TAKES_TWO, 15, 1),
        (TAKES_TWO.replace("2", "1") + TAKES_TWO, 15, 1),
    ],
)
def test_a_filter_that_takes_more_samples_than_there_are(several: Project, steps: str, line: int, gets: int) -> None:
    several.write_settings()
    (several.folder / "several.yaml").write_text(TASK + steps)
    wanted = 4 if gets == 2 else 2
    said = f"several.yaml:{line}: take_first_k takes {wanted} samples of each document, and gets {gets}\n"
    for command in (["check", "run.yaml"], ["check", "run.yaml", "--plan"], ["all", "run.yaml"]):
        assert said in fails(several, *command)
    assert not (several.folder / "output" / "run" / "base").exists()


def run_filters(project: Project, **filters: list[dict[str, Any]]) -> Any:
    return project.write_settings(step2={"filters": filters})


def test_a_filter_of_the_run_that_takes_more_samples_than_some_task_has(several: Project) -> None:
    first = {"function": "take_first_k", "k": 1}
    run_filters(several, few=[first])
    assert "in order" in several.run("check", "run.yaml").stdout
    path = run_filters(several, few=[{"function": "strip"}, first | {"k": 2}])
    said = "take_first_k takes 2 samples of each document, and gets 1 of gsm8k and 2 more tasks"
    assert f"run.yaml:{line_of(path, 'function: take_first_k')}: {said}" in fails(several, "check", "run.yaml")


def test_a_filter_of_the_run_with_the_name_of_a_tasks_own(several: Project) -> None:
    path = run_filters(several, best=[{"function": "strip"}], mine=[{"function": "take_first"}])
    said = f"run.yaml:{line_of(path, 'best:')}: several has filters called 'best' already, at several.yaml:11\n"
    assert said in fails(several, "check", "run.yaml")
    path = run_filters(several, none=[{"function": "strip"}])
    said = "blimp_causative and 1 more task have filters called 'none' already, as a task without `filter_list` does"
    assert f"run.yaml:{line_of(path, 'none:')}: {said}" in fails(several, "all", "run.yaml")
    path = run_filters(several, mine=[{"function": "strip"}])
    assert "in order" in several.run("check", "run.yaml").stdout


CHOICES = """task: chosen
dataset_path: json
test_split: test
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
generation_kwargs: {until: [x], max_gen_toks: 3}
filter_list:
  - name: letter
    filter: [{function: multi_choice_regex}, {function: take_first}]
"""


def chosen(project: Project, documents: list[dict[str, Any]]) -> None:
    """The run's only task becomes one whose answers are looked for among the choices of `documents`."""
    (project.folder / "chosen.yaml").write_text(CHOICES)
    write_lines(project.folder / "data" / "test.jsonl", documents)
    entry = {"name": "chosen.yaml", "data_files": {"test": "data/test.jsonl"}}
    project.settings["step1"] |= {"tasks": [entry], "adapters": []}
    project.settings["step3"] = {}
    project.write_settings()


def test_answers_that_a_filter_fails_on_are_told_with_the_reason_wherever_they_are_counted(project: Project) -> None:
    choices: list[list[str] | None] = [["cat", "dog"], None, None]
    chosen(project, [{"question": f"{one}", "answer": "(A)", "choices": one} for one in choices])
    reason = "  2 ValueError, such as: filter letter: `choices` is a list of texts, not None\n"
    said = f"step2: 1 view up to date, 2 error rows\n{reason}"
    done = project.run("all", "run.yaml", expect=1)
    assert said in done.stderr
    assert done.stderr.count(reason) == 1, "of the steps after it, none repeats what came to it"
    log = (project.folder / "output" / "run" / "run.log").read_text()
    assert reason.strip() in log
    assert (
        reason.strip().replace("`", r"\`").split(", such as: ")[1]
        in (project.folder / "output" / "run" / "results.md").read_text()
    )
    assert said in project.run("step2", "run.yaml", expect=1).stderr, "where the view is fresh, too"


def test_a_filter_that_reads_a_column_which_no_document_has(project: Project) -> None:
    chosen(project, [{"question": "Which?", "answer": "(A)", "options": ["cat", "dog"]}])
    said = "filters letter of chosen, document 0: the filter multi_choice_regex reads the column 'choices'"
    told = fails(project, "all", "run.yaml")
    assert said in told
    assert "The columns are question, answer, options" in told
