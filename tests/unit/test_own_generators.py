"""Generators that task code makes when it is loaded: documents do not follow from what was read before them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import TaskSettings
from pipeline.fingerprint import FileHashes
from tasks.loader import load_tasks
from tasks.task import PromptSettings
from tests.project import write_lines

CODE = """
import random
import numpy as np

rng = random.Random(42)
numbers = np.random.default_rng(7)
older = np.random.RandomState(7)


def shuffled(table):
    def shuffle(document):
        choices = list(document["choices"])
        rng.shuffle(choices)
        return {"choices": choices, "drawn": [int(numbers.integers(1000)), int(older.randint(1000))]}

    return table.map(shuffle)


def text(document):
    return f"{document['drawn']} {rng.random()} {numbers.integers(1000)} {older.randint(1000)}"
"""
TASK = """\
task: NAME
dataset_path: json
output_type: multiple_choice
test_split: test
fewshot_split: train
process_docs: !function own.shuffled
doc_to_text: !function own.text
doc_to_choice: choices
doc_to_target: 0
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "own.py").write_text(CODE)
    for name in ("first", "second"):
        (tmp_path / f"{name}.yaml").write_text(TASK.replace("NAME", name))
    for split in ("train", "test"):
        write_lines(tmp_path / f"{split}.jsonl", [{"choices": list("abcdefg"), "n": n} for n in range(9)])
    return tmp_path


def asked(folder: Path, name: str, shots: int = 0) -> list[tuple[str, tuple[str, ...]]]:
    files = {split: str(folder / f"{split}.jsonl") for split in ("train", "test")}
    (task,) = load_tasks([TaskSettings(name=name, data_files=files)], [str(folder)], True, FileHashes()).tasks
    examples = task.examples(PromptSettings(num_fewshot=shots))
    return [(str(example.document.data), example.requests[0].continuations) for example in examples]


def test_documents_are_the_same_however_often_and_after_whatever_they_are_read(folder: Path) -> None:
    once = asked(folder, "first")
    assert len({choices for _, choices in once}) > 5  # each is shuffled by itself
    assert asked(folder, "first", shots=2) == once
    assert asked(folder, "second") == once
    assert asked(folder, "first") == once


def test_what_is_drawn_for_a_prompt_is_the_documents_own(folder: Path) -> None:
    def prompts() -> list[object]:
        files = {split: str(folder / f"{split}.jsonl") for split in ("train", "test")}
        (task,) = load_tasks([TaskSettings(name="first", data_files=files)], [str(folder)], True, FileHashes()).tasks
        return [example.prompt for example in task.examples(PromptSettings())]

    once = prompts()
    assert len(set(map(str, once))) == 9
    asked(folder, "second", shots=3)
    assert prompts() == once
