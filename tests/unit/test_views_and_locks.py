"""Views are whole or not there; lock files say why a view is stale; OS locks share work between processes."""

import os
import subprocess
import sys
import time

import msgspec
import pytest

from pipeline.errors import BusyRunError, DataError, StorageError
from pipeline.fingerprint import FileHashes, hash_file
from pipeline.lock_file import Basis, Entry, LockFile, why_stale
from pipeline.os_locks import OsLock, one_configuration
from pipeline.run_folder import RunFolder, safe_name
from pipeline.views import ViewWriter, decode_line, read_lines, write_file


def test_a_view_appears_with_its_last_byte(tmp_path):
    path = tmp_path / "a" / "view.jsonl"
    with ViewWriter(path) as writer:
        writer.write(b'{"a":1}\n')
        assert not path.exists()
        assert (tmp_path / "a" / "view.jsonl.partial").read_bytes() == b'{"a":1}\n'
        summary = writer.commit()
    assert path.read_bytes() == b'{"a":1}\n'
    assert summary.sha256 == hash_file(path)
    assert (summary.rows, summary.bytes) == (1, 8)
    assert not (tmp_path / "a" / "view.jsonl.partial").exists()


def test_a_view_that_fails_leaves_the_old_one(tmp_path):
    path = tmp_path / "view.jsonl"
    write_file(path, "old\n")

    def fail_half_way():
        with ViewWriter(path) as writer:
            writer.write(b"new\n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert path.read_text() == "old\n"


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        write_file(tmp_path / "file" / "below", "x")


def test_lines_come_in_chunks_with_their_numbers(tmp_path):
    path = tmp_path / "view.jsonl"
    path.write_bytes(b"".join(b'{"n":%d,"pad":"%s"}\n' % (n, b"x" * 500) for n in range(5000)))
    seen = [(number, len(lines)) for number, lines in read_lines(path)]
    assert len(seen) > 1
    assert seen[1][0] == seen[0][1] + 1
    assert sum(count for _, count in seen) == 5000


def test_a_broken_line_is_named_with_its_number():
    with pytest.raises(DataError, match=r"view.jsonl:7: this line is broken") as caught:
        decode_line(msgspec.json.Decoder(dict), b'{"a": \n', "view.jsonl", 7, "python main.py step1 x.yaml")
    assert "python main.py step1 x.yaml" in caught.value.fix


BASIS = Basis(version=1, inputs={"data": "aa"}, settings={"metrics": [{"name": "judge", "n": 3}], "limit": None})


def entry_for(path, basis=BASIS):
    with ViewWriter(path) as writer:
        writer.write(b"{}\n")
        return Entry(state="done", basis=basis, run={}, view=writer.commit())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"version": 2}, "the step's version: 1 -> 2"),
        ({"inputs": {"data": "bb"}}, "data changed"),
        ({"inputs": {"data": "aa", "more": "cc"}}, "more is new"),
        ({"settings": {"metrics": [{"name": "judge", "n": 5}], "limit": None}}, "metrics judge.n: 3 -> 5"),
        ({"settings": {"metrics": [{"name": "judge", "n": 3}], "limit": 10}}, "limit: null -> 10"),
        (
            {"settings": {"metrics": [{"name": "judge", "n": 3}], "limit": None, "seed": 1}},
            "seed: (not set) -> 1",
        ),
    ],
)
def test_a_stale_view_says_why(tmp_path, change, reason):
    path = tmp_path / "view.jsonl"
    entry = entry_for(path)
    basis = msgspec.structs.replace(BASIS, **change)
    assert why_stale(entry, basis, path, FileHashes()) == ([reason] if reason else [])
    assert (entry.basis.fingerprint() == basis.fingerprint()) == (reason is None)


def test_a_view_edited_or_removed_is_stale(tmp_path):
    path = tmp_path / "view.jsonl"
    entry = entry_for(path)
    path.write_bytes(b"[]\n")
    assert why_stale(entry, BASIS, path, FileHashes()) == ["view.jsonl was changed after it was written"]
    path.unlink()
    assert why_stale(entry, BASIS, path, FileHashes()) == ["view.jsonl is gone"]


