"""The memo: one SQLite file that remembers every expensive call, key -> result, for all runs under one folder.

Resumption, caching and sharing between runs are this one mechanism. Only driver processes write it.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import quote

from pipeline.errors import EvaluationError, StorageError

FILE_NAME = "memo.sqlite"
_COMMIT_EVERY_S = 0.2
_PATIENCE_S = 300.0  # for another process that holds the file, such as one that prunes it
_LOOKUP = 500  # keys a query, well below SQLite's limit of parameters
_NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "lustre", "gpfs", "beegfs", "ceph", "afs", "fuse.sshfs", "glusterfs"}
)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS engines (id INTEGER PRIMARY KEY, versions TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS calls (
    key BLOB PRIMARY KEY, kind TEXT NOT NULL, value BLOB NOT NULL, engine INTEGER NOT NULL, used_day INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS failures (
    key BLOB PRIMARY KEY, type TEXT NOT NULL, message TEXT NOT NULL, deterministic INTEGER NOT NULL,
    attempts INTEGER NOT NULL
);
"""


class Failure(NamedTuple):
    """A call that failed, and how often it was tried."""

    type: str
    message: str
    deterministic: bool
    attempts: int

    def retry(self, max_attempts: int) -> bool:
        """Whether the next run tries again: always, but for a fault of the request's own after `max_attempts`."""
        return not self.deterministic or self.attempts < max_attempts


