"""The hash of a task's code moves with what the code's values follow from, and with nothing else."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from pipeline.errors import TaskError
from pipeline.fingerprint import FileHashes
from tasks import code_content as module
from tasks.code_content import code_content
from tasks.task import TaskCode
from tasks.task_code import load_code


@pytest.fixture
def code(tmp_path: Path) -> Path:
    return written(tmp_path / "one")


def written(folder: Path) -> Path:
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "main.py").write_text(
        "import os\nfrom .sub.near import value\n\n\ndef score():\n    if False:\n        import no_such_package\n        import sacrebleu\n"
        "    return value\n"
    )
    (folder / "sub" / "near.py").write_text("from .deep import far\nvalue = far.value\n")
    (folder / "sub" / "deep" / "far.py").write_text("value = 1\n")
    (folder / "sub" / "unused.py").write_text("value = 1\n")
    (folder / "beside.py").write_text("value = 1\n")
    return folder / "main.py"


def content(path: Path) -> str:
    return code_content(path, FileHashes())


@pytest.mark.parametrize("changed", ["main.py", "beside.py", "sub/near.py", "sub/deep/far.py"])
def test_files_that_the_code_may_use_are_in_it(code: Path, changed: str) -> None:
    before = content(code)
    with (code.parent / changed).open("a") as file:
        file.write("# changed\n")
    assert content(code) != before


def test_other_files_and_the_place_are_not(code: Path, tmp_path: Path) -> None:
    before = content(code)
    (code.parent / "sub" / "unused.py").write_text("value = 2\n")
    (code.parent / "notes.txt").write_text("nothing")
    assert content(code) == before
    assert content(written(tmp_path / "other" / "place")) == before


def test_packages_count_by_their_version(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, asked = content(code), set[str]()

    def version(name: str) -> str | None:
        asked.add(name)
        return metadata.version(name) if name == "sacrebleu" else None

    monkeypatch.setattr(module, "_version", version)
    assert content(code) == before
    assert asked == {"no_such_package", "sacrebleu"}
    monkeypatch.setattr(module, "_version", lambda name: "9.9")
    assert content(code) != before


def test_code_that_has_changed_since_is_not_loaded_as_if_it_had_not(code: Path) -> None:
    known = TaskCode(code, "score", content(code), "one.yaml:1")
    assert load_code(known)() == 1
    (code.parent / "sub" / "deep" / "far.py").write_text("value = 1000\n")
    assert load_code(known)() == 1, "it is loaded already"
    assert load_code(TaskCode(code, "score", content(code), "one.yaml:1"))() == 1000
    stale = TaskCode(code, "score", "0" * 64, "one.yaml:1")
    with pytest.raises(TaskError, match=r"one\.yaml:1: .*main\.py, or what it imports, was changed while the run"):
        load_code(stale)
