"""MMLU, CMMLU and C-Eval as llm_evaluation asks them: prompts, candidates, subjects, and what is left out."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.tokens import PromptEncoder
from pipeline.config import TaskSettings
from pipeline.errors import ConfigError, DataError, InputError
from pipeline.fingerprint import FileHashes
from pipeline.requests import GenerationSettings
from steps.calls import Sampling, example_calls
from tasks.loader import load_tasks
from tasks.task import Example, PromptSettings, Task, TaskSet
from tests.tiny_models import make_tokenizer

DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
SIZES = {"mmlu": 57, "cmmlu": 67, "ceval": 52}
CATEGORIES = {"STEM": "stem", "Social Sciences": "social_sciences", "Humanities": "humanities", "Other": "other"}


def load(*entries: Mapping[str, Any], find_data: bool = True) -> TaskSet:
    settings = [TaskSettings(**entry) for entry in entries]
    return load_tasks(settings, [], False, FileHashes(), lambda number: "run.yaml:7", find_data=find_data)


def mmlu(folder: Path, *, shots: int, **prompt: Any) -> tuple[Task, Example]:
    """Anatomy from CSV files without header rows, as the original MMLU has them."""
    rows = {
        "dev": [f"dev {number}?,w,x,y,z,{'ABCD'[number % 4]}" for number in range(6)],
        "test": ['"Is, it?",1,2,3,4,C'],
    }
    with zipfile.ZipFile(folder / "mmlu.zip", "w") as archive:
        for split, lines in rows.items():
            archive.writestr(f"data/{split}/anatomy_{split}.csv", "".join(f"{line}\n" for line in lines))
    entry = {"name": "llme_mmlu_anatomy", "data_dir": str(folder / "mmlu.zip"), "num_fewshot": shots}
    (task,) = load(entry).tasks
    (example,) = task.examples(PromptSettings(**prompt))
    return task, example


HEADING = "The following are multiple choice questions (with answers) about anatomy.\n\n"
QUESTION = "Is, it?\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer: "


def test_without_shots_the_heading_stands_before_the_question(tmp_path: Path) -> None:
    _, example = mmlu(tmp_path, shots=0)
    assert example.prompt == [{"role": "user", "content": HEADING + QUESTION}]
    assert example.choices == ["A", "B", "C", "D"]
    assert example.target == 2


def test_shots_are_turns_in_the_order_of_the_dev_split(tmp_path: Path) -> None:
    task, example = mmlu(tmp_path, shots=5, system_instruction="S")
    system, first, answer, *_ = example.prompt
    assert system == {"role": "system", "content": "S"}
    assert first == {"role": "user", "content": HEADING + "dev 0?\nA. w\nB. x\nC. y\nD. z\nAnswer: "}
    assert answer == {"role": "assistant", "content": "A"}
    assert [turn["content"] for turn in example.prompt if turn["role"] == "assistant"] == ["A", "B", "C", "D", "A"]
    assert example.prompt[-1] == {"role": "user", "content": QUESTION}
    assert task.num_fewshot == 5
    assert task.output_type == "next_token"


def test_the_hub_s_form_asks_the_same(tmp_path: Path) -> None:
    """The hub's MMLU has a list of choices and the answer's index."""
    _, from_csv = mmlu(tmp_path, shots=0)
    record = {"question": "Is, it?", "choices": ["1", "2", "3", "4"], "answer": 2, "subject": "anatomy"}
    (tmp_path / "anatomy_test.jsonl").write_text(json.dumps(record), "utf-8")
    entry = {"name": "llme_mmlu_anatomy", "data_files": str(tmp_path / "anatomy_test.jsonl"), "num_fewshot": 0}
    (task,) = load(entry).tasks
    (from_hub,) = task.examples(PromptSettings())
    assert (from_hub.prompt, from_hub.target) == (from_csv.prompt, from_csv.target)


@pytest.mark.parametrize(
    ("name", "prefix"), [("llme_mmlu_anatomy", " "), ("llme_cmmlu_arts", "\n"), ("llme_ceval_law", "\n")]
)
def test_candidates_are_the_letters_behind_the_prefix(tmp_path: Path, name: str, prefix: str) -> None:
    """LLaMA-Factory's rule: of prefix + letter, encoded without special tokens, the last token."""
    if name.startswith("llme_mmlu"):
        _, example = mmlu(tmp_path, shots=0)
    else:
        columns = "Question,A,B,C,D,Answer" if "cmmlu" in name else "question,A,B,C,D,answer"
        (tmp_path / "one.csv").write_text(f"{columns}\nq,1,2,3,4,B\n", "utf-8")
        (task,) = load({"name": name, "data_files": str(tmp_path / "one.csv"), "num_fewshot": 0}).tasks
        (example,) = task.examples(PromptSettings())
    (request,) = example.requests
    assert (request.type, request.candidate_rule) == ("next_token", "last")
    assert request.continuations == tuple(prefix + letter for letter in "ABCD")
    encoder = PromptEncoder(make_tokenizer(tmp_path / "tokenizer"), add_bos=None)
    plain = [encoder.tokenizer.encode(text, add_special_tokens=False)[-1] for text in request.continuations]
    assert encoder.candidate_ids(request.continuations, "last") == [[one] for one in plain]
    assert len(set(plain)) == 4


