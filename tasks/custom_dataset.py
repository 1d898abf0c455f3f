"""Documents made by a function of the task's own (`custom_dataset`), called with the task's metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.errors import TaskError
from pipeline.fingerprint import FileHashes, digest
from tasks.data_files import NoSplitError
from tasks.data_readers import Record
from tasks.datasets import as_table
from tasks.seeds import Seeds
from tasks.task_code import CODE_ERRORS, load_function, task_code
from tasks.task_file import FunctionReference


class CustomData:
    """See `tasks.datasets.DataSource`. The function is called once, when a split is first read."""

    def __init__(
        self, function: FunctionReference, metadata: Any, arguments: Mapping[str, Any], trusted: bool, seeds: Seeds
    ) -> None:
        """Raises TaskError where the code is not trusted, or cannot be loaded."""
        self._reference = function
        self._function = load_function(function, trusted)
        self._arguments = {**(metadata if isinstance(metadata, Mapping) else {}), **arguments}
        self._seeds = seeds

    @cached_property
    def _splits(self) -> Mapping[str, Any]:
        self._seeds.sow()
        try:
            splits = self._function(**self._arguments)
        except CODE_ERRORS as error:
            what = f"the function fails: {type(error).__name__}: {error}"
            fix = "What it is called with is the task's `metadata`, over which the run's YAML may set its own."
            raise TaskError(what, where=self._reference.where, fix=fix) from error
        if not isinstance(splits, Mapping):
            what = f"the function must give splits by name, and gives {splits!r}"
            raise TaskError(what[:200], where=self._reference.where)
        return splits

    def locate(self, split: str) -> None:
        return None

    def records(self, split: str) -> Iterator[Record]:
        for number, data in enumerate(self._split(split), 1):
            if not isinstance(data, Mapping):
                what = f"the function must give documents by column, and record {number} of {split} is {data!r}"
                raise TaskError(what[:200], where=self._reference.where)
            yield Record(dict(data), f"{self._reference.reference}, {split}, record {number}")

    def table(self, split: str) -> Any:
        documents = self._split(split)
        return as_table(documents) if isinstance(documents, list) else documents

    def hashes(self, split: str, file_hashes: FileHashes) -> dict[str, str]:
        code = task_code(self._reference, True, file_hashes)
        content = [code.content, self._arguments, vars(self._seeds)]
        name = f"{self._reference.reference} {split}"
        named = enumerate(_files(self._arguments), 1)
        return {name: digest(content), **{f"{name}, file {number}": file_hashes(path) for number, path in named}}

    def same(self, split: str, other: str) -> bool:
        return split == other

    def description(self) -> dict[str, Any]:
        return {"arguments": dict(self._arguments)}

    def _split(self, split: str) -> Any:
        if split not in self._splits:
            there = ", ".join(map(str, self._splits))
            what = f"the function gives no split {split}; it gives {there}"
            raise NoSplitError(what, split, self._splits, where=self._reference.where)
        return self._splits[split]


def _files(arguments: Any) -> Iterator[Path]:
    """The files that the arguments name, in their order: the function may well read them."""
    if isinstance(arguments, Mapping):
        arguments = list(arguments.values())
    if isinstance(arguments, list):
        for one in arguments:
            yield from _files(one)
    elif isinstance(arguments, str) and arguments and _is_file(Path(arguments)):
        yield Path(arguments)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # no path at all, but a text that is too long or holds a zero byte
        return False
