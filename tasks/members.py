"""From a name to task files: through groups, nested or written out in place, and tags, with what groups override.

What a run's entry may be is `entries.py`; building tasks of the files is `loader.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.console import warn_once
from pipeline.errors import TaskError
from tasks.group_metrics import group_metrics
from tasks.index import TaskIndex
from tasks.task import Group
from tasks.task_file import Origin, TaskFile, inline_file, read_task_file

# Keys of a group itself; all others are settings for its members.
_GROUP_KEYS = frozenset({"group", "group_alias", "task", "aggregate_metric_list", "metadata", "tag"})
_NAMES = ("tag", "group", "task_list")  # which say where a task is listed, and nothing about it


@dataclass
class Resolved:
    """What names come to: task files in order, each name once, and the groups over them."""

    files: dict[str, TaskFile] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)


@dataclass(frozen=True)
class _Overrides:
    """Keys that a group sets for its members, and where it does."""

    values: Mapping[str, Any] = field(default_factory=dict)
    origins: Mapping[str, Origin] = field(default_factory=dict)

    def over(self, values: Mapping[str, Any], origins: Mapping[str, Origin]) -> _Overrides:
        """These, with stronger ones."""
        return _Overrides({**self.values, **values}, {**self.origins, **origins})

    def under(self, values: Mapping[str, Any], origins: Mapping[str, Origin]) -> _Overrides:
        """These, above a group file's own settings for its members."""
        own = {key: value for key, value in values.items() if key not in _GROUP_KEYS}
        return _Overrides(own, {key: origins[key] for key in own}).over(self.values, self.origins)


class Members:
    """Gathers what names of one index stand for in `found`. All methods raise TaskError or ConfigError."""

    def __init__(self, index: TaskIndex, found: Resolved) -> None:
        self._index = index
        self._found = found

    def add(
        self, name: str, where: str, overrides: _Overrides = _Overrides(), above: tuple[str, ...] = ()
    ) -> tuple[str, ...]:
        """Add the task, group or tag `name`; gives the names under which a group lists it. `above` are its groups."""
        if name in above:
            raise TaskError(f"the groups hold each other: {' -> '.join((*above, name))}", where=where)
        definition = self._index.find(name, where)
        if definition is not None:
            return self._add_defined(
                _remarked(read_task_file(definition.path)), name, definition.kind, where, overrides, above
            )
        tagged = self._index.tagged(name)
        if not tagged:
            raise self._index.unknown(name, where)
        return tuple(one for task in tagged for one in self.add(task, where, overrides, above))

    def add_file(self, path: Path, where: str) -> None:
        """Add what a task file defines that the index need not know."""
        file = _remarked(read_task_file(path))
        kind = "group" if "group" in file.values and "class" not in file.values else "task"
        name = file.values.get(kind)
        if not isinstance(name, str):
            fix = "A file of a task names it by `task: <name>`, one of a group by `group: <name>` with its members."
            raise TaskError("the file names neither a task nor a group", where=file.where(kind), fix=fix)
        self._add_defined(file, name, kind, where, _Overrides(), ())

    def _add_defined(
        self, file: TaskFile, name: str, kind: str, where: str, overrides: _Overrides, above: tuple[str, ...]
    ) -> tuple[str, ...]:
        if kind == "group":
            self._add_group(file, name, overrides, above)
        else:
            self._add_task(file, name, where, overrides)
        return (name,)

    def _add_group(self, file: TaskFile, name: str, overrides: _Overrides, above: tuple[str, ...]) -> None:
        inherited = overrides.under(file.values, file.origins)
        self._found.groups[name] = Group(name, ())  # whose place is before the groups within it
        members: list[str] = []
        listed = file.values.get("task")
        for number, member in enumerate(listed if isinstance(listed, list) else [listed]):
            where = file.where("task", number)
            if isinstance(member, str):
                members += self.add(member, where, inherited, (*above, name))
            else:
                members += self._add_mapping(file, member, number, name, inherited, (*above, name))
        alias, version = file.values.get("group_alias"), _version(file)
        group = Group(name, tuple(dict.fromkeys(members)), alias, group_metrics(file), version)
        self._found.groups[name] = group

    def _add_mapping(
        self, file: TaskFile, member: Any, number: int, group: str, overrides: _Overrides, above: tuple[str, ...]
    ) -> tuple[str, ...]:
        """A member with settings of its own: a known name, or a task or group that is written out here."""
        where = file.where("task", number)
        kind = "group" if isinstance(member, dict) and "group" in member else "task"
        if not isinstance(member, dict) or not isinstance(member.get(kind), str):
            message = f"a member of the group {group} is a name, or a mapping with `task` or `group`"
            raise TaskError(message, where=where)
        known = member[kind]
        base = file.origins["task"]
        origins = {key: Origin(base.document, (*base.path, number, key)) for key in member}
        listed = kind == "group" and "task" in member
        if not listed and (self._index.find(known, where) is not None or self._index.tagged(known)):
            own = {key: value for key, value in member.items() if key not in ("task", "group")}
            return self.add(known, where, overrides.over(own, origins), above)
        name = f"{group}::{known}"
        if kind == "group":
            self._add_group(TaskFile(file.path, dict(member), origins), name, overrides, above)
        else:
            merged = overrides.over(member, origins)
            inner = _remarked(inline_file(file.path, merged.values, merged.origins))
            self._add_task(inner, name, where, _Overrides())
        return (name,)

    def _add_task(self, file: TaskFile, name: str, where: str, overrides: _Overrides) -> None:
        kept = {key: value for key, value in file.values.items() if key not in _NAMES}
        values = {key: value for key, value in overrides.values.items() if key not in _NAMES}
        file = TaskFile(file.path, kept, file.origins, file.warnings)
        file = file.overridden({**values, "task": name}, overrides.origins)
        known = self._found.files.get(name)
        if known is not None and known.values != file.values:
            raise TaskError(f"the task {name} is asked for twice, with different settings", where=where)
        self._found.files[name] = file


def _remarked(file: TaskFile) -> TaskFile:
    """The file, whose repeated keys the user is told about."""
    for problem in file.warnings:
        warn_once(f"{problem}; until then the last one counts")
    return file


def _version(file: TaskFile) -> str | None:
    metadata = file.values.get("metadata")
    known = metadata.get("version") if isinstance(metadata, dict) else None
    return None if known is None else str(known)
