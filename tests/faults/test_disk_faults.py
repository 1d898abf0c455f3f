"""Full and read-only disks, made by mounting a small file system: a clear error, and nothing computed is lost."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.project import Project

CALLS = 3 * (12 + 8 + 6)


def mount(*arguments: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    try:
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if done.returncode:
        pytest.skip(f"mount does not work here: {done.stderr.strip()}")


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A file system of `size` at `folder`."""
    folder.mkdir()
    mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """`folder` mounted on itself, read-only: root passes over permission bits."""
    mount("--bind", str(folder), str(folder))
    try:
        mount("-o", "remount,ro,bind", str(folder))
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fails(project: Project, *command: str) -> str:
    done = project.run(*command, expect=1)
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
    return done.stderr


def check_nothing_is_lost(project: Project, disk: Path) -> None:
    """Given room, the next run makes the calls alone that the memo could not take, and writes every view."""
    made = len(project.answered())
    stored = int(project.run("gc", "run.yaml", "--dry-run").stdout.split(" of ")[1].split()[0])
    assert 0 < stored <= made < CALLS
    mount("-o", "remount,size=50m", str(disk))
    project.run("all", "run.yaml", "--verbose")
    assert len(project.answered()) - made == CALLS - stored
    assert len(project.views()) == 4 * 9


@pytest.mark.slow
def test_a_disk_that_fills_up_while_models_answer(project: Project) -> None:
    project.write_settings(step4={})
    with small_disk(project.folder / "output", "256k"):
        said = fails(project, "all", "run.yaml", "--verbose")
        assert "the disk is full" in said
        assert "Free some space" in said
        assert "calls missing" in project.run("status", "run.yaml").stdout
        check_nothing_is_lost(project, project.folder / "output")


@pytest.mark.slow
def test_a_disk_that_is_full_for_the_memo_alone(project: Project) -> None:
    project.write_settings(memo_dir="memo")
    with small_disk(project.folder / "memo", "128k"):
        said = fails(project, "all", "run.yaml", "--verbose")
        assert "memo/memo.sqlite: the disk is full: finished calls cannot be stored" in said
        assert "Free some space, or move the memo (memo_dir: …)" in said
        check_nothing_is_lost(project, project.folder / "memo")


@pytest.mark.slow
def test_a_disk_that_is_full_for_the_views(finished: Project) -> None:
    """The memo has all; every step stops with the file that it cannot write, and goes on when there is room."""
    views = finished.views()
    finished.write_settings(output_dir="small/run", memo_dir="output/.memo")
    with small_disk(finished.folder / "small", "64k"):
        said = fails(finished, "all", "run.yaml")
        assert "small/run/" in said
        assert "the disk is full\n  Free some space and run the same command again: finished calls are kept" in said
        mount("-o", "remount,size=50m", str(finished.folder / "small"))
        finished.run("all", "run.yaml", "--verbose")
        assert finished.answered("../small/run") == []
        assert finished.views("../small/run") == views


def test_an_output_folder_that_cannot_be_written(finished: Project) -> None:
    before = finished.views()
    finished.write_settings()
    with closing(sqlite3.connect(finished.folder / "output/.memo/memo.sqlite")) as memo, memo:
        memo.execute("UPDATE calls SET used_day = 0")
    with read_only(finished.folder / "output"):
        for command in ("step1", "step2", "step3", "step4"):
            said = fails(finished, command, "run.yaml")
            assert "output/run: nothing can be written to the run's folder (Read-only file system)" in said
            assert "Make the folder writable, or set output_dir to one that is" in said
        assert "the memo cannot be used (attempt to write a readonly database)" in fails(finished, "gc", "output")
        assert f"would remove {CALLS} of {CALLS} results" in finished.run("gc", "output", "--dry-run").stdout
        status = finished.run("status", "run.yaml", "--set", "step1.generation_override.max_gen_toks=11").stdout
        assert "generation.max_gen_toks: 12 -> 11 (18 of 26 calls missing)" in status
        assert finished.run("check", "run.yaml", "--plan").stdout.count("fresh") == 4 * 3
    assert finished.views() == before
