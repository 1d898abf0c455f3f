"""One task file as it stands on disk: its `include` chain merged, each key with the line that it comes from.

What the keys mean is `task_config.py`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import strict_yaml
from pipeline.errors import InputError, Problem, TaskError


@dataclass(frozen=True)
class FunctionReference:
    """A `!function module.name` as written; nothing is imported (see `task_code.py`)."""

    reference: str
    folder: Path  # of the file that names it
    where: str


@dataclass(frozen=True)
class Origin:
    """Where a key stands: in which document, below which path."""

    document: strict_yaml.Located
    path: tuple[str | int, ...]


@dataclass(frozen=True)
class TaskFile:
    """Keys and values after includes, own keys over included ones."""

    path: Path
    values: dict[str, Any]
    origins: dict[str, Origin]
    warnings: tuple[Problem, ...] = ()

    def where(self, *path: str | int) -> str:
        """`file:line` of a key, or of something within its value; of the file itself for a key that it lacks."""
        if path and isinstance(path[0], str) and path[0] in self.origins:
            origin = self.origins[path[0]]
            return origin.document.where((*origin.path, *path[1:]))
        return f"{shown(self.path)}:1"

    def holds(self, key: str, *path: str | int) -> bool:
        """Whether something stands within a key's value as files have it, before a run's own settings over it."""
        if key not in self.origins:
            return False
        origin = self.origins[key]
        value: Any = origin.document.value
        for part in (*origin.path, *path):
            try:
                value = value[part]
            except (LookupError, TypeError):
                return False
        return True

    def folder(self, key: str) -> Path:
        """The folder of the file in which a key stands, which relative paths of its value start from."""
        return Path(self.origins[key].document.source).resolve().parent if key in self.origins else self.path.parent

    def overridden(self, values: Mapping[str, Any], origins: Mapping[str, Origin]) -> TaskFile:
        """The same file with some keys replaced, as groups do for their members."""
        return TaskFile(self.path, self.values | dict(values), self.origins | dict(origins), self.warnings)


def with_functions(value: Any, replaced: Callable[[FunctionReference], Any]) -> Any:
    """A setting in which each function, at whatever depth, is what `replaced` makes of it."""
    if isinstance(value, FunctionReference):
        return replaced(value)
    if isinstance(value, Mapping):
        return {name: with_functions(one, replaced) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [with_functions(one, replaced) for one in value]
    return value


def shown(path: Path) -> str:
    """The path as messages show it: relative where it lies below the working directory."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def read_task_file(path: Path) -> TaskFile:
    """Read `path` and what it includes. A repeated key counts with its last value, and stands in `warnings`.

    Raises TaskError for a missing or circular include, ConfigError for broken YAML.
    """
    return _read(path.resolve(), ())


def _read(path: Path, including: tuple[Path, ...]) -> TaskFile:
    document, warnings = read_document(path)
    if not isinstance(document.value, dict):
        raise TaskError("a task file is a mapping of keys to values, and this is not", where=f"{shown(path)}:1")
    own = {str(key): value for key, value in document.value.items()}
    origins = {key: Origin(document, (key,)) for key in own}
    return _with_includes(TaskFile(path, own, origins, tuple(warnings)), including)


def inline_file(path: Path, values: Mapping[str, Any], origins: Mapping[str, Origin]) -> TaskFile:
    """A task that is written out in the file at `path`, with what it includes. Raises as `read_task_file` does."""
    return _with_includes(TaskFile(path, dict(values), dict(origins)), ())


def _with_includes(file: TaskFile, including: tuple[Path, ...]) -> TaskFile:
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    warnings = file.warnings
    for number, name in enumerate(_includes(file)):
        included = _included(file, name, number, (*including, file.path))
        values |= included.values
        origins |= included.origins
        warnings += included.warnings
    values.pop("task_list", None)  # an included list of tasks is the other file's
    values |= {key: value for key, value in file.values.items() if key != "include"}
    return TaskFile(file.path, values, origins | file.origins, warnings)


def read_document(path: Path) -> tuple[strict_yaml.Located, list[Problem]]:
    """The file alone, as it stands, and what is to be remarked about it. Raises ConfigError, InputError."""
    warnings: list[Problem] = []
    name = Path(shown(path))

    def function(content: Any, line: int) -> FunctionReference:
        return FunctionReference(str(content).strip(), path.parent, f"{name}:{line}")

    document = strict_yaml.read(name, constructors={"!function": function}, on_duplicate=warnings.append)
    return document, warnings


def _includes(file: TaskFile) -> list[str]:
    value = file.values.get("include")
    names = [] if value is None else value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) for name in names):
        raise TaskError("`include` takes a file's name, or a list of them", where=file.where("include"))
    return names


def _included(file: TaskFile, name: str, number: int, including: tuple[Path, ...]) -> TaskFile:
    target = (file.path.parent / name).resolve()
    where = file.where("include", number)
    if target in including:
        chain = " -> ".join(shown(one) for one in (*including, target))
        raise TaskError(f"the files include each other in a circle: {chain}", where=where)
    try:
        return _read(target, including)
    except InputError as error:
        if target.exists():
            raise
        raise TaskError(f"the included file {shown(target)} is not there", where=where) from error
