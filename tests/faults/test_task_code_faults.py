"""Python code that task files name: refused where it is not trusted, and told by the file's line where it fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.config import TaskSettings
from pipeline.errors import InputError
from pipeline.fingerprint import FileHashes
from steps.task_checks import check_task
from tasks.loader import load_tasks
from tasks.task import PromptSettings
from tests.project import write_lines

HEAD = "task: mine\ndataset_path: json\ntest_split: test\n"  # 3 lines
FIELDS = 'doc_to_text: "{{q}}"\ndoc_to_target: a\n'  # lines 4 and 5
SETTING = "\n  If you trust that file, allow it in the run's YAML: step1: {trust_task_code: true}"
CODE = """
def works(*arguments, **named):
    return "x"

def fails(*arguments, **named):
    raise ValueError("cannot do this")

def documents(*arguments, **named):
    return [{"q": "s", "a": "t"}]

def ends(*arguments, **named):
    raise SystemExit(3)

def texts(*arguments, **named):
    return {"test": ["no mapping"]}

def nothing(*arguments, **named):
    return None

class Shy:
    def __init__(self, documents):
        pass

class Empty:
    def __init__(self, documents, rnd):
        pass

    def sample(self, n, eval_doc=None):
        return []

class Failing(Empty):
    def sample(self, n, eval_doc=None):
        raise LookupError("none fits")

number = 3
"""
METRIC = "metric_list:\n  - metric: exact_match\n  - "
FILTER = "filter_list:\n  - name: x\n    filter:\n      - function: take_first\n      - "
SHOTS = "num_fewshot: 1\nfewshot_config:\n  "
# Where a file may name code, as a text with the code left out, and the line that it stands on.
PLACES = {
    "doc_to_text": (f"{HEAD}doc_to_text: CODE\ndoc_to_target: a\n", 4),
    "doc_to_target": (f'{HEAD}doc_to_text: "{{{{q}}}}"\ndoc_to_target: CODE\n', 5),
    "doc_to_choice": (f"{HEAD}{FIELDS}output_type: multiple_choice\ndoc_to_choice: CODE\n", 7),
    "doc_to_messages": (f"{HEAD}doc_to_messages: CODE\ndoc_to_target: a\n", 4),
    "process_docs": (f"{HEAD}process_docs: CODE\n{FIELDS}", 4),
    "custom_dataset": (f"{HEAD}custom_dataset: CODE\n{FIELDS}", 4),
    "process_results": (f"{HEAD}{FIELDS}process_results: CODE\n", 6),
    "class": ("task: mine\nclass: CODE\n", 2),
    "a filter": (f"{HEAD}{FIELDS}{FILTER}function: CODE\n", 10),
    "filter_fn": (f"{HEAD}{FIELDS}{FILTER}{{function: custom, filter_fn: CODE}}\n", 10),
    "a metric": (f"{HEAD}{FIELDS}{METRIC}metric: CODE\n", 8),
    "an aggregation": (f"{HEAD}{FIELDS}{METRIC}{{metric: bleu, aggregation: CODE}}\n", 8),
    "samples": (f"{HEAD}{FIELDS}{SHOTS}samples: CODE\n", 8),
    "sampler": (f"{HEAD}{FIELDS}{SHOTS}sampler: CODE\n", 8),
    "process_docs of examples": (f"{HEAD}{FIELDS}{SHOTS}{{split: test, process_docs: CODE}}\n", 8),
    "doc_to_text of examples": (f"{HEAD}{FIELDS}{SHOTS}doc_to_text: CODE\n", 8),
    "doc_to_target of examples": (f"{HEAD}{FIELDS}{SHOTS}doc_to_target: CODE\n", 8),
    "doc_to_choice of examples": (f"{HEAD}{FIELDS}{SHOTS}doc_to_choice: CODE\n", 8),
}


def said(tmp_path: Path, text: str, *, trusted: bool = True, inner: str | None = None, **entry: Any) -> str:
    """The messages of the errors that a run over the task gives before any model is asked; files without folders."""
    folder = tmp_path / "tasks"
    folder.mkdir(exist_ok=True)
    (folder / "own.py").write_text(CODE)
    (folder / "broken.py").write_text("from json import nobody\n")
    (folder / "lacking.py").write_text("import a_module_of_nobody\n")
    (folder / "quits.py").write_text("raise SystemExit('no Prolog here')\n")
    (folder / "mine.yaml").write_text(text)
    if inner is not None:
        (folder / "base.yaml").write_text(inner)
    write_lines(tmp_path / "d.jsonl", [{"q": "x", "a": "y"}, {"q": "u", "a": "v"}])
    settings = TaskSettings(**({"name": "mine", "data_files": str(tmp_path / "d.jsonl")} | entry))
    faults: list[InputError] = []
    try:
        for task in load_tasks([settings], [str(folder)], trusted, FileHashes(), lambda number: "run.yaml:9").tasks:
            check_task(task, faults)
            if not faults:
                list(task.examples(PromptSettings()))
    except InputError as error:
        faults.append(error)
    return "\n".join(map(str, faults)).replace(f"{folder}/", "")


def without_files(place: str) -> dict[str, Any]:
    """A run's own data would take the place of documents that a function makes."""
    return {"data_files": None} if place == "custom_dataset" else {}


