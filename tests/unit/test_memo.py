"""The memo: what was put is found again, by any process, whatever ended the one that put it."""

import hashlib
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline.errors import StorageError
from pipeline.memo import FILE_NAME, Memo, file_system


def key(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def test_results_are_found_again_by_another_memo(tmp_path):
    with Memo(tmp_path) as memo:
        for number in range(1200):
            memo.put(key(number), "Text", str(number).encode(), "{}")
    with Memo(tmp_path) as memo:
        keys = [key(number) for number in range(1300)]
        assert memo.known(keys) == set(keys[:1200])
        assert memo.get(keys)[key(1199)] == b"1199"
        assert len(memo) == 1200


def test_what_was_put_is_committed_without_a_flush(tmp_path):
    with Memo(tmp_path) as writer, Memo(tmp_path) as reader:
        writer.put(key(1), "Text", b"one", "{}")
        deadline = time.monotonic() + 10
        while not reader.known([key(1)]) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert reader.get([key(1)]) == {key(1): b"one"}


def test_a_kill_loses_nothing_that_was_committed(tmp_path):
    script = (
        "import sys, time; from pathlib import Path; from pipeline.memo import Memo\n"
        "memo = Memo(Path(sys.argv[1]))\n"
        "for n in range(100000):\n"
        "    memo.put(f'{n:064x}', 'Text', b'x' * 100, '{}')\n"
        "    if n % 500 == 0: memo.flush(); print(n, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = [int(process.stdout.readline()) for _ in range(8)]
    process.send_signal(signal.SIGKILL)
    process.wait()
    with Memo(tmp_path) as memo:
        assert memo.known(f"{n:064x}" for n in range(said[-1] + 1)) == {f"{n:064x}" for n in range(said[-1] + 1)}


def test_failures_count_attempts_and_end_with_a_result(tmp_path):
    with Memo(tmp_path) as memo:
        for _ in range(2):
            memo.put_failure(key(1), "ContextTooLong", "too long", True)
        memo.put_failure(key(2), "OutOfMemory", "no memory", False)
        memo.flush()
        failures = memo.failures([key(1), key(2), key(3)])
        assert failures[key(1)].attempts == 2
        assert failures[key(1)].retry(3)
        assert not failures[key(1)].retry(2)
        assert failures[key(2)].retry(1)
        memo.put(key(1), "Text", b"", "{}")
        memo.flush()
        assert memo.failures([key(1)]) == {}


def test_versions_of_the_engine_stand_with_each_result(tmp_path):
    with Memo(tmp_path) as memo:
        memo.put(key(1), "Text", b"", '{"torch":"1"}')
        memo.put(key(2), "Text", b"", '{"torch":"2"}')
        memo.put(key(3), "Text", b"", '{"torch":"2"}')
        memo.flush()
        assert memo.engine_versions([key(1), key(2), key(3)]) == {'{"torch":"1"}': 1, '{"torch":"2"}': 2}


def test_prune_removes_what_no_run_used(tmp_path):
    with Memo(tmp_path) as memo:
        for number in range(10):
            memo.put(key(number), "Text", b"12345", "{}")
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("UPDATE calls SET used_day = used_day - 40")
    with Memo(tmp_path) as memo:
        memo.get([key(0), key(1)])  # marks them as used today
        memo.flush()
        assert memo.prune(30, dry_run=True) == (8, 40)
        assert len(memo) == 10
        assert memo.prune(30) == (8, 40)
        assert memo.known(key(number) for number in range(10)) == {key(0), key(1)}


def test_an_interrupted_flush_writes_its_batch_at_the_next(tmp_path, monkeypatch):
    memo = Memo(tmp_path)
    real = memo._writer

    class Interrupting:
        in_transaction = True
        left = 1

        def execute(self, *arguments):
            if arguments[0] == "COMMIT" and self.left:
                self.left -= 1
                raise KeyboardInterrupt
            return real.execute(*arguments)

        def rollback(self):
            real.rollback()

        def close(self):
            real.close()

    with memo._work:  # the thread waits, so that the main thread writes
        memo._pending.append(("INSERT INTO engines (versions) VALUES (?)", ("x",)))
        monkeypatch.setattr(memo, "_writer", Interrupting())
        with pytest.raises(KeyboardInterrupt):
            memo._write_pending()
    memo.flush()
    memo.close()
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        assert connection.execute("SELECT versions FROM engines").fetchall() == [("x",)]


def test_a_file_that_is_no_memo_is_named(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(b"this is not a database at all, but long enough to be read as one" * 20)
    with pytest.raises(StorageError, match="not a readable memo"):
        Memo(tmp_path)


def test_many_threads_may_put(tmp_path):
    with Memo(tmp_path) as memo:

        def put(start: int) -> None:
            for number in range(start, start + 300):
                memo.put(key(number), "Text", b"", "{}")

        threads = [threading.Thread(target=put, args=(start,)) for start in range(0, 1200, 300)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with Memo(tmp_path) as memo:
        assert len(memo) == 1200


def test_the_file_system_of_a_folder_is_known():
    with open("/proc/mounts", encoding="utf-8") as mounts:
        kinds = {line.split()[2] for line in mounts}
    assert file_system(Path("/proc/self")) == "proc"
    assert file_system(Path("/")) in kinds