def test_the_rule_is_in_the_key_of_a_call_where_it_is_not_the_usual_one(tmp_path: Path) -> None:
    _, example = mmlu(tmp_path, shots=0)
    usual = replace(example, requests=(replace(example.requests[0], candidate_rule="either"),))
    keys = {
        call.key
        for one in (example, usual)
        for call in example_calls(one, "scope", lambda _: GenerationSettings(), Sampling(1, 0, 1))
    }
    assert len(keys) == 2


@pytest.mark.parametrize("name", SIZES)
def test_groups_hold_every_subject_once(name: str) -> None:
    found = load({"name": f"llme_{name}"}, find_data=False)
    assert len(found.tasks) == SIZES[name]
    groups = {group.name: group for group in found.groups}
    whole = groups.pop(f"llme_{name}")
    assert set(whole.members) == set(groups) == {f"llme_{name}_{slug}" for slug in CATEGORIES.values()}
    listed = [member for group in groups.values() for member in group.members]
    assert sorted(listed) == sorted(task.name for task in found.tasks)
    assert {group.alias for group in groups.values()} == set(CATEGORIES)
    assert all(group.metrics[0]["weight_by_size"] for group in found.groups)


@pytest.mark.skipif(not DATA.is_dir(), reason="the real data are not here")
@pytest.mark.parametrize("name", SIZES)
def test_subjects_and_categories_are_llm_evaluation_s(name: str) -> None:
    mapping = json.loads((DATA / "llm_evaluation" / f"{name}_mapping.json").read_text("utf-8"))
    found = load({"name": f"llme_{name}"}, find_data=False)
    groups = {group.name: group.members for group in found.groups}
    for subject, about in mapping.items():
        assert f"llme_{name}_{subject}" in groups[f"llme_{name}_{CATEGORIES[about['category']]}"]
    headings = {task.name: task.request_basis()["description"] for task in found.tasks}
    assert all(f"{about['name']}" in headings[f"llme_{name}_{subject}"] for subject, about in mapping.items())
    assert len(mapping) == SIZES[name]


@pytest.mark.skipif(not DATA.is_dir(), reason="the real data are not here")
def test_real_files_are_found_and_counted() -> None:
    every = load(
        {"name": "llme_mmlu", "data_dir": str(DATA / "mmlu" / "mmlu.zip")},
        {"name": "llme_ceval", "data_dir": str(DATA / "ceval" / "ceval.zip")},
        {"name": "llme_cmmlu", "data_dir": str(DATA / "cmmlu"), "missing_data": "skip"},
    )
    assert len(every.skipped["llme_cmmlu"]) == 67 - 23
    assert len(every.tasks) == 57 + 52 + 23
    counted = dict.fromkeys(SIZES, 0)
    for task in every.tasks:
        examples = list(task.examples(PromptSettings(num_fewshot=0)))
        counted[task.name.split("_")[1]] += len(examples)
        assert {example.target for example in examples} <= {0, 1, 2, 3}
    assert counted["mmlu"] == 14042
    assert counted["ceval"] == 1346