@pytest.mark.parametrize("place", PLACES)
def test_code_is_refused_without_trust_by_file_line_and_setting(tmp_path: Path, place: str) -> None:
    text, line = PLACES[place]
    message = said(tmp_path, text.replace("CODE", "!function own.works"), trusted=False, **without_files(place))
    assert (
        message
        == f"mine.yaml:{line}: the task file names Python code, own.works, and running task code is off{SETTING}"
    )


def test_a_module_of_evaluate_is_refused_without_trust(tmp_path: Path) -> None:
    text = f"{HEAD}{FIELDS}{METRIC}{{metric: accuracy, hf_evaluate: true, aggregation: mean}}\n"
    what = "the task file names a metric of the package `evaluate`, which is Python code, accuracy,"
    assert said(tmp_path, text, trusted=False) == f"mine.yaml:8: {what} and running task code is off{SETTING}"


def test_code_in_an_included_file_is_told_by_that_file(tmp_path: Path) -> None:
    text = f"include: base.yaml\n{HEAD}doc_to_target: a\n"
    assert said(tmp_path, text, trusted=False, inner="\n\ndoc_to_text: !function own.works\n").startswith(
        "base.yaml:3: "
    )
    assert "base.yaml:3: own.py has no function gone" in said(
        tmp_path, text, inner="\n\ndoc_to_text: !function own.gone\n"
    )


def test_code_that_a_group_sets_is_told_by_the_group_s_line(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    group = "group: all\ntask:\n  - task: mine\n    doc_to_text: !function own.works\n"
    (tmp_path / "tasks" / "all.yaml").write_text(group)
    message = said(tmp_path, f"{HEAD}{FIELDS}", trusted=False, name="all")
    assert message.startswith("all.yaml:4: the task file names Python code, own.works,")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("own.gone", "own.py has no function gone"),
        ("own.number", "own.py has no function number"),
        ("own.work", "own.py has no function work\n  Did you mean works?"),
        ("gone.works", "the code file gone.py is not there"),
        ("owm.works", "the code file owm.py is not there\n  Did you mean own.py?"),
        ("broken.works", "broken.py fails when imported: ImportError: "),
        ("quits.works", "quits.py fails when imported: SystemExit: no Prolog here"),
    ],
)
def test_code_that_cannot_be_loaded(tmp_path: Path, place: str, code: str, message: str) -> None:
    text, line = PLACES[place]
    assert f"mine.yaml:{line}: {message}" in said(
        tmp_path, text.replace("CODE", f"!function {code}"), **without_files(place)
    )


