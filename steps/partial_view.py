"""The `.partial` file of step 1: rows as they finish, for people to watch; the view itself is written at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.requests import Result
from pipeline.views import raise_storage_error
from steps.calls import Call


class PartialView:
    """Appends the row of each document whose last missing call comes in.

    `row(position, results)` makes the encoded row of the document at a position in `calls`.
    """

    def __init__(
        self,
        path: Path,
        calls: Sequence[Sequence[Call]],
        missing: Iterable[str],
        row: Callable[[int, Mapping[str, Result]], bytes],
    ) -> None:
        self._path = path
        self._row = row
        wanted = set(missing)
        self._waiting: dict[int, set[str]] = {}
        self._users: dict[str, list[int]] = {}
        for position, group in enumerate(calls):
            keys = {call.key for call in group} & wanted
            self._waiting[position] = keys
            for key in keys:
                self._users.setdefault(key, []).append(position)
        self._results: dict[int, dict[str, Result]] = {}

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("wb")
        except OSError as error:
            raise_storage_error(error, self._path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, result: Result) -> None:
        """Take a result in; write the rows that it completes. Raises StorageError."""
        for position in self._users.pop(result.key, ()):
            waiting = self._waiting[position]
            waiting.discard(result.key)
            self._results.setdefault(position, {})[result.key] = result
            if not waiting:
                self._append(self._row(position, self._results.pop(position)))

    def _append(self, line: bytes) -> None:
        try:
            self._file.write(line)
            self._file.flush()
        except OSError as error:
            raise_storage_error(error, self._path)
