"""Groups: members by name, nested, or written out in place, and the figures that are averaged over them.

It resolves names to task files with the group's own overrides; building tasks of them is `loader.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import TaskError
from tasks.index import Definition, TaskIndex
from tasks.task import Group
from tasks.task_file import Origin, TaskFile, read_task_file

_GROUP_KEYS = frozenset({"group", "group_alias", "task", "aggregate_metric_list", "metadata", "tag"})
_METRIC_KEYS = frozenset({"metric", "aggregation", "weight_by_size", "filter_list"})


@dataclass
class Resolved:
    """What names come to: task files in order, each name once, and the groups over them."""

    files: dict[str, TaskFile] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)


class Resolver:
    """Follows names through groups and tags to task files."""

    def __init__(self, index: TaskIndex) -> None:
        self._index = index

    def resolve(self, name: str, where: str) -> Resolved:
        """The tasks that a run's entry names: a task, a group, a tag, or a pattern. Raises TaskError."""
        found = Resolved()
        if "*" in name or "?" in name:
            names = self._index.matching(name)
            if not names:
                raise TaskError(f"no task fits the pattern {name!r}", where=where, fix="List all: python main.py tasks")
            for one in names:
                self._add(one, where, _NO_OVERRIDES, found, ())
        else:
            self._add(name, where, _NO_OVERRIDES, found, ())
        return found

    def _add(
        self, name: str, where: str, overrides: _Overrides, found: Resolved, above: tuple[str, ...]
    ) -> tuple[str, ...]:
        """Add what `name` stands for; gives the names under which a group lists it."""
        if name in above:
            raise TaskError(f"the groups hold each other: {' -> '.join((*above, name))}", where=where)
        definition = self._index.find(name, where)
        if definition is None:
            tagged = self._index.tags.get(name)
            if tagged is None:
                raise self._index.unknown(name, where)
            return tuple(one for tag in tagged for one in self._add(tag, where, overrides, found, above))
        if definition.kind == "group":
            self._add_group(read_task_file(definition.path), name, overrides, found, above)
        else:
            _add_task(_task_file(definition), name, where, overrides, found)
        return (name,)

    def _add_group(
        self, file: TaskFile, name: str, overrides: _Overrides, found: Resolved, above: tuple[str, ...]
    ) -> None:
        inherited = overrides.under(file.values, file.origins)
        members: list[str] = []
        listed = file.values.get("task")
        for number, member in enumerate(listed if isinstance(listed, list) else [listed]):
            members += self._member(file, member, number, name, inherited, found, (*above, name))
        group = Group(name, tuple(dict.fromkeys(members)), file.values.get("group_alias"), _group_metrics(file))
        found.groups[name] = group

    def _member(
        self,
        file: TaskFile,
        member: Any,
        number: int,
        group: str,
        overrides: _Overrides,
        found: Resolved,
        above: tuple[str, ...],
    ) -> tuple[str, ...]:
        where = file.where("task", number)
        if isinstance(member, str):
            return self._add(member, where, overrides, found, above)
        if not isinstance(member, dict) or not isinstance(member.get("group", member.get("task")), (str, list)):
            raise TaskError(
                f"a member of the group {group} is a name, or a mapping with `task` or `group`", where=where
            )
        base = file.origins["task"]
        origins = {key: Origin(base.document, (*base.path, number, key)) for key in member}
        known = member.get("group") or member["task"]
        if self._index.find(known, where) is not None or known in self._index.tags:
            own = {key: value for key, value in member.items() if key not in ("task", "group")}
            return self._add(known, where, overrides.over(own, origins), found, above)
        inner = TaskFile(file.path, dict(member), origins, file.warnings)
        name = f"{group}::{known}"
        if "group" in member:
            self._add_group(inner, name, overrides, found, above)
        else:
            merged = overrides.over(member, origins)
            _add_task(TaskFile(file.path, dict(merged.values), dict(merged.origins)), name, where, _NO_OVERRIDES, found)
        return (name,)


@dataclass(frozen=True)
class _Overrides:
    """Keys that a group sets for its members, and where it does."""

    values: Mapping[str, Any]
    origins: Mapping[str, Origin]

    def over(self, values: Mapping[str, Any], origins: Mapping[str, Origin]) -> _Overrides:
        """These, with stronger ones."""
        return _Overrides({**self.values, **values}, {**self.origins, **origins})

    def under(self, values: Mapping[str, Any], origins: Mapping[str, Origin]) -> _Overrides:
        """These, above a group file's own settings for its members."""
        own = {key: value for key, value in values.items() if key not in _GROUP_KEYS}
        return _Overrides(own, {key: origins[key] for key in own}).over(self.values, self.origins)


_NO_OVERRIDES = _Overrides({}, {})


def _task_file(definition: Definition) -> TaskFile:
    return read_task_file(definition.path)


def _add_task(file: TaskFile, name: str, where: str, overrides: _Overrides, found: Resolved) -> None:
    file = file.overridden({**overrides.values, "task": name}, overrides.origins)
    known = found.files.get(name)
    if known is not None and known.values != file.values:
        raise TaskError(f"the task {name} is asked for twice, with different settings", where=where)
    found.files[name] = file


def _group_metrics(file: TaskFile) -> tuple[Mapping[str, Any], ...]:
    listed = file.values.get("aggregate_metric_list") or []
    entries = listed if isinstance(listed, list) else [listed]
    return tuple(_group_metric(file, entry, number) for number, entry in enumerate(entries))


def _group_metric(file: TaskFile, entry: Any, number: int) -> Mapping[str, Any]:
    where = file.where("aggregate_metric_list", number)
    if not isinstance(entry, dict) or not isinstance(entry.get("metric"), str):
        raise TaskError("an entry of aggregate_metric_list is a mapping with `metric: <name>`", where=where)
    unknown = sorted(set(entry) - _METRIC_KEYS)
    if unknown:
        fix = f"There are {', '.join(sorted(_METRIC_KEYS))}."
        raise TaskError(f"aggregate_metric_list has no key {unknown[0]!r}", where=where, fix=fix)
    if entry.get("aggregation", "mean") != "mean":
        raise TaskError("groups are aggregated by `mean` alone", where=where)
    filters = entry.get("filter_list")
    return {
        "metric": entry["metric"],
        "aggregation": "mean",
        "weight_by_size": entry.get("weight_by_size", True),
        "filter_list": [filters] if isinstance(filters, str) else filters,
    }
