"""Values of local files equal what `datasets` makes of them, and so do the prompts that lm_eval builds from them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.config import TaskSettings
from pipeline.fingerprint import FileHashes
from tasks.datasets import as_table, open_source
from tasks.loader import load_tasks
from tasks.task import PromptSettings

os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
datasets = pytest.importorskip("datasets", reason="the reference is datasets")

# Three cells of a column each.
CELLS = [
    *(("1", "2", "3"), ("1", "", "3"), ("1", "2.5", "3"), ("007", "1", "+5"), ("0.50", "1e5", "-.5"), ("1.", "2.e3", "0")),
    *((" 1", "2 ", "\t3"), (" 1.5", "2 ", "1"), ("\x0b1", "2", "3"), ("1\xa0", "2", "3"), ("-0", "00", "-1"), ("-0.0", "1", "2")),
    *(("True", "FALSE", "true"), ("True", "", "False"), ("TRUE", "NA", "x"), ("True", "1", "0"), (" True", "False", "True")),
    *(("Yes", "No", "Yes"), ("NA", "x", "y"), ("None", "null", "n/a"), ("", "", ""), ("nan", "1", "2"), ("NAN", "1", "2")),
    *(("inf", "-Infinity", "1"), (" inf", "1", "2"), ("1e400", "1e-400", "1"), ("infinit", "1", "2"), ("1_0", "2", "3")),
    *(("0x10", "2", "3"), ("1d5", "2", "3"), ("1e", "2", "3"), ("-", "1", "2"), ("1 2", "3", "4"), ("1.5.2", "3", "4")),
    *(("9223372036854775807", "1", "-9223372036854775808"), ("9223372036854775808", "1", "2"), ("18446744073709551615", "1", "2")),
    *(("9223372036854775808", "-1", "0"), ("9223372036854775808", "", "0"), ("1.5", "99999999999999999999", "NA")),
    *(("3.141592653589793", "0.1234567890123456789", "2.2250738585072014e-308"), ("٣", "4", "5"), ("²", "1", "2")),
    *(("2020-01-01", "2020-01-02", "2020-01-03"), ("a, b", 'a "quoted" word', "two\nlines"), ("#N/A", "1", "<NA>")),
]  # fmt: skip
# Three values of a field each; `...` is a document without the field.
VALUES: list[tuple[Any, Any, Any]] = [
    *(("x", ..., "y"), (..., "x", None), (None, None, None), (1, 2.5, 3), (1, None, ...), (1, "a", 2), (True, 1, "x"), (True, None, False)),
    *(("1", 2, '{"a": 1}'), ("null", 1, "[1"), ([1, 2], [1.5], []), ([], [], []), ([[1], [2.5]], [], None), ([1, "x"], [2], ["3"])),
    *(([None, 1], [2], []), (1, [1], {"a": 1}), ({}, {}, {}), ({"a": 1}, {"b": 2}, {}), ({"a": 1}, {"a": 2.5}, None)),
    *(({"b": 1, "a": 2}, {"a": 3, "b": 4}, {"b": 5, "a": 6}), ({"a": {"x": 1}}, {"a": {"y": 1}}, {"a": None})),
    *(([{"a": 1}], [{"b": 2}], []), ([{"a": 1, "b": 2}, {"b": 1, "a": 2.5}], [], []), ([{"a": None, "d": "2020-01-01"}], [], [])),
    *(({"a": {"x": 1, "y": [1, 2.5]}}, {"a": {"y": [], "x": None}}, {"a": None}), ({"a": "1"}, {"a": 2}, {"a": None})),
    *(("2020-01-01", "2021-02-03 10:00", None), ("2020-01-01", "x", "y"), ("2020-01-01", 3, 4), ("2020-01-01", "", "")),
    *(("2020-01-01T10:00:00Z", "2020-01-01 10:00:00+01:00", "2020-01-01 10"), ("2020-01-01T10:00:00.5", "2020-01-01", "2020-01-01")),
    *(("2020-13-01", "2020-01-01", "2020-01-01"), ("2020-02-30", "2020-01-01", "2020-01-01"), ("20200101", "20200102", "20200103")),
    *((["2020-01-01"], ["2020-01-02"], []), (["2020-01-01", "x"], [], []), ({"d": "2020-01-01"}, {"d": "2020-01-02"}, {"d": None})),
    *(("2020-01-01Z", "2020-01-01", "2020-01-01"), (" 2020-01-01", "2020-01-01", "2020-01-01"), ("٢٠٢٠-01-01", "2020-01-01", "2020-01-01")),
    *((9223372036854775808, 1, 2), (123456789012345678, 1.5, 0), (1.0, 2.0, 3.0), ("é\u2028x", "", "007")),
]  # fmt: skip


def read_there(path: Path, cache: Path, **arguments: Any) -> list[dict[str, Any]]:
    datasets.disable_progress_bars()
    kind = "csv" if path.suffix == ".csv" else "json"
    return list(
        datasets.load_dataset(kind, data_files=str(path), split="train", cache_dir=str(cache / "cache"), **arguments)
    )


def read_here(path: Path, **arguments: Any) -> list[dict[str, Any]]:
    source = open_source("json", None, {"data_files": str(path), **arguments}, where="task.yaml:1")
    return [record.data for record in source.records("train")]


def shown(documents: list[dict[str, Any]]) -> list[dict[str, str]]:
    """By column, with what distinguishes 1, 1.0 and True, and the order of keys within values."""
    return [{name: repr(value) for name, value in sorted(document.items())} for document in documents]


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if set(cell) & set(',"\n') else cell


@pytest.mark.parametrize("header", [True, False], ids=["header", "names"])
def test_cells_of_a_table(tmp_path: Path, header: bool) -> None:
    names = [f"c{number}" for number in range(len(CELLS))]
    rows = [names, *zip(*CELLS, strict=True)] if header else list(zip(*CELLS, strict=True))
    path = tmp_path / "x.csv"
    path.write_text("".join(",".join(map(quoted, row)) + "\n" for row in rows), "utf-8")
    arguments = {} if header else {"column_names": names}
    assert shown(read_here(path, **arguments)) == shown(read_there(path, tmp_path, **arguments))


def test_a_column_without_a_name_is_called_as_pandas_calls_it(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(",q\n0,x\n1,y\n")
    assert read_here(path) == read_there(path, tmp_path) == [{"Unnamed: 0": 0, "q": "x"}, {"Unnamed: 0": 1, "q": "y"}]


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
@pytest.mark.parametrize("values", VALUES, ids=str)
def test_values_of_json(tmp_path: Path, values: tuple[Any, Any, Any], suffix: str) -> None:
    lines = [json.dumps({"q": "x"} if value is ... else {"q": "x", "v": value}) for value in values]
    path = tmp_path / f"x{suffix}"
    path.write_text("\n".join(lines) if suffix == ".jsonl" else f"[{', '.join(lines)}]")
    here = read_here(path)
    assert shown(here) == shown(read_there(path, tmp_path))
    assert shown(list(as_table(here))) == shown(here)  # what `process_docs` is given


TASK = {
    "task": "mine",
    "training_split": "train",
    "test_split": "test",
    "output_type": "multiple_choice",
    "doc_to_text": "{% if hint %}({{hint}}) {% endif %}{{q}} {{'yes' if ok else 'no'}} {{n}}",
    "doc_to_target": "label",
    "doc_to_choice": ["0", "1", "x"],
    "num_fewshot": 1,
    "fewshot_config": {"sampler": "first_n"},
}
TABLE = "q,ok,n,label,hint\n{0}1,True,0.50,1,\n{0}2,False,007,0,look\n{0}3,False,,2,NA\n"
LINES = (
    '{"q": "%s1", "ok": true, "n": 1, "label": "1"}\n{"q": "%s2", "ok": false, "n": 2.5, "label": "x", "hint": "look"}\n'
    '{"q": "%s3", "ok": false, "n": 3, "label": "2"}\n'
)


@pytest.mark.parametrize("form", ["csv", "json"])
def test_prompts_and_targets_from_a_local_file(tmp_path: Path, form: str) -> None:
    api = pytest.importorskip("lm_eval.api.task", reason="the reference is lm_eval")
    for split in ("train", "test"):
        text = TABLE.format(split) if form == "csv" else LINES % (split, split, split)
        (tmp_path / f"{split}.{form}").write_text(text)
    files = {split: str(tmp_path / f"{split}.{form}") for split in ("train", "test")}
    config = TASK | {"dataset_path": form, "dataset_kwargs": {"data_files": files}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config))

    cached = {"data_files": files, "cache_dir": str(tmp_path / "cache")}
    there = api.ConfigurableTask(config=config | {"dataset_kwargs": cached})
    there.build_all_requests(rank=0, world_size=1)
    (task,) = load_tasks([TaskSettings(name=str(tmp_path / "mine.yaml"))], [], False, FileHashes()).tasks
    here = list(task.examples(PromptSettings()))
    asked = [(example.prompt, text) for example in here for text in example.requests[0].continuations]
    assert asked == [instance.args for instance in there.instances]

    for example in here:  # the first or the second choice is right, or none
        for right in range(3):
            results = [(float(number == right), False) for number in range(3)]
            accuracy = there.process_results(there.dataset["test"][example.document.index], results)["acc"]
            assert accuracy == float(example.target == right)
