"""Data files on disk: plain ones and members of a zip, and the rule by which a split of a data set is found among them.

It opens nothing but a zip's table of contents; reading documents is `data_readers.py`.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO

from pipeline.errors import DataError
from pipeline.near import listed, nearest, path_meant

SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".arrow")
_ALIASES = (("train", "training"), ("validation", "val", "valid", "dev"), ("test",))
_SPLIT_WORDS = frozenset(word for words in _ALIASES for word in words)
_DEPTH = 3  # folders below the data folder that are searched
_LISTED = 12


@dataclass(frozen=True)
class DataFile:
    """One file of documents. `name` is what people know it by: its path below the data folder or within the zip."""

    path: Path
    name: str
    member: str | None = None  # within the zip `path`

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.member or self.path.name).suffix.lower()

    @property
    def form(self) -> str:
        """What besides its bytes decides on the documents: the member of a zip, else how its suffix has it read."""
        return f"{self.member} of the zip" if self.member else self.suffix.removeprefix(".")

    @property
    def shown(self) -> str:
        return f"{self.path}/{self.member}" if self.member else str(self.path)

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The file's bytes. Raises DataError where it cannot be read."""
        try:
            if self.member is None:
                with self.path.open("rb") as file:
                    yield file
            else:
                with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as member:
                    yield member
        except (zipfile.BadZipFile, OSError) as error:
            raise DataError(f"the data file cannot be read: {error}", where=self.shown) from error


class NoSplitError(DataError):
    """A split that its source has not got; `near` is one of those that it has, where it is probably meant."""

    def __init__(self, what: str, split: str, there: Iterable[str], *, where: str, fix: str = "") -> None:
        self.split = split
        self.near = next(iter(nearest(split, map(str, there), cutoff=0.75)), None)
        super().__init__(what, where=where, fix=fix)

    def blamed(self, where: str) -> DataError:
        """The same error told of the setting that names the split, at `where`, if that is likely misspelt."""
        if self.near is not None:
            return DataError(self.what, where=where, fix=f"Did you mean {self.near}?")
        return DataError(self.what, where=self.where, fix=f"The split is named at {where}. {self.fix}".strip())


def split_names(split: str) -> tuple[str, ...]:
    """The names that a split goes by in files, its own first: `validation` is also val, valid and dev."""
    family = next((words for words in _ALIASES if split in words), ())
    return (split, *(word for word in family if word != split))


def data_file(path: Path, split: str, where: str) -> DataFile:
    """The file `path` itself, or the split's file within it if it is a zip. Raises DataError."""
    if not path.exists():
        raise DataError(f"no such data file: {path}", where=where, fix=path_meant(path))
    if path.is_dir():
        raise DataError(f"{path} is a folder", where=where, fix="Give a folder as data_dir, and files as data_files.")
    if path.suffix.lower() == ".zip":
        members = _zip_members(path)
        return _member(path, members[0]) if len(members) == 1 else find_split(path, None, split, where)
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{path} has no known form", where=where, fix=f"Known are {', '.join(SUFFIXES)} and .zip.")
    return DataFile(path, path.name)


def find_split(folder: Path, config: str | None, split: str, where: str) -> DataFile:
    """The file of one split of one configuration in a folder or zip.

    Tried in this order, for the split's own name and then its other names: files named by configuration and split
    (`<config>/<split>`, `<config>_<split>`, `<split>/<config>_<split>`, `<split>/<config>`), by split, and at last by
    configuration alone; all with any known suffix, and below one common top folder as well.
    Raises DataError if there is none, or two that are equally good.
    """
    if not folder.exists():
        raise DataError(f"no such data folder: {folder}", where=where, fix=path_meant(folder))
    if folder.is_file() and folder.suffix.lower() != ".zip":
        fix = f"Give it as data_files: {folder}"
        raise DataError(f"data_dir takes a folder or a zip, and {folder} is a file", where=where, fix=fix)
    names = _zip_members(folder) if folder.is_file() else _folder_files(folder)
    top, inner = _below_common_top(names, config)
    found = _choose(names, config, split, folder, where)
    if found is None and top:
        found = _choose(inner, config, split, folder, where)
        found = found and f"{top}/{found}"
    if found is None:
        raise _no_split(folder, names, config, split, where)
    return _member(folder, found) if folder.is_file() else DataFile(folder / found, found)


