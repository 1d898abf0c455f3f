"""Tasks that give whole dialogues, and the keys `expand` and `slice_groups`: what they do, and faults with their lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.config import TaskSettings
from pipeline.errors import InputError
from pipeline.fingerprint import FileHashes
from tasks.loader import load_tasks
from tasks.task import Expansion, PromptSettings

TASK = """\
task: talk
dataset_path: json
dataset_kwargs: {data_files: {test: talk.jsonl}}
test_split: test
doc_to_messages: turns
doc_to_target: ""
generation_kwargs: {until: []}
"""
TURNS = [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}, {"role": "user", "content": "?"}]


def the_task(folder: Path, more: str = "", turns: object = TURNS):
    (folder / "talk.yaml").write_text(TASK + more, encoding="utf-8")
    (folder / "talk.jsonl").write_text(json.dumps({"turns": turns, "marks": ["a", "b"]}) + "\n", encoding="utf-8")
    (task,) = load_tasks([TaskSettings(name="talk")], [str(folder)], False, FileHashes()).tasks
    return task


def test_a_column_of_messages_is_the_prompt(tmp_path):
    task = the_task(tmp_path)
    (example,) = task.examples(PromptSettings())
    assert example.prompt == TURNS
    assert example.requests[0].prompt == TURNS
    (example,) = task.examples(PromptSettings(system_instruction="Be brief."))
    assert example.prompt == [{"role": "system", "content": "Be brief."}, *TURNS]


@pytest.mark.parametrize("turns", ["text", [], [{"role": "user"}], [{"role": "user", "content": 3}]])
def test_what_is_no_dialogue_is_an_error_with_its_place(tmp_path, turns):
    task = the_task(tmp_path, turns=turns)
    with pytest.raises(InputError, match="must give messages of role and content") as caught:
        list(task.examples(PromptSettings()))
    assert "talk.yaml:5" in str(caught.value)


def test_keys_for_later_steps_leave_the_requests_as_they_are(tmp_path):
    plain = the_task(tmp_path).request_basis()
    expand = "expand: {over: marks, into: [mark], name: mark, failures: [ERROR]}\nslices: [mark]\n"
    task = the_task(tmp_path, expand + "slice_groups: {mark: {all: [a, b]}}\n")
    assert task.expand == Expansion("marks", ("mark",), "mark", ("ERROR",))
    assert task.slice_groups == {"mark": {"all": ["a", "b"]}}
    assert task.request_basis() == plain


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ("doc_to_text: x\n", "`doc_to_messages` gives the whole dialogue; `doc_to_text` has no place in it"),
        ("description: x\n", "`description` has no place in it"),
        ("expand: {over: marks, onto: [mark]}\n", "`expand` has no key 'onto'"),
        ("expand: {over: marks, into: [mark], name: other}\n", "`expand` is `{over"),
        ("expand: {over: marks}\n", "`expand` is `{over"),
        ("slice_groups: {mark: {all: [a]}}\n", "'mark', which is none of the task's slices"),
        ("slices: [mark]\nslice_groups: {mark: [a]}\n", "`slice_groups` is `{<slice>"),
    ],
)
def test_faults_of_the_keys_are_told_with_their_line(tmp_path, more, what):
    with pytest.raises(InputError) as caught:
        the_task(tmp_path, more)
    assert what in str(caught.value)
    assert f"talk.yaml:{5 if 'whole dialogue' in str(caught.value) else 7 + more.count(chr(10))}" in str(caught.value)