@pytest.mark.parametrize("place", ["doc_to_text", "class"])
def test_code_that_needs_another_package_names_it(tmp_path: Path, place: str) -> None:
    text, line = PLACES[place]
    message = said(tmp_path, text.replace("CODE", "!function lacking.works"))
    assert message.startswith(f"mine.yaml:{line}: ")
    assert "a_module_of_nobody" in message


CALLED = {
    "doc_to_text": "the function fails on document 0: ValueError: cannot do this",
    "doc_to_target": "the function fails on document 0: ValueError: cannot do this",
    "doc_to_choice": "the function fails on document 0: ValueError: cannot do this",
    "doc_to_messages": "the function fails on document 0: ValueError: cannot do this",
    "process_docs": "process_docs fails on the split test: ValueError: cannot do this",
    "custom_dataset": "the function fails: ValueError: cannot do this",
    "samples": "`samples` fails: ValueError: cannot do this",
    "sampler": "the few-shot sampler cannot be made: ValueError: cannot do this",
    "process_docs of examples": "process_docs fails on the split test: ValueError: cannot do this",
    "doc_to_text of examples": "the function fails on a few-shot example of document 0: ValueError: cannot do this",
    "doc_to_target of examples": "the function fails on a few-shot example of document 0: ValueError: cannot do this",
}


@pytest.mark.parametrize("place", CALLED)
def test_code_that_fails_on_documents(tmp_path: Path, place: str) -> None:
    text, line = PLACES[place]
    message = said(tmp_path, text.replace("CODE", "!function own.fails"), **without_files(place))
    assert message.startswith(f"mine.yaml:{line}: {CALLED[place]}")


@pytest.mark.parametrize("place", CALLED)
def test_code_that_would_end_the_process_is_told_too(tmp_path: Path, place: str) -> None:
    text, line = PLACES[place]
    message = said(tmp_path, text.replace("CODE", "!function own.ends"), **without_files(place))
    assert message.startswith(
        f"mine.yaml:{line}: {CALLED[place].replace('ValueError: cannot do this', 'SystemExit: 3')}"
    )


def test_a_function_that_makes_something_else_than_documents(tmp_path: Path) -> None:
    text, line = PLACES["custom_dataset"]
    message = said(tmp_path, text.replace("CODE", "!function own.texts"), data_files=None)
    wanted = "the function must give documents by column, and record 1 of test is 'no mapping'"
    assert message.startswith(f"mine.yaml:{line}: {wanted}")


GIVEN = {
    "doc_to_text": "this must give text, and gives None, on document 0",
    "doc_to_choice": "doc_to_choice must give a list of texts, and gives None, on document 0",
    "doc_to_messages": "this must give messages of role and content, and gives None, on document 0",
    "process_docs": "process_docs fails on the split test: TypeError: 'NoneType' object is not iterable",
    "custom_dataset": "the function must give splits by name, and gives None",
    "samples": "`samples` of fewshot_config must be a list of documents",
}


@pytest.mark.parametrize("place", GIVEN)
def test_code_that_gives_something_else(tmp_path: Path, place: str) -> None:
    text, line = PLACES[place]
    message = said(tmp_path, text.replace("CODE", "!function own.nothing"), **without_files(place))
    assert message.startswith(f"mine.yaml:{line}: {GIVEN[place]}")


def test_samplers_that_cannot_be_asked(tmp_path: Path) -> None:
    text, line = PLACES["sampler"]
    for code, message in {
        "Shy": "the few-shot sampler cannot be made: TypeError",
        "Empty": "the few-shot sampler must give 1 documents, and gives []",
        "Failing": "the few-shot sampler fails: LookupError: none fits",
    }.items():
        assert said(tmp_path, text.replace("CODE", f"!function own.{code}")).startswith(f"mine.yaml:{line}: {message}")
