"""Test sets of one's own in ShareGPT form and with named columns, and predictions of other tools, as tasks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.config import TaskSettings
from pipeline.errors import DataError
from pipeline.fingerprint import FileHashes
from tasks.loader import load_tasks
from tasks.task import Example, PromptSettings, Task

DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"


def loaded(**entry: Any) -> Task:
    (task,) = load_tasks(
        [TaskSettings(name="mine", **entry)], [], False, FileHashes(), lambda number: "run.yaml:7"
    ).tasks
    return task


def examples(task: Task, **prompt: Any) -> list[Example]:
    return list(task.examples(PromptSettings(**prompt)))


def written(folder: Path, name: str, *records: Any) -> str:
    path = folder / name
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")
    return str(path)


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def system(text: str) -> dict[str, str]:
    return {"role": "system", "content": text}


def test_sharegpt_asks_all_before_the_last_answer(tmp_path: Path) -> None:
    turns = [("human", "q1"), ("gpt", "a1"), ("human", "q2"), ("gpt", "a2")]
    said = [{"from": speaker, "value": text} for speaker, text in turns]
    openai = [system("T"), user("q"), assistant("a")]
    path = written(
        tmp_path,
        "set.jsonl",
        {"conversations": said, "system": "S"},
        {"conversations": said},
        {"messages": openai},
        {
            "conversations": said[:3],
            "chosen": {"from": "gpt", "value": "good"},
            "rejected": {"from": "gpt", "value": "bad"},
        },
    )
    own, run, given, pair = examples(loaded(data=path, format="sharegpt"), system_instruction="of the run")
    asked = [user("q1"), assistant("a1"), user("q2")]
    assert (own.prompt, own.target) == ([system("S"), *asked], "a2")
    assert (run.prompt, run.target) == ([system("of the run"), *asked], "a2")
    assert (given.prompt, given.target) == ([system("T"), user("q")], "a")
    assert (pair.prompt[1:], pair.target) == (asked, "good")
    assert own.requests[0].prompt == own.prompt
    assert own.answer is None


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (
            {"conversation": []},
            r"set\.json, record 1: there is no column 'conversations'[\s\S]*Did you mean conversation\? The columns are conversation\.$",
        ),
        ({"conversations": []}, "must be a list of"),
        ({"conversations": [{"from": "human", "value": "q"}]}, "ends with no answer to compare with"),
        ({"conversations": [{"from": "gpt", "value": "a"}]}, "asks nothing before its answer"),
        ({"conversations": [{"from": "robot", "value": "a"}]}, "one of system, human"),
        ({"conversations": [{"from": "human", "value": 3}]}, "the text `value`"),
    ],
)
def test_a_record_that_is_not_sharegpt_is_named(tmp_path: Path, record: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        examples(loaded(data=written(tmp_path, "set.json", record), format="sharegpt"))


def test_named_columns_of_csv(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    path.write_text('frage,antwort,rolle\n"Wie, bitte?",ja,Lehrer\nWo?,hier,\n', "utf-8")
    columns = {"prompt": "frage", "target": "antwort", "system": "rolle"}
    first, second = examples(loaded(data=str(path), format="csv", columns=columns), system_instruction="S")
    assert (first.prompt, first.target) == ([system("Lehrer"), user("Wie, bitte?")], "ja")
    assert (second.prompt, second.target) == ([system("S"), user("Wo?")], "hier")


def test_named_columns_of_json_lines(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "set.jsonl",
        {"prompt": "q", "target": ["a", "b"], "before": [["q0", "a0"]]},
        {"prompt": [system("T"), user("q")], "target": 7},
    )
    first, second = examples(loaded(data=path, format="jsonl", columns={"history": "before"}), system_instruction="S")
    assert (first.prompt, first.target) == ([system("S"), user("q0"), assistant("a0"), user("q")], ["a", "b"])
    assert (second.prompt, second.target) == ([system("T"), user("q")], 7)


def test_a_missing_column_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    path.write_text("question,answer\nq,a\n", "utf-8")
    with pytest.raises(DataError) as caught:
        examples(loaded(data=str(path), format="csv", columns={"prompt": "qestion", "target": "answer"}))
    assert str(caught.value) == (
        f"{path}:2: there is no column 'qestion'\n"
        "  Did you mean question? The columns are question, answer. Say which one it is: columns: {prompt: <column>}"
    )
    with pytest.raises(
        DataError, match=r"no column 'target'\n  The columns are question, answer\. .*\{target: <column>\}"
    ):
        examples(loaded(data=str(path), format="csv", columns={"prompt": "question"}))


def test_a_form_that_the_file_has_not(tmp_path: Path) -> None:
    path = written(tmp_path, "set.jsonl", {"prompt": "q", "target": "a"})
    with pytest.raises(
        DataError, match=r"run\.yaml:7: .*set\.jsonl does not fit its `format: csv`\n  Write format: jsonl"
    ):
        loaded(data=path, format="csv")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"data": "x"}, "go together"),
        ({"format": "csv"}, "go together"),
        ({"data": "x", "format": "llme_letters"}, "form of `predictions`"),
        ({"data": "x", "format": "csv", "predictions": "y"}, "but not both"),
        ({"predictions": "y", "format": "alpaca"}, "not `alpaca`"),
        ({"data": "x", "format": "alpaca", "columns": {"prompt": "p"}}, "named columns"),
        ({"columns": {"prompt": "p"}}, "named columns"),
        ({"data": "x", "format": "csv", "columns": {"response": "p"}}, r"columns\.response"),
    ],
)
def test_settings_that_contradict_each_other(entry: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TaskSettings(name="mine", **entry)


def test_predictions_pair_up_between_models(tmp_path: Path) -> None:
    """A document is its prompt and gold answer: what else a tool has written beside its answer does not count."""
    one = written(tmp_path, "one.jsonl", {"prompt": "p", "label": "l", "predict": "x", "score": 0.1})
    two = written(tmp_path, "two.jsonl", {"prompt": "p", "label": "l", "predict": "y"}, {"label": "l", "predict": None})
    (first,) = examples(loaded(predictions=one))
    second, without = examples(loaded(predictions=two))
    assert first.document.doc_id == second.document.doc_id
    assert (first.prompt, first.target, first.answer) == ("p", "l", "x")
    assert (second.answer, without.answer, without.prompt) == ("y", None, "")


def test_predictions_with_columns_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("Q,gold,model_output\nq,g,a\n", "utf-8")
    columns = {"prompt": "Q", "target": "gold", "response": "model_output"}
    task = loaded(predictions=str(path), columns=columns)
    (example,) = examples(task)
    assert (example.prompt, example.target, example.answer) == ("q", "g", "a")
    assert example.document.data == {"Q": "q", "gold": "g"}
    assert list(task.inputs()) == ["split test, file 1 (csv)"]
    with pytest.raises(DataError, match=r"no column 'predict'[\s\S]*columns: \{response: <column>\}"):
        examples(loaded(predictions=str(path), columns={"target": "gold"}))


@pytest.mark.skipif(not DATA.is_dir(), reason="the real data are not here")
def test_real_preference_pairs() -> None:
    """LLaMA-Factory's pairs end with the user's turn; the answer to compare with is the chosen one."""
    records = json.loads((DATA / "llamafactory" / "dpo_zh_demo.json").read_text("utf-8"))
    found = examples(loaded(data=str(DATA / "llamafactory" / "dpo_zh_demo.json"), format="sharegpt"))
    assert [example.target for example in found] == [record["chosen"]["value"] for record in records]
    assert all(example.prompt[-1]["role"] == "user" for example in found)
