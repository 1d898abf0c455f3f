"""Where a task's documents come from: files of one's own, or the Hugging Face hub; both give the documents of a split.

What the hub gives is `hub_data.py`.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pipeline.errors import DataError, MissingPackageError
from pipeline.fingerprint import FileHashes
from pipeline.near import did_you_mean
from tasks.data_files import DataFile, NoSplitError, data_file, find_split, split_names
from tasks.data_readers import ReadOptions, Record, read_records
from tasks.hub_data import HubData
from tasks.typed_records import typed_records

_FILE_BUILDERS = frozenset({"json", "jsonl", "csv", "tsv", "parquet", "arrow"})
_ARGUMENTS = ("data_files", "data_dir", "column_names", "names", "delimiter", "sep", "field", "cells")
# Of `datasets.load_dataset`, about its cache and its ways, which are not gone here.
_OF_CACHE = ("cache_dir", "download_mode", "verification_mode", "keep_in_memory", "num_proc", "trust_remote_code")
FileMap = str | Sequence[str] | Mapping[str, str | Sequence[str]]


class DataSource(Protocol):
    """The splits of one data set."""

    def locate(self, split: str) -> None:
        """Raises DataError if it can be seen without reading that the split is not there."""
        ...

    def records(self, split: str) -> Iterator[Record]: ...

    def table(self, split: str) -> Any:
        """The split as a `datasets.Dataset`, which functions of task files take. Raises MissingPackageError."""
        ...

    def hashes(self, split: str, file_hashes: FileHashes) -> dict[str, str]:
        """What the split's documents come from, by split and position, each with its content's hash.

        Names and folders of files are in none of the keys: content alone counts.
        """
        ...

    def same(self, split: str, other: str) -> bool:
        """Whether two splits are the same documents."""
        ...

    def description(self) -> dict[str, Any]:
        """What of the source belongs to the task's definition; contents are in `hashes`, paths are nowhere."""
        ...


@dataclass(frozen=True)
class LocalData:
    """A folder or zip, or files named one by one."""

    config: str | None
    where: str  # file:line, for messages
    folder: Path | None = None
    files: FileMap | None = None
    options: ReadOptions = field(default_factory=ReadOptions)

    def locate(self, split: str) -> None:
        self._files(split)

    def records(self, split: str) -> Iterator[Record]:
        read = typed_records if self.options.typed else read_records
        for file in self._files(split):
            yield from read(file, self.options)

    def table(self, split: str) -> Any:
        return as_table(record.data for record in self.records(split))

    def hashes(self, split: str, file_hashes: FileHashes) -> dict[str, str]:
        files = enumerate(self._files(split), 1)
        return {f"split {split}, file {number} ({file.form})": file_hashes(file.path) for number, file in files}

    def same(self, split: str, other: str) -> bool:
        return split == other or self._files(split) == self._files(other)

    def description(self) -> dict[str, Any]:
        names, key = self.options.column_names, self.options.field
        table = {"column_names": list(names) if names else None, "delimiter": self.options.delimiter}
        return table | ({"field": key} if key is not None else {}) | ({} if self.options.typed else {"cells": "text"})

    def _files(self, split: str) -> list[DataFile]:
        if self.files is None:
            assert self.folder is not None
            return [find_split(self.folder, self.config, split, self.where)]
        named = self.files
        if isinstance(named, Mapping):
            known = next((name for name in split_names(split) if name in named), None)
            if known is None:
                fix = f"Add it: data_files: {{{split}: <file>}}"
                what = f"data_files has no split {split}; it has {', '.join(named)}"
                raise NoSplitError(what, split, named, where=self.where, fix=fix)
            named = named[known]
        patterns = [named] if isinstance(named, str) else named
        return [data_file(path, split, self.where) for text in patterns for path in self._paths(text)]

    def _paths(self, text: str) -> list[Path]:
        path = (self.folder or Path()) / Path(text).expanduser()
        if not glob.has_magic(text) or path.exists():
            return [path]
        found = sorted(glob.glob(str(path), recursive=True))
        if not found:
            raise DataError(f"no file matches {path}", where=self.where)
        return [Path(name) for name in found]


