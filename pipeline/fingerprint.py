"""Content hashes: of values (canonical JSON) and of files (remembered while their stat does not change)."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
import weakref
from pathlib import Path
from typing import Any

import msgspec

_CHUNK = 1 << 20
_SETTLED_AFTER_S = 2.0  # a file changed more recently may change again within the clock's resolution
_STORED_EVERY_S = 1.0  # a transaction costs several fsyncs, and a run of many tasks hashes hundreds of small files
_ordered = msgspec.json.Encoder(order="deterministic")


def canonical(value: Any) -> bytes:
    """`value` as JSON with sorted keys, unescaped UTF-8 and no spaces: equal values give equal bytes.

    Floats must be finite; tag others with `rows.to_plain` first.
    """
    return _ordered.encode(value)


def digest(value: Any) -> str:
    """sha256 of the canonical JSON of `value`, 64 hex digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def text_digest(text: str | bytes) -> str:
    """sha256 of a text's UTF-8 bytes, 64 hex digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text).hexdigest()


def hash_file(path: Path) -> str:
    """sha256 of a file's bytes, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class FileHashes:
    """File hashes remembered by (device, inode, size, mtime, ctime).

    A file overwritten in place with its size and mtime kept still gets a new ctime. Files changed within the last two
    seconds are hashed anew each time. `store` is the SQLite file that remembers across processes; None remembers
    within this process alone.
    """

    def __init__(self, store: Path | None = None) -> None:
        self._known: dict[str, str] = {}
        self._new: list[tuple[str, str]] = []  # not yet in the store
        self._stored_at = time.monotonic()
        self._connection: sqlite3.Connection | None = None
        if store is not None:
            store.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(store, timeout=60, isolation_level=None, check_same_thread=False)
            self._connection.execute("CREATE TABLE IF NOT EXISTS files (stat TEXT PRIMARY KEY, sha256 TEXT NOT NULL)")
            self._known = dict(self._connection.execute("SELECT stat, sha256 FROM files"))
            weakref.finalize(self, _store, self._connection, self._new)  # what the last second has brought

    def __getstate__(self) -> dict[str, Any]:  # a worker process knows what is known here, and remembers by itself
        return {"_known": dict(self._known), "_connection": None}

    def __call__(self, path: Path) -> str:
        """The hash of `path`. Raises OSError where it cannot be read."""
        stat = path.stat()
        key = json.dumps([stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns])
        known = self._known.get(key)
        if known is not None:
            return known
        value = hash_file(path)
        settled = time.time() - max(stat.st_mtime, stat.st_ctime) > _SETTLED_AFTER_S
        if settled and _same(stat, path.stat()):
            self._remember(key, value)
        return value

    def _remember(self, key: str, value: str) -> None:
        self._known[key] = value
        if self._connection is None:
            return
        self._new.append((key, value))
        if time.monotonic() - self._stored_at > _STORED_EVERY_S:
            if not _store(self._connection, self._new):
                self._connection = None
            self._stored_at = time.monotonic()


def _store(connection: sqlite3.Connection, new: list[tuple[str, str]]) -> bool:
    """Move `new` into the store; False where it takes nothing: a full or read-only disk, and the hashes are right."""
    if not new:
        return True
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?)", new)
        connection.execute("COMMIT")
    except sqlite3.OperationalError:
        return False
    new.clear()
    return True


def _same(one: os.stat_result, two: os.stat_result) -> bool:
    fields = ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
    return all(getattr(one, field) == getattr(two, field) for field in fields)