class MemoReader:
    """The memo for those who only look results up, worker processes among them. Keys are 64 hex digits."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self.network = file_system(folder) in _NETWORK_FILE_SYSTEMS
        try:
            self._reader = self._connect()
        except sqlite3.Error as error:
            raise self._storage_error(error) from error

    def known(self, keys: Iterable[str]) -> set[str]:
        """Those of `keys` that have a result."""
        found: set[str] = set()
        for part, marks in _parts(keys):
            for key, used in self._query(f"SELECT key, used_day FROM calls WHERE key IN ({marks})", part):
                found.add(key.hex())
                self._used(key, used)
        return found

    def get(self, keys: Iterable[str]) -> dict[str, bytes]:
        """The results that there are of `keys`."""
        found: dict[str, bytes] = {}
        for part, marks in _parts(keys):
            for key, value, used in self._query(f"SELECT key, value, used_day FROM calls WHERE key IN ({marks})", part):
                found[key.hex()] = value
                self._used(key, used)
        return found

    def _used(self, key: bytes, day: int) -> None:
        """A result was found, last used on `day`; whoever may write keeps account of it."""

    def failures(self, keys: Iterable[str]) -> dict[str, Failure]:
        """The failed calls among `keys`."""
        found: dict[str, Failure] = {}
        for part, marks in _parts(keys):
            query = f"SELECT key, type, message, deterministic, attempts FROM failures WHERE key IN ({marks})"
            for key, kind, message, deterministic, attempts in self._query(query, part):
                found[key.hex()] = Failure(kind, message, bool(deterministic), attempts)
        return found

    def engine_versions(self, keys: Iterable[str]) -> dict[str, int]:
        """How many of `keys` were computed under which package versions (JSON text)."""
        found: dict[str, int] = {}
        for part, marks in _parts(keys):
            query = (
                "SELECT versions, count(*) FROM calls JOIN engines ON engines.id = calls.engine "
                f"WHERE key IN ({marks}) GROUP BY versions"
            )
            for versions, count in self._query(query, part):
                found[versions] = found.get(versions, 0) + count
        return found

    def close(self) -> None:
        """Let go of the file."""
        self._reader.close()

    def __len__(self) -> int:
        return int(self._reader.execute("SELECT count(*) FROM calls").fetchone()[0])

    def _connect(self) -> sqlite3.Connection:
        if self.path.exists() and not os.access(self.path.parent, os.W_OK):  # WAL could not be read: it wants a file
            uri = f"file:{quote(str(self.path.resolve()))}?immutable=1"
            return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        connection = sqlite3.connect(self.path, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA journal_mode = {'DELETE' if self.network else 'WAL'}")
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    def _query(self, query: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        try:
            return self._reader.execute(query, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._storage_error(error) from error

    def _storage_error(self, error: Exception) -> StorageError:
        text = str(error)
        if "full" in text or "No space" in text:
            return StorageError(
                "the disk is full: finished calls cannot be stored",
                where=str(self.path),
                fix="Free some space, or move the memo (memo_dir: …), and run the same command again: "
                "what was stored is not computed again",
            )
        if isinstance(error, sqlite3.DatabaseError) and ("malformed" in text or "not a database" in text):
            return StorageError(
                "this is not a readable memo",
                where=str(self.path),
                fix="Restore it from a copy, or move it away: its calls are then made again",
            )
        if "locked" in text:
            return StorageError(
                f"another process has held the memo for {_PATIENCE_S:.0f} s",
                where=str(self.path),
                fix="Wait until it has ended (`gc`, say) and run the same command again",
            )
        return StorageError(
            f"the memo cannot be used ({text})",
            where=str(self.path),
            fix="Make the folder writable, or set memo_dir to one that is",
        )


class Memo(MemoReader):
    """Results by key (64 hex digits). What is put is committed within 0.2 s, by a thread of its own.

    A `kill -9` between two commits loses those results alone. Errors of the disk (full, read-only) are raised as
    StorageError by the next `put`, `flush` or `close`; what was committed before stays.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            super().__init__(folder)
            self._reader.executescript(_SCHEMA)
            self._writer = self._connect()
        except (sqlite3.Error, OSError) as error:
            raise self._storage_error(error) from error
        self._pending: list[tuple[str, tuple[object, ...]]] = []
        self._engines: dict[str, int] = {}
        self._error: EvaluationError | None = None
        self._lock = threading.Lock()
        self._work = threading.Lock()  # held while a batch is written
        self._wake = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._write_loop, name="memo", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
            return
        try:
            self.close()
        except StorageError as failure:  # the first error says more
            assert error is not None
            error.add_note(str(failure))

    def put(self, key: str, kind: str, value: bytes, engine: str) -> None:
        """Remember a result. `engine`: the package versions that made it, as canonical JSON."""
        self._enqueue(
            [
                ("INSERT OR IGNORE INTO engines (versions) VALUES (?)", (engine,)),
                (
                    "INSERT OR REPLACE INTO calls SELECT ?, ?, ?, id, ? FROM engines WHERE versions = ?",
                    (bytes.fromhex(key), kind, value, _today(), engine),
                ),
                ("DELETE FROM failures WHERE key = ?", (bytes.fromhex(key),)),
            ]
        )

    def put_failure(self, key: str, kind: str, message: str, deterministic: bool) -> None:
        """Remember that a call failed once more."""
        statement = (
            "INSERT INTO failures VALUES (?, ?, ?, ?, 1) ON CONFLICT (key) DO UPDATE SET type = excluded.type, "
            "message = excluded.message, deterministic = excluded.deterministic, attempts = attempts + 1"
        )
        self._enqueue([(statement, (bytes.fromhex(key), kind, message, int(deterministic)))])

    def flush(self) -> None:
        """Return when everything put so far is committed. Raises StorageError."""
        with self._work:
            self._write_pending()
        self._raise_error()

    def close(self) -> None:
        """Commit what is pending and let go of the file. Raises StorageError."""
        if self._closed:
            return
        self._closed = True
        self._wake.set()
        self._thread.join()
        try:
            self.flush()
        finally:
            self._reader.close()
            self._writer.close()

    def _used(self, key: bytes, day: int) -> None:
        today = _today()
        if day < today:
            self._enqueue([("UPDATE calls SET used_day = ? WHERE key = ?", (today, key))])

    def prune(self, unused_for_days: float, dry_run: bool = False) -> tuple[int, int]:
        """Delete results not used for so many days; (results, bytes) removed, or that would be. Raises StorageError."""
        oldest = int(time.time() / 86400 - unused_for_days)
        counted = "SELECT count(*), coalesce(sum(length(value)), 0) FROM calls WHERE used_day < ?"
        ((results, size),) = self._query(counted, (oldest,))
        if not dry_run and results:
            self._query("DELETE FROM calls WHERE used_day < ?", (oldest,))
            self._query("DELETE FROM failures", ())
            self._query("VACUUM", ())
        return int(results), int(size)

    def _enqueue(self, statements: list[tuple[str, tuple[object, ...]]]) -> None:
        self._raise_error()
        with self._lock:
            self._pending.extend(statements)
        self._wake.set()

    def _write_loop(self) -> None:
        while not self._closed:
            self._wake.wait()
            self._wake.clear()
            with self._work:
                if self._error is None:  # else only a flush tries again
                    self._write_pending()
            time.sleep(0 if self._closed else _COMMIT_EVERY_S)

    def _write_pending(self) -> None:
        """Commit what is pending. What fails to be committed stays pending, for the next flush to try again."""
        with self._lock:
            batch = list(self._pending)
        if not batch:
            return
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            for statement, parameters in batch:
                self._writer.execute(statement, parameters)
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            self._error = self._storage_error(error)
            self._roll_back()
            return
        except BaseException:  # a signal, when the main thread flushes
            self._roll_back()
            raise
        self._error = None
        with self._lock:
            del self._pending[: len(batch)]

    def _roll_back(self) -> None:
        if self._writer.in_transaction:
            self._writer.rollback()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error


def _parts(keys: Iterable[str]) -> Iterable[tuple[list[bytes], str]]:
    """The keys in lots that fit a query, each with its parameter marks."""
    every = [bytes.fromhex(key) for key in keys]
    for start in range(0, len(every), _LOOKUP):
        part = every[start : start + _LOOKUP]
        yield part, ",".join("?" * len(part))


def _today() -> int:
    return int(time.time() // 86400)


def file_system(folder: Path) -> str:
    """The type of the file system that holds `folder` (Linux: from /proc/mounts), empty where unknown."""
    try:
        mounts = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    place = folder.resolve()
    best, kind = -1, ""
    for line in mounts:
        _, point, name, *_ = line.split(" ")
        path = Path(point.replace("\\040", " "))
        if (path == place or path in place.parents) and len(path.parts) > best:
            best, kind = len(path.parts), name
    return kind