def test_two_processes_update_one_lock_file(tmp_path):
    script = (
        "import sys; from pathlib import Path; from pipeline.lock_file import *; from pipeline.run_folder import *\n"
        "lock = LockFile(RunFolder(Path(sys.argv[1]), Path(sys.argv[1])), 'step1', 'base')\n"
        "basis = Basis(version=1, inputs={}, settings={})\n"
        "for n in range(20): lock.put(f'{sys.argv[2]}{n}', Entry(state='done', basis=basis, run={}))\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path), name]) for name in "ab"]
    assert [process.wait() for process in processes] == [0, 0]
    entries = LockFile(RunFolder(tmp_path, tmp_path), "step1", "base").entries()
    assert set(entries) == {f"{name}{n}" for name in "ab" for n in range(20)}


def test_what_another_process_puts_is_seen_at_once_and_entries_are_nobody_else_s(tmp_path):
    folder = RunFolder(tmp_path, tmp_path)
    here, there = LockFile(folder, "step1", "base"), LockFile(folder, "step1", "base")
    basis = Basis(version=1, inputs={"a": "b" * 64}, settings={"limit": None})
    here.put("one", Entry(state="running", basis=basis, run={}))
    before = there.path.stat()
    entry = there.get("one")
    entry.run["engines"] = {}
    assert there.get("one").run == {}
    content = there.path.read_bytes().replace(b'"running"', b'"done"   ')  # another file of the same size and time
    there.path.write_bytes(content)
    os.utime(there.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (here.get("one").state, here.get("two")) == ("done", None)
    there.path.write_bytes(b'{"one": {"state": "done"}, "two": {')
    with pytest.raises(StorageError, match="not a readable lock file"):
        here.get("one")
    there.path.write_bytes(b'{"one": {"state": "done"}}')
    with pytest.raises(StorageError, match="not a readable lock file"):
        here.entries()
    there.path.unlink()
    assert here.entries() == {}


def test_a_lock_is_free_when_its_process_is_killed(tmp_path):
    path = tmp_path / "unit"
    script = (
        "import sys, time; from pathlib import Path; from pipeline.os_locks import OsLock\n"
        "OsLock.acquire(lock := OsLock(Path(sys.argv[1])), wait=True); print('held', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    lock = OsLock(path)
    assert not lock.acquire(wait=False)
    process.kill()
    process.wait()
    assert lock.acquire(wait=False)
    lock.release()


def test_another_configuration_is_told_so(tmp_path):
    path = tmp_path / ".locks" / "step1"
    script = (
        "import sys, time; from pathlib import Path; from pipeline.os_locks import one_configuration\n"
        "with one_configuration(Path(sys.argv[1]), 'A', 'process of A'): print('held', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        with one_configuration(path, "A", "me"):
            pass
        with pytest.raises(BusyRunError, match="process of A"), one_configuration(path, "B", "me"):
            pass
    finally:
        process.kill()
        process.wait()
    with one_configuration(path, "B", "me"):
        pass


def test_a_file_overwritten_with_size_and_mtime_kept_is_hashed_anew(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"old!")
    os.utime(path, (1, 1))
    hashes = FileHashes(tmp_path / "files.sqlite")
    time.sleep(2.1)  # settled: from here on the hash is remembered
    before = hashes(path)
    assert len(hashes._known) == 1
    path.write_bytes(b"new!")
    os.utime(path, (1, 1))
    assert hashes(path) != before
    assert FileHashes(tmp_path / "files.sqlite")(path) == hash_file(path)


def test_hashes_are_remembered_for_the_next_process_and_not_where_the_disk_takes_none(tmp_path):
    for name in "abc":
        (tmp_path / name).write_text(name)
    time.sleep(2.1)
    store = tmp_path / "store" / "files.sqlite"
    script = (
        "import sys; from pathlib import Path; from pipeline.fingerprint import FileHashes\n"
        "hashes = FileHashes(Path(sys.argv[1])); [hashes(Path(name)) for name in sys.argv[2:]]\n"
    )
    files = [str(tmp_path / name) for name in "abc"]
    assert subprocess.run([sys.executable, "-c", script, str(store), *files], check=True).returncode == 0
    assert len(FileHashes(store)._known) == 3
    hashes = FileHashes(store)
    hashes._connection.execute("PRAGMA query_only = 1")
    hashes._known.clear()
    hashes._stored_at -= 60
    assert hashes(tmp_path / "a") == hash_file(tmp_path / "a")
    assert hashes._connection is None


@pytest.mark.parametrize(
    ("name", "safe"),
    [("base", "base"), ("коала", "коала"), ("a/b", "a_b-"), ("x" * 200, "x" * 100 + "-"), ("..", "_-")],
)
def test_names_are_safe_on_any_file_system(name, safe):
    assert safe_name(name).startswith(safe)
    assert safe_name(name) == name or len(safe_name(name)) == len(safe) + 8
