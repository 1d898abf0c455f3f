"""The table of all tasks, groups and tags that `main.py tasks` prints."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Sequence
from typing import Any

from pipeline.errors import InputError
from tasks.index import Definition, TaskIndex
from tasks.task_file import read_task_file, shown

_HEADER = ("name", "kind", "output type", "metrics", "file")
Line = tuple[str, str, str, str, str]


def list_tasks(pattern: str | None, include_path: Sequence[str]) -> int:
    """Print names that fit `pattern`: a part of the name, or with `*` the whole of it. Exit code 1 if there is none."""
    index = TaskIndex(include_path)
    names = sorted({*index.definitions, *index.tags})
    chosen = [name for name in names if _fits(name, pattern)]
    lines = [line for name in chosen for line in _lines(name, index)]
    if not lines:
        near = difflib.get_close_matches(pattern or "", names, 3)
        hint = f" Near it: {', '.join(near)}." if near else ""
        print(f"No task, group or tag fits {pattern!r}.{hint}")
        return 1
    widths = [max(len(line[column]) for line in (_HEADER, *lines)) for column in range(len(_HEADER))]
    for line in (_HEADER, *lines):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    return 0


def _fits(name: str, pattern: str | None) -> bool:
    if pattern is None:
        return True
    return fnmatch.fnmatchcase(name, pattern if "*" in pattern or "?" in pattern else f"*{pattern}*")


def _lines(name: str, index: TaskIndex) -> list[Line]:
    """One line a definition: a name that two files define stands twice."""
    lines = [_definition_line(definition) for definition in index.definitions.get(name, [])]
    if not lines:
        lines = [(name, "tag", "", f"{len(index.tags[name])} tasks", "")]
    return lines


def _definition_line(definition: Definition) -> Line:
    try:
        values = read_task_file(definition.path).values
    except InputError:  # said in full by whoever runs the task
        return (definition.name, definition.kind, "cannot be read", "", shown(definition.path))
    if definition.kind == "group":
        members = values.get("task")
        count = len(members) if isinstance(members, list) else 1
        return (definition.name, "group", f"{count} members", "", shown(definition.path))
    output_type = str(values.get("output_type", "generate_until"))
    return (definition.name, "task", output_type, _metric_names(values.get("metric_list")), shown(definition.path))


def _metric_names(entries: Any) -> str:
    if not isinstance(entries, list):
        return "by output type"
    return ", ".join(str(entry.get("metric")) for entry in entries if isinstance(entry, dict))