def _member(archive: Path, name: str) -> DataFile:
    return DataFile(archive, f"{archive.name}/{name}", name)


def _choose(names: Sequence[str], config: str | None, split: str, folder: Path, where: str) -> str | None:
    by_stem: dict[str, list[str]] = {}
    for name in names:
        by_stem.setdefault(name.rpartition(".")[0], []).append(name)
    for stems in _tiers(config, split):
        found = [name for stem in stems for name in by_stem.get(stem, ())]
        if len(found) > 1:
            listed = ", ".join(sorted(found))
            fix = f"Name the one that is meant: data_files: {{{split}: {folder / found[0]}}}"
            raise DataError(f"{folder} has several files for the split {split}: {listed}", where=where, fix=fix)
        if found:
            return found[0]
    return None


def _tiers(config: str | None, split: str) -> Iterator[list[str]]:
    """Stems that are equally good, best first."""
    aliases = split_names(split)
    if config:
        for name in aliases:
            yield [f"{config}/{name}", f"{config}_{name}", f"{name}/{config}_{name}", f"{name}/{config}"]
        yield [config]  # before a file of the split alone, which may belong to another set in the same folder
    for name in aliases:
        yield [name]


def _below_common_top(names: Sequence[str], config: str | None) -> tuple[str, list[str]]:
    tops = {name.partition("/")[0] for name in names if "/" in name}
    if len(tops) != 1 or any("/" not in name for name in names):
        return "", []
    top = tops.pop()
    if top in _SPLIT_WORDS or top == config:  # it says what the files are, and must not be overlooked
        return "", []
    return top, [name.partition("/")[2] for name in names]


def _zip_members(archive: Path) -> Sequence[str]:
    try:
        state = archive.stat()
        return _members(archive, state.st_mtime_ns, state.st_size)
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"the zip cannot be read: {error}", where=str(archive)) from error


@lru_cache(maxsize=8)
def _members(archive: Path, _mtime: int, _size: int) -> tuple[str, ...]:
    """The data files in a zip as it is at that time: the many tasks of a group ask for the same one."""
    with zipfile.ZipFile(archive) as opened:
        return tuple(name for name in opened.namelist() if _is_data(name))


def _folder_files(folder: Path) -> list[str]:
    found: list[str] = []
    for parent, folders, files in os.walk(folder, followlinks=True):
        below = os.path.relpath(parent, folder).replace(os.sep, "/")
        if below != "." and below.count("/") + 1 >= _DEPTH:
            folders.clear()
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [name if below == "." else f"{below}/{name}" for name in sorted(files)]
    return [name for name in found if _is_data(name)]


def _is_data(name: str) -> bool:
    if not name.lower().endswith(SUFFIXES):
        return False
    parts = name.split("/")
    return not any(part.startswith((".", "__MACOSX")) for part in parts)


def _no_split(folder: Path, names: Sequence[str], config: str | None, split: str, where: str) -> NoSplitError:
    wanted = f"the split {split} of {config}" if config else f"the split {split}"
    expected = f"{config}/{split}.jsonl or {config}_{split}.csv" if config else f"{split}.jsonl or {split}.csv"
    there = listed(names, _LISTED)
    fix = f"There are: {there}. A name such as {expected} would be found; data_files names any other file."
    if not names:
        fix = f"It holds no data file at all; {', '.join(SUFFIXES)} are known."
    words = {word for name in names for word in re.split(r"[/_]", name.rpartition(".")[0])}
    return NoSplitError(f"{folder} has no data file for {wanted}", split, sorted(words), where=where, fix=fix)
