"""The data of a Python task class: what `datasets.load_dataset` answers while an object of the class is made.

The class goes on asking as it was written; the run's own files, where it names some, are what it gets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from pipeline.errors import DataError
from pipeline.fingerprint import FileHashes
from tasks.datasets import DataSource, FileMap, LocalData, open_source
from tasks.hub_data import from_hub

_USUAL_SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class LocalSettings:
    """What the run says of where a task's data are; nothing of it, and they come from where the class says."""

    data_dir: str | None = None
    data_files: FileMap | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)  # how these are to be read
    where: str = ""  # file:line, for messages

    @property
    def given(self) -> bool:
        return self.data_dir is not None or self.data_files is not None


class ClassData:
    """Answers one object's questions for data, and knows the hashes of what it was given."""

    def __init__(self, local: LocalSettings, hashes: FileHashes | None) -> None:
        """Without `hashes` nothing is hashed."""
        self._local = local
        self._hashes = hashes
        self._read: list[tuple[DataSource, str, dict[str, str]]] = []
        self._loaded: dict[str, str] = {}

    @contextmanager
    def answering(self, modules: Iterable[ModuleType]) -> Iterator[None]:
        """While it lasts, `datasets.load_dataset`, also as `modules` have imported it, asks here.

        Classes call it themselves, in a `download` of their own too: there is no other place that all of them pass.
        """
        import datasets

        genuine = datasets.load_dataset

        def load_dataset(path: str, name: str | None = None, **settings: Any) -> Any:
            given = {key: value for key, value in settings.items() if value is not None}
            return self._answer(genuine, path, name, given)

        if self._local.given:
            datasets.disable_progress_bars()  # for good: classes process their data when asked for documents too
        holders = [datasets, *(module for module in modules if vars(module).get("load_dataset") is genuine)]
        for holder in holders:
            vars(holder)["load_dataset"] = load_dataset
        try:
            yield
        finally:
            for holder in holders:
                vars(holder)["load_dataset"] = genuine

    def inputs(self) -> dict[str, str]:
        """What was read, in its order, with its hash now. Raises DataError if that has changed."""
        found = dict(self._loaded)
        for number, (source, split, before) in enumerate(self._read, 1):
            now = source.hashes(split, self._hashes) if self._hashes is not None else before
            if now != before and before:
                what = f"the files of the split {split} changed while they were read"
                raise DataError(what, where=self._local.where, fix="Run the same command again.")
            found |= {f"read {number}, {name}": content for name, content in now.items()}
        return found

    def _answer(self, genuine: Any, path: str, name: str | None, settings: dict[str, Any]) -> Any:
        if not self._local.given:
            return self._from_hub(genuine, path, name, settings)
        split = settings.pop("split", None)
        source = open_source(
            path,
            name,
            {},
            data_dir=self._local.data_dir,
            data_files=self._local.data_files,
            local_arguments=self._local.arguments,
            where=self._local.where,
        )
        assert isinstance(source, LocalData)
        splits = LocalSplits(source, self)
        return splits if split is None else splits[split]

    def _from_hub(self, genuine: Any, path: str, name: str | None, settings: dict[str, Any]) -> Any:
        loaded = from_hub(path, name, settings, self._local.where, genuine)
        tables = loaded if isinstance(loaded, Mapping) else {str(settings.get("split")): loaded}
        for split, table in tables.items():
            label = "/".join(part for part in (path, name, split) if part)
            self._loaded[f"read {len(self._loaded) + 1}, {label}"] = str(getattr(table, "_fingerprint", ""))
        return loaded

    def read(self, source: DataSource, split: str) -> Any:
        """A split as a `datasets.Dataset`, noted as read. Raises DataError where it is not there."""
        before = source.hashes(split, self._hashes) if self._hashes is not None else {}
        self._read.append((source, split, before))
        return source.table(split)


class LocalSplits(MutableMapping[str, Any]):
    """The splits of local files, each read when first asked for; for all else they are as a `DatasetDict`."""

    def __init__(self, source: LocalData, data: ClassData) -> None:
        self._source = source
        self._data = data
        self._tables: dict[str, Any] = {}

    def __getitem__(self, split: str) -> Any:
        if split not in self._tables:
            self._tables[split] = self._data.read(self._source, split)
        return self._tables[split]

    def __setitem__(self, split: str, table: Any) -> None:
        self._tables[split] = table

    def __delitem__(self, split: str) -> None:
        del self._tables[split]

    def __contains__(self, split: object) -> bool:
        return split in self._tables or (isinstance(split, str) and self._is_there(split))

    def __iter__(self) -> Iterator[str]:
        named = self._source.files
        possible = named if isinstance(named, Mapping) else _USUAL_SPLITS
        there = [name for name in possible if name in self]
        return iter(dict.fromkeys([*there, *self._tables]))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __getattr__(self, name: str) -> Any:
        """`map`, `filter`, `column_names` and the like."""
        if name.startswith("_"):
            raise AttributeError(name, obj=self, name=name)
        import datasets

        return getattr(datasets.DatasetDict(dict(self)), name)

    def _is_there(self, split: str) -> bool:
        try:
            self._source.locate(split)
        except DataError:
            return False
        return True
