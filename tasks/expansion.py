"""The keys `expand` and `slice_groups` of a task file, read into what the steps after the first work with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.errors import Problem
from tasks.task import Expansion
from tasks.task_file import TaskFile

_KEYS = frozenset({"over", "into", "name", "failures"})


def expansion(value: Mapping[str, Any] | None) -> Expansion | None:
    """The checked value of `expand`."""
    if value is None:
        return None
    return Expansion(value["over"], tuple(value["into"]), value["name"], tuple(value.get("failures") or ()))


def expansion_problems(file: TaskFile, value: Mapping[str, Any] | None) -> list[Problem]:
    """What is wrong with `expand`."""
    if value is None:
        return []
    unknown = sorted(str(key) for key in value if key not in _KEYS)
    if unknown:
        message = f"`expand` has no key {unknown[0]!r}; there are {', '.join(sorted(_KEYS))}"
        return [Problem(file.where("expand", unknown[0]), message)]
    into = value.get("into")
    sound = (
        isinstance(value.get("over"), str)
        and _are_texts(into)
        and bool(into)
        and value.get("name") in (into or ())
        and _are_texts(value.get("failures") or [])
    )
    if sound:
        return []
    message = (
        "`expand` is `{over: <column>, into: [<new columns>], name: <one of them>}`, and perhaps failures: [texts]"
    )
    return [Problem(file.where("expand"), message)]


def slice_group_problems(file: TaskFile, value: Mapping[str, Any], slices: list[str]) -> list[Problem]:
    """What is wrong with `slice_groups`."""
    problems = []
    for name, groups in value.items():
        if name not in slices:
            message = f"`slice_groups` names {name!r}, which is none of the task's slices"
            problems.append(Problem(file.where("slice_groups", name), message))
        elif not isinstance(groups, dict) or not all(_are_texts(members) and members for members in groups.values()):
            message = "`slice_groups` is `{<slice>: {<group>: [<values of the slice>]}}`"
            problems.append(Problem(file.where("slice_groups", name), message))
    return problems


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
