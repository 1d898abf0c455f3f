"""Views: the JSONL files that steps read and people open. Written whole or not at all; read line by line."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self, TypeVar

import msgspec

from pipeline.errors import DataError, StorageError

_CHUNK_BYTES = 1 << 20
RowType = TypeVar("RowType")


class ViewSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a finished view is known by: hash of its bytes, lines, size in bytes."""

    sha256: str
    rows: int
    bytes: int


class ViewWriter:
    """Writes `<path>.partial`, for people to watch, and puts it in place of `path` by `commit`.

    Bytes are on disk (fsync of file and folder) before `path` changes; without `commit`, `path` stays as it was.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.partial = path.with_name(path.name + ".partial")
        self._hash = hashlib.sha256()
        self._rows = 0
        self._bytes = 0

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.partial.open("wb")
        except OSError as error:
            raise_storage_error(error, self.partial)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.close()
        except OSError:
            if kind is None:
                raise

    def write(self, lines: bytes, rows: int = 1) -> None:
        """Append whole lines; they are visible to readers at once. Raises StorageError."""
        try:
            self._file.write(lines)
            self._file.flush()
        except OSError as error:
            raise_storage_error(error, self.partial)
        self._hash.update(lines)
        self._rows += rows
        self._bytes += len(lines)

    def commit(self) -> ViewSummary:
        """Put the file in its place. Raises StorageError."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            os.replace(self.partial, self.path)
            sync_folder(self.path.parent)
        except OSError as error:
            raise_storage_error(error, self.path)
        return ViewSummary(sha256=self._hash.hexdigest(), rows=self._rows, bytes=self._bytes)


def write_file(path: Path, content: str | bytes) -> None:
    """Put a small file in place whole or not at all. Raises StorageError."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise_storage_error(error, path)


def sync_folder(folder: Path) -> None:
    """Make a rename within `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def raise_storage_error(error: OSError, path: Path) -> NoReturn:
    """An OSError met while writing, as one sentence that says what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        what, fix = "the disk is full", "Free some space and run the same command again: finished calls are kept"
    elif error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        what, fix = "cannot be written (read-only)", "Make the folder writable, or choose another output_dir"
    else:
        what, fix = f"cannot be written ({error.strerror or error})", "Check the path and the disk"
    raise StorageError(what, where=str(path), fix=fix) from error


def read_lines(path: Path) -> Iterator[tuple[int, list[bytes]]]:
    """The lines of a view in chunks of about 1 MiB, each with its first line's number (from 1). Raises DataError."""
    with open_view(path) as view:
        yield from lines_of(view)


def open_view(path: Path) -> BufferedReader:
    """The view, for `lines_of`. Raises DataError."""
    try:
        return path.open("rb")
    except OSError as error:
        raise _unreadable(error, path) from error


def lines_of(view: BufferedReader) -> Iterator[tuple[int, list[bytes]]]:
    """All lines of an open view, as `read_lines` gives them."""
    try:
        view.seek(0)
        number = 1
        while lines := view.readlines(_CHUNK_BYTES):
            yield number, lines
            number += len(lines)
    except OSError as error:
        raise _unreadable(error, Path(view.name)) from error


def _unreadable(error: OSError, path: Path) -> DataError:
    return DataError(f"cannot be read ({error.strerror})", where=str(path))


def first_broken_line(path: Path) -> int | None:
    """The number of the first line that is not JSON; None where all are. Raises DataError."""
    decoder = msgspec.json.Decoder(msgspec.Raw)
    for number, lines in read_lines(path):
        for offset, line in enumerate(lines):
            try:
                decoder.decode(line)
            except msgspec.DecodeError:
                return number + offset
    return None


def decode_line(decoder: msgspec.json.Decoder[RowType], line: bytes, path: str, number: int, remake: str) -> RowType:
    """One row. Raises DataError with `path:number`; `remake` is the command that writes the file anew."""
    try:
        return decoder.decode(line)
    except msgspec.DecodeError as error:
        raise DataError(
            f"this line is broken ({error})",
            where=f"{path}:{number}",
            fix=f"Write the file anew: {remake} (finished calls come from the memo)",
        ) from error