def as_table(records: Iterable[Mapping[str, Any]]) -> Any:
    """Documents as a `datasets.Dataset`. Raises MissingPackageError."""
    try:
        import datasets
    except ImportError as error:
        raise MissingPackageError("datasets", "the functions of task files that process documents") from error
    return datasets.Dataset.from_list(list(records), on_mixed_types="use_json")


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """While it lasts, `datasets` draws no bars: a task's documents are processed several times a run."""
    import datasets

    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


def open_source(
    path: str | None,
    config: str | None,
    arguments: Mapping[str, Any],
    *,
    data_dir: str | None = None,
    data_files: FileMap | None = None,
    local_arguments: Mapping[str, Any] | None = None,
    task_folder: Path | None = None,
    where: str,
) -> DataSource:
    """The source that a task's `dataset_*` keys name; the run's own `data_dir` or `data_files` go before them.

    `local_arguments` say how these are to be read, where that differs from what `arguments` say.

    Relative paths of a task's file are taken from the working directory, and where they are not there, from beside
    the file. Raises DataError if nothing says where data are.
    """
    if data_dir is not None or data_files is not None:
        folder = Path(data_dir).expanduser() if data_dir is not None else None
        return LocalData(config, where, folder, data_files, _options({**arguments, **(local_arguments or {})}, where))
    options = _options(arguments, where)
    if path is None:
        fix = "Give dataset_path in its file, or data_dir or data_files in the run's YAML."
        raise DataError("nothing says where the task's data are", where=where, fix=fix)
    if path in _FILE_BUILDERS and _elsewhere(arguments.get("data_files")):
        return HubData(path, config, arguments, where)
    if path in _FILE_BUILDERS:
        _check_arguments(path, arguments, where)
        if "data_files" not in arguments and "data_dir" not in arguments:
            fix = "Add dataset_kwargs: {data_files: {test: <file>}}"
            raise DataError(f"dataset_path: {path} needs the files' names", where=where, fix=fix)
        files = _beside(arguments.get("data_files"), task_folder)
        folder_name = _beside(arguments.get("data_dir"), task_folder)
        return LocalData(config, where, Path(folder_name) if folder_name else None, files, options)
    local = _beside(path, task_folder)
    if Path(local).is_dir() or Path(local).suffix == ".zip":
        return LocalData(config, where, Path(local), arguments.get("data_files"), options)
    return HubData(path, config, arguments, where)


def _elsewhere(files: Any) -> bool:
    """Whether files have addresses (`hf://…`, `https://…`) instead of paths."""
    named = files.values() if isinstance(files, Mapping) else files if isinstance(files, list) else [files]
    return any(_elsewhere(one) if isinstance(one, list) else isinstance(one, str) and "://" in one for one in named)


def _check_arguments(path: str, arguments: Mapping[str, Any], where: str) -> None:
    """Raises DataError for what says how files are to be read and would be passed over."""
    for name, value in arguments.items():
        if name not in (*_ARGUMENTS, *_OF_CACHE) and value is not None:
            fix = did_you_mean(name, _ARGUMENTS, f"Known are {', '.join(_ARGUMENTS)}.")
            raise DataError(f"`{name}` of dataset_kwargs is not known for dataset_path: {path}", where=where, fix=fix)


def _options(arguments: Mapping[str, Any], where: str) -> ReadOptions:
    names = arguments.get("column_names", arguments.get("names"))
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise DataError("column_names takes a list of names", where=where)
    delimiter = arguments.get("delimiter", arguments.get("sep"))
    cells = arguments.get("cells", "typed")
    if cells not in ("typed", "text"):
        raise DataError(f"`cells` is typed or text, not {cells!r}", where=where)
    return ReadOptions(tuple(names) if names else None, delimiter, arguments.get("field"), cells == "typed")


def _beside(value: Any, folder: Path | None) -> Any:
    """Relative paths that do not stand in the working directory, taken from `folder`."""
    if isinstance(value, Mapping):
        return {name: _beside(one, folder) for name, one in value.items()}
    if isinstance(value, list):
        return [_beside(one, folder) for one in value]
    if not isinstance(value, str) or folder is None or Path(value).is_absolute() or Path(value).exists():
        return value
    return str(folder / value) if (folder / value).exists() else value
