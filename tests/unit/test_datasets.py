"""Documents out of files of every form, and the rule by which a split's file is found."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import TaskSettings
from pipeline.errors import DataError
from pipeline.fingerprint import FileHashes
from tasks.class_data import ClassData, LocalSettings
from tasks.data_files import DataFile, find_split
from tasks.data_readers import ReadOptions, read_records
from tasks.datasets import LocalData, open_source
from tasks.hub_data import HubData
from tasks.loader import load_tasks
from tasks.task import PromptSettings

DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the real data are not here")
ROWS: list[dict[str, Any]] = [{"q": '一,“"”\n\u2028x', "a": "1"}, {"q": "", "a": "NA"}]


def read(path: Path, options: ReadOptions | None = None) -> list[dict[str, Any]]:
    return [record.data for record in read_records(DataFile(path, path.name), options)]


def write(path: Path, rows: list[dict[str, Any]], encoding: str = "utf-8") -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        if path.suffix == ".json":
            json.dump(rows, file, ensure_ascii=False)
        elif path.suffix == ".jsonl":
            file.writelines(json.dumps(row, ensure_ascii=False) + "\r\n" for row in rows)
        else:
            table = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            table.writeheader()
            table.writerows(rows)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("suffix", ["json", "jsonl", "csv", "tsv"])
def test_every_text_form_gives_the_same_documents(tmp_path: Path, suffix: str, encoding: str) -> None:
    assert read(write(tmp_path / f"x.{suffix}", ROWS, encoding)) == ROWS


def test_parquet_and_both_arrow_forms(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.Table.from_pylist(ROWS)
    parquet.write_table(table, tmp_path / "x.parquet")
    with pyarrow.ipc.new_file(tmp_path / "file.arrow", table.schema) as writer:
        writer.write_table(table)
    with pyarrow.ipc.new_stream(tmp_path / "stream.arrow", table.schema) as writer:
        writer.write_table(table)
    for name in ("x.parquet", "file.arrow", "stream.arrow"):
        assert read(tmp_path / name) == ROWS
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(tmp_path / "x.parquet", "test.parquet")
    zipped = find_split(tmp_path / "x.zip", None, "test", "")
    assert [record.data for record in read_records(zipped)] == ROWS


def test_json_lines_under_the_name_json(tmp_path: Path) -> None:
    for count in (1, 2):
        (tmp_path / "x.json").write_text("".join(json.dumps(row) + "\n" for row in ROWS[:count]))
        assert read(tmp_path / "x.json") == ROWS[:count]


def test_a_table_without_header_takes_its_names_from_outside(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text('1,"a, b"\n\n2,c\n')
    options = ReadOptions(column_names=("n", "text"))
    assert read(tmp_path / "x.csv", options) == [{"n": "1", "text": "a, b"}, {"n": "2", "text": "c"}]


LAYOUTS = [
    (["main/test.jsonl", "main/train.jsonl"], "main", "test", "main/test.jsonl"),
    (["main_test.csv", "main_dev.csv"], "main", "validation", "main_dev.csv"),
    (["test/x_test.csv", "test/y_test.csv"], "x", "test", "test/x_test.csv"),
    (["dev/x.csv", "test/x.csv"], "x", "dev", "dev/x.csv"),
    (["dev/x.csv", "val/x.csv"], "x", "validation", "val/x.csv"),
    (["train.jsonl", "test.jsonl", "notes.txt"], "main", "train", "train.jsonl"),
    (["training.parquet"], None, "train", "training.parquet"),
    (["causative.jsonl", "passive_1.jsonl"], "causative", "train", "causative.jsonl"),
    (["data/test/x_test.csv", "data/README.md"], "x", "test", "data/test/x_test.csv"),
    (["data/.hidden/test.csv", "data/test.csv", "__MACOSX/data/._test.csv"], None, "test", "data/test.csv"),
]


@pytest.mark.parametrize("zipped", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize(("names", "config", "split", "found"), LAYOUTS)
def test_the_file_of_a_split_is_found(
    tmp_path: Path, names: list[str], config: str | None, split: str, found: str, zipped: bool
) -> None:
    file = find_split(lay_out(tmp_path, names, zipped), config, split, "run.yaml:1")
    assert (file.member or file.name) == found
    with file.open() as stream:
        assert stream.read().decode() == found


def lay_out(tmp_path: Path, names: list[str], zipped: bool) -> Path:
    if zipped:
        with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
            for name in names:
                archive.writestr(name, name)
        return tmp_path / "set.zip"
    for name in names:
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "set"


@pytest.mark.parametrize("zipped", [False, True], ids=["folder", "zip"])
def test_a_split_folder_alone_is_not_taken_for_another_split(tmp_path: Path, zipped: bool) -> None:
    with pytest.raises(DataError, match="no data file for the split dev of x"):
        find_split(lay_out(tmp_path, ["test/x.csv"], zipped), "x", "dev", "run.yaml:1")


@pytest.mark.parametrize("zipped", [False, True], ids=["folder", "zip"])
def test_two_files_that_are_equally_good_are_an_error_that_lists_both(tmp_path: Path, zipped: bool) -> None:
    folder = lay_out(tmp_path, ["test.csv", "test.jsonl"], zipped)
    with pytest.raises(DataError, match=r"run\.yaml:1: .*test\.csv, test\.jsonl[\s\S]*data_files"):
        find_split(folder, None, "test", "run.yaml:1")


def test_files_by_split_alias_pattern_and_within_a_zip(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        write(tmp_path / name, ROWS)
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.write(tmp_path / "a.jsonl", "whatever.jsonl")
    files = {"dev": str(tmp_path / "[ab].jsonl"), "test": str(tmp_path / "c.zip")}
    source = open_source("json", None, {"data_files": files}, where="task.yaml:2")
    assert [record.data for record in source.records("validation")] == ROWS * 2
    assert [record.data for record in source.records("test")] == ROWS
    assert list(source.hashes("validation", FileHashes())) == [
        "split validation, file 1 (jsonl)",
        "split validation, file 2 (jsonl)",
    ]
    with pytest.raises(DataError, match=r"task\.yaml:2: data_files has no split train"):
        source.locate("train")


def test_the_runs_own_data_win_and_paths_beside_the_task_file_are_found(tmp_path: Path) -> None:
    write(tmp_path / "x.jsonl", ROWS)
    beside = open_source("json", None, {"data_files": "x.jsonl"}, task_folder=tmp_path, where="")
    assert [record.data for record in beside.records("test")] == ROWS
    own = open_source("some/hub-set", "main", {}, data_files=str(tmp_path / "x.jsonl"), where="")
    assert [record.data for record in own.records("train")] == ROWS
    assert own.same("train", "test")


@needs_data
def test_real_layouts_are_found_as_they_are() -> None:
    mmlu = open_source(
        "cais/mmlu", "astronomy", {"column_names": list("QABCDT")}, data_dir=f"{DATA}/mmlu/mmlu.zip", where=""
    )
    assert [len(list(mmlu.records(split))) for split in ("test", "validation", "dev")] == [152, 16, 5]
    assert list(mmlu.hashes("test", FileHashes())) == ["split test, file 1 (data/test/astronomy_test.csv of the zip)"]
    ceval = open_source("x", "accountant", {}, data_dir=f"{DATA}/ceval/ceval.zip", where="")
    assert [len(list(ceval.records(split))) for split in ("val", "dev")] == [49, 5]
    cmmlu = open_source("x", "agronomy", {}, data_dir=f"{DATA}/cmmlu", where="")
    assert next(iter(cmmlu.records("dev"))).data["Answer"] == "C"
    gsm8k = open_source("openai/gsm8k", "main", {}, data_dir=f"{DATA}/gsm8k", where="")
    assert [len(list(gsm8k.records(split))) for split in ("train", "test")] == [7473, 1319]


@needs_data
def test_all_mmlu_questions_stand_though_27_repeat() -> None:
    from tasks.documents import number_documents

    source_names = sorted(
        name.rpartition("/")[2].removesuffix("_test.csv")
        for name in zipfile.ZipFile(DATA / "mmlu" / "mmlu.zip").namelist()
        if name.endswith("_test.csv")
    )
    ids: list[str] = []
    for name in source_names:
        options = {"column_names": ["question", "A", "B", "C", "D", "answer"]}
        source = open_source("cais/mmlu", name, options, data_dir=f"{DATA}/mmlu/mmlu.zip", where="")
        found = [document.doc_id for document in number_documents(record.data for record in source.records("test"))]
        assert len(set(found)) == len(found)
        ids += found
    assert len(ids) == 14042


def test_documents_below_a_key_of_one_object(tmp_path: Path) -> None:
    file = tmp_path / "outputs.json"
    for indent in (None, 1):
        file.write_text(json.dumps({"canary": "…", "outputs": ROWS}, indent=indent), "utf-8")
        assert read(file, ReadOptions(field="outputs")) == ROWS
    with pytest.raises(DataError, match="one object, and a list of documents is wanted") as no_field:
        read(file)
    assert no_field.value.fix == "If the documents are the list under 'outputs', say so: field: outputs"
    with pytest.raises(DataError, match="no key 'examples'") as other:
        read(file, ReadOptions(field="examples"))
    assert other.value.fix == "Its keys are canary, outputs."
    with pytest.raises(DataError, match="the key 'canary' holds one string"):
        read(file, ReadOptions(field="canary"))


def test_an_entry_s_field_holds_for_a_task_s_files(tmp_path: Path) -> None:
    file = tmp_path / "items.json"
    file.write_text(json.dumps({"rows": [{"question": "2 + 2?", "answer": "#### 4"}], "canary": "…"}), "utf-8")
    entry = TaskSettings(name="gsm8k", data_files=str(file), num_fewshot=0, field="rows")
    (task,) = load_tasks([entry], [], False, FileHashes()).tasks
    assert [example.target for example in task.examples(PromptSettings())] == ["#### 4"]
    assert task.request_basis()["dataset"]["field"] == "rows"


def test_a_field_needs_files_of_one_s_own() -> None:
    with pytest.raises(ValueError, match="`field` is for files of your own"):
        TaskSettings(name="gsm8k", field="rows")


def test_a_class_that_reads_the_same_split_of_two_sets_is_known_by_both(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    for config in "ab":
        (tmp_path / config).mkdir()
        write(tmp_path / config / "test.jsonl", [{"q": config}])

    def read_both() -> dict[str, str]:
        data = ClassData(LocalSettings(data_dir=str(tmp_path)), FileHashes())
        with data.answering([]):
            assert [datasets.load_dataset("x", config)["test"][0]["q"] for config in "ab"]
        return data.inputs()

    before = read_both()
    write(tmp_path / "a" / "test.jsonl", [{"q": "other"}])
    after = read_both()
    assert [name for name in before if before[name] != after[name]] == ["read 1, split test, file 1 (jsonl)"]


def test_cells_of_ones_own_data_stay_the_text_that_they_are(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("prompt,target\n007,0.50\n,NA\n")
    entry = TaskSettings(name="mine", data=str(tmp_path / "x.csv"), format="csv")
    (task,) = load_tasks([entry], [], False, FileHashes()).tasks
    assert [example.target for example in task.examples(PromptSettings())] == ["0.50", "NA"]
    source = open_source("csv", None, {"data_files": str(tmp_path / "x.csv"), "cells": "text"}, where="")
    assert next(source.records("test")).data == {"prompt": "007", "target": "0.50"}
    assert source.description()["cells"] == "text"
    with pytest.raises(DataError, match=r"task\.yaml:2: `cells` is typed or text, not 'raw'"):
        open_source("csv", None, {"data_files": "x", "cells": "raw"}, where="task.yaml:2")


def test_types_follow_a_file_that_changes(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    source = open_source("csv", None, {"data_files": str(path)}, where="")
    for text, read in (("n\n1\n2\n", [1, 2]), ("n\n1\nzwei\n", ["1", "zwei"])):
        path.write_text(text)
        assert [record.data["n"] for record in source.records("test")] == read


def test_numbers_beyond_all_types_stop_nothing(tmp_path: Path) -> None:
    long = "9" * 5000
    (tmp_path / "x.csv").write_text(f"n,m\n{long},1.5\n1,{long}\n")
    source = open_source("csv", None, {"data_files": str(tmp_path / "x.csv")}, where="")
    assert [record.data for record in source.records("test")] == [{"n": long, "m": 1.5}, {"n": "1", "m": float("inf")}]
    (tmp_path / "x.jsonl").write_text(f'{{"n": {long}}}\n')
    with pytest.raises(DataError, match=r"x\.jsonl:1: Python cannot read this JSON: Exceeds the limit"):
        read(tmp_path / "x.jsonl")


def test_what_says_how_to_read_a_file_is_carried_out_or_refused() -> None:
    where = "task.yaml:3"
    with pytest.raises(
        DataError, match=r"task\.yaml:3: `skiprows` of dataset_kwargs is not known for dataset_path: csv"
    ):
        open_source("csv", None, {"data_files": "x.csv", "skiprows": 1}, where=where)
    with pytest.raises(DataError, match="Did you mean column_names"):
        open_source("csv", None, {"data_files": "x.csv", "column_name": ["a"]}, where=where)
    open_source(
        "some/hub-set", None, {"skiprows": 1}, data_files="x.csv", where=where
    )  # which is about the hub's files


def test_files_that_have_addresses_are_the_hub_librarys_to_load() -> None:
    for files in ("hf://datasets/a/b.jsonl", {"test": "https://a/b.jsonl"}, {"test": ["hf://datasets/a/b.jsonl"]}):
        assert isinstance(open_source("json", None, {"data_files": files}, where=""), HubData)
    assert isinstance(open_source("json", None, {"data_files": {"test": "b.jsonl"}}, where=""), LocalData)
