"""The index of task names: kept between processes, read again where files changed, and never in the way."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import TaskError
from tasks import index_cache
from tasks.index import TaskIndex
from tasks.listing import list_tasks

COUNT = 250  # more than are worth keeping
OLD = 1_600_000_000


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLM_EVALUATION_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Many tasks that inherit their tag, and were written long ago."""
    folder = tmp_path / "tasks"
    (folder / "inner").mkdir(parents=True)
    (folder / "_template").write_text("tag: many\noutput_type: multiple_choice\nmetric_list:\n  - metric: acc\n")
    for number in range(COUNT):
        (folder / "inner" / f"t{number:03}.yaml").write_text(f"include: ../_template\ntask: t{number:03}\n")
    for path in folder.rglob("*"):
        os.utime(path, (OLD, OLD))
    return folder


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read, as they are."""
    names: list[str] = []
    real = index_cache.read_keys

    def reading(path: Path) -> index_cache.FileKeys:
        names.append(path.name)
        return real(path)

    monkeypatch.setattr(index_cache, "read_keys", reading)
    return names


def own(folder: Path) -> TaskIndex:
    return TaskIndex().with_folder(folder)


def test_only_changed_files_are_read_again(cache: Path, folder: Path, read: list[str]) -> None:
    first = own(folder)
    assert len(first.definitions) == COUNT
    assert len(first.tags["many"]) == COUNT
    assert len(read) == COUNT + 1  # the template once
    read.clear()
    assert own(folder).definitions == first.definitions
    assert read == []
    changed = folder / "inner" / "t003.yaml"
    changed.write_text("include: ../_template\ntask: u003\n")  # of the same size
    (folder / "inner" / "t004.yaml").unlink()
    (folder / "new.yaml").write_text("task: new\n")
    names = own(folder).definitions.keys()
    assert sorted(read) == ["new.yaml", "t003.yaml"]
    assert {"u003", "new"} < names
    assert not {"t003", "t004"} & names


def test_a_changed_template_changes_what_its_tasks_inherit(cache: Path, folder: Path, read: list[str]) -> None:
    assert "many" in own(folder).tags
    read.clear()
    (folder / "_template").write_text("tag: few\n")
    index = own(folder)
    assert list(index.tags) == ["few"]
    assert read == ["_template"]
    assert index.definitions["t000"][0].output_type == "generate_until"


def test_a_file_that_was_just_written_is_not_trusted_to_stay_so(cache: Path, folder: Path, read: list[str]) -> None:
    new = folder / "new.yaml"
    new.write_text("task: aaa\n")
    stat = new.stat()
    assert "aaa" in own(folder).definitions
    new.write_text("task: bbb\n")
    os.utime(new, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as a clock that ticks slowly would have it
    assert "bbb" in own(folder).definitions


@pytest.mark.parametrize("content", [b"", b"\x93\xff no message", b"\x90"])
def test_a_broken_cache_is_built_anew(cache: Path, folder: Path, read: list[str], content: bytes) -> None:
    assert len(own(folder).definitions) == COUNT
    (file,) = cache.iterdir()
    file.write_bytes(content)
    read.clear()
    assert len(own(folder).definitions) == COUNT
    assert len(read) == COUNT + 1
    read.clear()
    assert len(own(folder).definitions) == COUNT
    assert read == []


def test_without_a_place_for_the_cache_the_work_is_done_all_the_same(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LLM_EVALUATION_CACHE", str(tmp_path / "file" / "cache"))
    assert len(own(folder).definitions) == COUNT
    monkeypatch.delenv("LLM_EVALUATION_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "shared"))
    assert len(own(folder).definitions) == COUNT
    assert [path.parent.name for path in (tmp_path / "shared").rglob("*.msgpack")] == ["llm_evaluation"]


def test_few_files_leave_nothing_behind(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "one.yaml").write_text("task: one\n")
    assert list(own(tmp_path / "tasks").definitions) == ["one"]
    assert not cache.exists()


Write = Callable[[str], TaskIndex]


@pytest.fixture
def write(cache: Path, tmp_path: Path) -> Write:
    """An index of one file of that content, beside a template."""

    def write(text: str) -> TaskIndex:
        folder = tmp_path / "one"
        folder.mkdir()
        (folder / "_base").write_text("task: of_base\ntag: [x, y]\noutput_type: loglikelihood\n")
        (folder / "file.yaml").write_text(text)
        return own(folder)

    return write


@pytest.mark.parametrize(
    ("text", "name", "kind", "tags"),
    [
        ("task: a\r\ntag: x # remark\r\ndoc_to_text: b\r\n", "a", "task", ["x"]),
        ("---\ntask: a\n", "a", "task", []),
        ("task: 'it''s'\n", "it's", "task", []),
        ('task: "a\\tb"\n', "a\tb", "task", []),
        ("task: >-\n  folded\n  name\n", "folded name", "task", []),
        ("task: a\ntag: [x,\n  y]\n", "a", "task", ["x", "y"]),
        ("task: a\ntag: ['x, y']\n", "a", "task", ["x, y"]),
        ("task: a\ntag:\n- x\n# between\n\n- 'y'\n", "a", "task", ["x", "y"]),
        ("task: a\ntag: []\n", "a", "task", []),
        ("name: &n a\ntask: *n\n", "a", "task", []),
        ("task: a\ngroup: [x, y]\n", "a", "task", ["x", "y"]),
        ("include: _base\n", "of_base", "task", ["x", "y"]),
        ("include: [_base]\ntag: z\n", "of_base", "task", ["z"]),
        ("include: _base\ngroup: g\n", "g", "group", []),
        ("include: gone\ntask: a\n", "a", "task", []),
        ("include: file.yaml\ntask: a\n", "a", "task", []),
        ("class: !function code.Task\ntask: a\ngroup: g\ntag: x\n", "a", "task", ["x"]),
        ("description: |\n  task: wrong\ntask: a\n", "a", "task", []),
        ("task: a\ntask: b\n", "b", "task", []),
    ],
)
def test_names_are_read_in_each_notation(write: Write, text: str, name: str, kind: str, tags: list[str]) -> None:
    index = write(text)
    assert {known: [one.kind for one in found] for known, found in index.definitions.items()} == {name: [kind]}
    assert sorted(index.tags) == tags


@pytest.mark.parametrize("text", ["doc_to_text: a\n", "task: [\n", "- task\n", "", "task:\n"])
def test_what_defines_nothing_is_passed_over(write: Write, text: str) -> None:
    assert write(text).definitions == {}


def test_the_list_shows_columns_from_the_index(
    cache: Path, folder: Path, capsys: pytest.CaptureFixture[str], read: list[str]
) -> None:
    (folder / "group.yaml").write_text("group: g\ntask:\n  - group: in\n    task:\n      - t000\n  - t001\n")
    list_tasks("t00?", [str(folder)])
    read.clear()
    capsys.readouterr()
    assert list_tasks("g", [str(folder)]) == 0
    assert list_tasks("t000", [str(folder)]) == 0
    lines = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()}
    assert lines["g"][:4] == ["g", "group", "2", "members"]
    assert lines["t000"][:4] == ["t000", "task", "multiple_choice", "acc"]
    assert read == ["group.yaml", "group.yaml"]  # written a moment ago


def test_one_file_under_two_roots_is_one_definition(folder: Path) -> None:
    linked = folder / "linked.yaml"
    linked.symlink_to(folder / "inner" / "t000.yaml")
    index = TaskIndex([str(folder), str(folder / "inner")])
    assert index.find("t000", "run.yaml:1") is not None
    (folder / "other.yaml").write_text("task: t000\n")
    with pytest.raises(TaskError, match=r"run\.yaml:1: t000 is defined in 2 files"):
        TaskIndex([str(folder), str(folder / "inner")]).find("t000", "run.yaml:1")


def test_a_listing_ends_with_the_command_for_the_tasks_of_lm_eval(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("lm_eval")
    for pattern, code, command in (("gsm8k", 0, "lm_eval:gsm8k"), ("hellasw*", 1, "'lm_eval:hellasw*'")):
        assert list_tasks(pattern, ()) == code
        assert f"python main.py tasks {command}\n" in capsys.readouterr().err
    assert list_tasks("lm_eval:gsm8k", ()) == 0
    assert "python main.py" not in capsys.readouterr().err
