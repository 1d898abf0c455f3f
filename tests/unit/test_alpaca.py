"""A test set in Alpaca form becomes messages and a target without any task file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import TaskSettings
from pipeline.errors import DataError, TaskError
from pipeline.fingerprint import FileHashes
from tasks.loader import load_tasks
from tasks.task import Example, PromptSettings, Task

DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"


def alpaca(path: Path, **settings: Any) -> Task:
    entry = TaskSettings(name="mine", data=str(path), format="alpaca", **settings)
    (task,) = load_tasks([entry], [], False, FileHashes(), lambda number: "run.yaml:7").tasks
    return task


def examples(tmp_path: Path, *records: Any, **prompt: Any) -> list[Example]:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(records, indent=1, ensure_ascii=False), "utf-8")
    return list(alpaca(path).examples(PromptSettings(**prompt)))


def test_history_system_and_input_make_the_messages(tmp_path: Path) -> None:
    record = {
        "instruction": "译",
        "input": "hello",
        "output": "你好",
        "history": [["q1", "a1"], ["q2", "a2"]],
        "system": "S",
    }
    (example,) = examples(tmp_path, record, system_instruction="of the run")
    assert example.prompt == [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "q1"},
        {"role": "assistant", "content": "a1"},
        {"role": "user", "content": "q2"},
        {"role": "assistant", "content": "a2"},
        {"role": "user", "content": "译\nhello"},
    ]
    assert example.requests[0].prompt == example.prompt
    assert example.target == "你好"


def test_the_least_record_is_an_instruction_and_an_output(tmp_path: Path) -> None:
    records = [{"instruction": "hi", "output": ""}, {"instruction": "hi", "input": None, "output": "x", "history": []}]
    first, second = examples(tmp_path, *records, system_instruction="S")
    asked = [{"role": "system", "content": "S"}, {"role": "user", "content": "hi"}]
    assert first.prompt == second.prompt == asked
    assert (first.target, second.target) == ("", "x")


def test_json_lines_and_settings_of_the_entry(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"instruction": "a", "output": "b"}\n\n{"instruction": "c", "output": "d"}\n')
    task = alpaca(path, limit=1, generation_kwargs={"max_gen_toks": 9})
    assert task.generation_kwargs == {"until": [], "max_gen_toks": 9}
    assert task.limit == 1
    assert [example.document.index for example in task.examples(PromptSettings(), samples=[1])] == [1]
    assert list(task.inputs()) == ["split test, file 1 (jsonl)"]


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"prompt": "x", "output": "y"}, r"mine\.json, record 2: .*no field 'instruction'[\s\S]*prompt, output"),
        ({"instruction": "x"}, r"record 2: .*no field 'output'"),
        ({"instruction": ["x"], "output": "y"}, r"record 2: the field instruction must be text"),
        ({"instruction": "x", "output": "y", "history": [["q"]]}, "history must be a list of"),
        ({"instruction": "x", "output": "y", "history": "q"}, "history must be a list of"),
        ({"instruction": "x", "output": "y", "input": 3}, "the field input must be text"),
        ("x", "must be an object"),
    ],
)
def test_a_record_that_is_not_alpaca_is_named(tmp_path: Path, record: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        examples(tmp_path, {"instruction": "fine", "output": "y"}, record)


def test_a_missing_file_and_a_name_that_is_taken(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"run\.yaml:7: no such data file: .*gone\.json"):
        alpaca(tmp_path / "gone.json")
    entry = TaskSettings(name="gsm8k", data="x.json", format="alpaca")
    with pytest.raises(TaskError, match=r"gsm8k is the name of a task[\s\S]*gsm8k\.yaml"):
        load_tasks([entry], [], False, FileHashes(), lambda number: "run.yaml:7")


@pytest.mark.skipif(not DATA.is_dir(), reason="the real data are not here")
def test_real_sets_are_read_whole() -> None:
    for name, count in (("llamafactory/alpaca_zh_demo.json", 1000), ("llamafactory/alpaca_en_demo.json", None)):
        found = list(alpaca(DATA / name).examples(PromptSettings()))
        records = json.loads((DATA / name).read_text("utf-8"))
        assert len(found) == len(records) == (count or len(records))
        assert [example.target for example in found] == [record["output"] for record in records]
    (first, *_) = alpaca(DATA / "llm_evaluation" / "demo.json").examples(PromptSettings())
    assert [message["role"] for message in first.prompt][-3:] == ["user", "assistant", "user"]