def some_subjects(folder: Path, *subjects: str) -> str:
    for split in ("dev", "test"):
        (folder / split).mkdir()
        for subject in subjects:
            (folder / split / f"{subject}.csv").write_text(",Question,A,B,C,D,Answer\n0,q,1,2,3,4,B\n", "utf-8")
    return str(folder)


def test_missing_subjects_are_an_error_unless_they_may_be_skipped(tmp_path: Path) -> None:
    folder = some_subjects(tmp_path, "arts", "nutrition")
    with pytest.raises(DataError) as caught:
        load({"name": "llme_cmmlu", "data_dir": folder})
    assert "has no data for 65 of the 67 tasks of llme_cmmlu" in str(caught.value)
    assert "`missing_data: skip`: llme_cmmlu_arts, llme_cmmlu_nutrition" in str(caught.value)
    found = load({"name": "llme_cmmlu", "data_dir": folder, "missing_data": "skip"})
    assert [task.name for task in found.tasks] == ["llme_cmmlu_arts", "llme_cmmlu_nutrition"]
    assert len(found.skipped["llme_cmmlu"]) == 65
    assert {group.name: group.members for group in found.groups} == {
        "llme_cmmlu": ("llme_cmmlu_humanities", "llme_cmmlu_other"),
        "llme_cmmlu_humanities": ("llme_cmmlu_arts",),
        "llme_cmmlu_other": ("llme_cmmlu_nutrition",),
    }


def test_nothing_is_left_to_skip(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a\nb\n", "utf-8")
    with pytest.raises(DataError, match="has no data for 67 of the 67 tasks"):
        load({"name": "llme_cmmlu", "data_dir": str(tmp_path), "missing_data": "skip"})


def letters(folder: Path, content: Any) -> dict[str, Any]:
    mmlu(folder, shots=0)
    (folder / "results.json").write_text(json.dumps(content), "utf-8")
    return {
        "name": "llme_mmlu_anatomy",
        "data_dir": str(folder / "mmlu.zip"),
        "predictions": str(folder / "results.json"),
        "format": "llme_letters",
    }


def test_letters_answer_the_questions_by_their_index(tmp_path: Path) -> None:
    (task,) = load(letters(tmp_path, {"anatomy": {"0": "C"}})).tasks
    (example,) = task.examples(PromptSettings())
    assert (example.answer, example.target) == ("C", 2)
    assert set(task.inputs()) == {
        "split test, file 1 (data/test/anatomy_test.csv of the zip)",
        "split dev, file 1 (data/dev/anatomy_dev.csv of the zip)",
        "predictions",
    }


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"anatomy": {"0": "C", "1": "A"}}, r"an answer to question 1 of anatomy, which has 1 questions"),
        ({"virology": {"0": "C"}}, r"no answers for the subject anatomy[\s\S]*There are 1 subjects: virology"),
        ({"anatomy": ["C"]}, "must be {subject: {index: letter}}"),
        ([], "must be {subject: {index: letter}}"),
    ],
)
def test_letters_of_other_data_are_refused(tmp_path: Path, content: Any, said: str) -> None:
    entry = letters(tmp_path, content)
    with pytest.raises(InputError, match=said):
        [list(task.examples(PromptSettings())) for task in load(entry).tasks]


def test_a_question_without_a_letter_has_no_answer(tmp_path: Path) -> None:
    (task,) = load(letters(tmp_path, {"anatomy": {}})).tasks
    (example,) = task.examples(PromptSettings())
    assert example.answer is None


def test_a_misspelt_option_is_told_with_its_line(tmp_path: Path) -> None:
    text = "task: exam\ntest_split: test\noutput_type: next_token\ndoc_to_text: q\ndoc_to_target: a\ndoc_to_choice: [a, b]\n"
    (tmp_path / "exam.yaml").write_text(f"{text}prompt_form: turn\ncandidate_rule: first\n", "utf-8")
    entry = TaskSettings(name="exam", data_files="x.csv")
    with pytest.raises(ConfigError) as caught:
        load_tasks([entry], [str(tmp_path)], False, FileHashes(), lambda number: "run.yaml:7")
    assert [str(problem).rpartition("/")[2] for problem in caught.value.problems] == [
        "exam.yaml:7: `prompt_form` cannot be 'turn'; did you mean turns?",
        "exam.yaml:8: `candidate_rule` cannot be 'first'; there are either, last",
    ]
