"""Lock files: what a view was made from, so that it is known to be fresh, or why it is not.

`stepN.lock.json` holds one entry a task. This file compares and stores; what goes into an entry is the steps' to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from pipeline.errors import StorageError
from pipeline.fingerprint import FileHashes, digest
from pipeline.os_locks import locked
from pipeline.run_folder import RunFolder
from pipeline.views import ViewSummary, write_file


class Basis(msgspec.Struct, frozen=True, kw_only=True):
    """What a view follows from; equal bases give equal views.

    `inputs`: content hashes by a name that a person knows. `settings`: all that affects output, nested. `version`: the
    step's own, raised when its code changes what it writes.
    """

    version: int
    inputs: dict[str, str]
    settings: dict[str, Any]

    def fingerprint(self) -> str:
        return digest(self)


class Entry(msgspec.Struct, kw_only=True):
    """One task's part of a lock file."""

    state: Literal["running", "done"]
    basis: Basis
    run: dict[str, Any]  # configuration as run, versions, commit, seeds, hardware, command
    view: ViewSummary | None = None
    counts: dict[str, int] = {}
    failed: dict[str, str] = {}  # metrics that valued no row, since they failed on every one, with the first reason
    seconds: float = 0.0  # of work, over all resumptions
    tokens: dict[str, int] = {}
    started: str = ""
    finished: str = ""


class LockFile:
    """The entries of one model and step, on disk; processes that work on other tasks update it too."""

    def __init__(self, folder: RunFolder, step: str, model: str) -> None:
        self.path = folder.lock_file(step, model)
        self._guard = folder.os_lock("lock", step, model)

    def entries(self) -> dict[str, Entry]:
        """All entries by task. Raises StorageError for a file that is no lock file."""
        return {task: self._decoded(content) for task, content in self._stored().items()}

    def get(self, task: str) -> Entry | None:
        """One task's entry. Raises as `entries` does."""
        content = self._stored().get(task)
        return None if content is None else self._decoded(content)

    def put(self, task: str, entry: Entry) -> None:
        """Store one task's entry beside the others'."""
        with locked(self._guard):
            entries = self._stored() | {task: msgspec.Raw(msgspec.json.encode(entry))}
            write_file(self.path, msgspec.json.format(msgspec.json.encode(entries), indent=1) + b"\n")

    def _stored(self) -> dict[str, msgspec.Raw]:
        """The entries as the file has them now, undecoded: each task is asked for apart, among hundreds of others."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return {}
        known = _last_read.get(self.path)
        if known is None or known[0] != data:
            try:
                known = _last_read[self.path] = data, _stored_entries.decode(data)
            except msgspec.DecodeError as error:
                raise self._unreadable(error) from error
        return known[1]

    def _decoded(self, content: msgspec.Raw) -> Entry:
        try:
            return _entry.decode(content)
        except msgspec.DecodeError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: msgspec.DecodeError) -> StorageError:
        return StorageError(
            f"this is not a readable lock file ({error})",
            where=str(self.path),
            fix="Remove it and run the step again: finished calls come from the memo",
        )


_stored_entries = msgspec.json.Decoder(dict[str, msgspec.Raw])
_entry = msgspec.json.Decoder(Entry)
_last_read: dict[Path, tuple[bytes, dict[str, msgspec.Raw]]] = {}  # of each lock file: its bytes, and what they hold


def why_stale(entry: Entry | None, basis: Basis, view: Path, hashes: FileHashes) -> list[str]:
    """The reasons why `view` is not what `basis` gives; none where it is fresh."""
    if entry is None:
        return ["not yet made"]
    reasons = list(changes(entry.basis, basis))
    if reasons:
        return reasons
    if entry.state == "running" or entry.view is None:
        return ["interrupted before its end"]
    if failed := entry.counts.get("retryable", 0):
        return [f"{failed} calls failed and will be tried again"]
    if entry.failed:  # what it lacked, a package's data say, may be there by now
        return [f"{', '.join(entry.failed)} failed on every row and will be tried again"]
    return altered(entry, view, hashes)


def altered(entry: Entry, view: Path, hashes: FileHashes) -> list[str]:
    """Why the file at `view` is not the one that `entry` tells of; none where it is."""
    if entry.view is None:
        return ["interrupted before its end"]
    try:
        same = hashes(view) == entry.view.sha256
    except FileNotFoundError:
        return [f"{view.name} is gone"]
    return [] if same else [f"{view.name} was changed after it was written"]


def changes(old: Basis, new: Basis) -> Iterator[str]:
    """What differs between two bases, each difference one phrase such as `generation.temperature: 0 -> 0.7`.

    Of what stands there by its hash, the code of a task say, only that it changed.
    """
    if old.version != new.version:
        yield f"the step's version: {old.version} -> {new.version}"
    for name in sorted(old.inputs.keys() | new.inputs.keys()):
        if name not in new.inputs:
            yield f"{name} is no longer read"
        elif name not in old.inputs:
            yield f"{name} is new"
        elif old.inputs[name] != new.inputs[name]:
            yield f"{name} changed"
    yield from _differences("", old.settings, new.settings)


_ABSENT = object()
_HASH = re.compile("[0-9a-f]{64}")


def _differences(path: str, old: Any, new: Any) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in sorted(old.keys() | new.keys()):
            inner = f"{path}.{name}" if path else name
            yield from _differences(inner, old.get(name, _ABSENT), new.get(name, _ABSENT))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, two) in enumerate(zip(old, new, strict=True)):
            label = _label(one, two)
            yield from _differences(f"{path} {label}" if label else f"{path}[{index}]", one, two)
    elif old is _ABSENT or new is _ABSENT or digest(old) != digest(new):
        yield f"{path} changed" if _is_hash(old) and _is_hash(new) else f"{path}: {_short(old)} -> {_short(new)}"


def _label(one: Any, two: Any) -> str | None:
    """The name that two list items share, as in a list of metrics."""
    if isinstance(one, Mapping) and isinstance(two, Mapping) and one.get("name") == two.get("name"):
        return one.get("name")
    return None


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


def _short(value: Any) -> str:
    if value is _ABSENT:
        return "(not set)"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else text[:57] + "..."
