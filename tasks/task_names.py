"""What one task file says of itself by its own keys: its names, tags and columns of the listing, read off its lines.

Includes are not followed here (`defined_names.py`), and what else the keys mean is `task_file.py` and `task_config.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from pipeline.errors import InputError
from tasks.task_file import FunctionReference, read_document

_KEYS = ("task", "group", "tag", "include", "class", "output_type", "metric_list")
_KEY = re.compile(rf"^[\"']?({'|'.join(_KEYS)})[\"']?[ \t]*:(?=\s|\Z)[ \t]*([^\n]*)", re.MULTILINE)
_BLOCK = re.compile(r"(?:\n(?:[ \t#-][^\n]*|[ \t\r]*(?=\n|\Z)))*")  # the lines below a key that belong to it
_METRIC = re.compile(r"[-{ \t]metric[ \t]*:[ \t]*([^\n,}]+)")
_NOT_PLAIN = tuple("{&*|>!%@`")


class FileKeys(msgspec.Struct, array_like=True, frozen=True, omit_defaults=True):
    """The keys of a file that the index needs; None where the file itself has not got the key."""

    task: str | None = None
    group: str | tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    includes: tuple[str, ...] = ()
    python_class: bool = False
    output_type: str | None = None
    metrics: tuple[str, ...] | None = None
    members: int = 0  # of a group


class _NotPlainError(Exception):
    """A value in a notation that its lines do not show."""


def read_keys(path: Path) -> FileKeys:
    """The file's own keys.

    A file that cannot be read has those that its lines show, or none: the error is reported when the task is run.
    """
    try:
        text = path.read_text("utf-8-sig", errors="replace")
    except OSError:
        return FileKeys()
    try:
        return _of_lines(text)
    except _NotPlainError:
        return _of_document(path)


def _of_lines(text: str) -> FileKeys:
    """Some twenty times as fast as parsing, which counts for thousands of files. Raises _NotPlainError."""
    if text.lstrip().startswith(("{", "%", "---")):  # a mapping in braces, as JSON writes it: not a line a key
        raise _NotPlainError
    values: dict[str, Any] = {}
    for match in _KEY.finditer(text):
        key, rest = match.groups()
        block = _BLOCK.match(text, match.end())
        below = block.group() if block else ""
        if key == "metric_list":
            values[key] = _metrics(f"{rest}\n{below}")
        elif key == "task" and not _bare(rest):
            values[key] = _count(below)
        else:
            values[key] = _value(rest, below)
    return _file_keys(values)


def _value(rest: str, below: str) -> str | tuple[str, ...] | None:
    """A name, or the items of a list in either of YAML's notations; None for no value."""
    if rest.startswith("[") and rest.count("[") == rest.count("]") == 1:
        items = rest[1 : rest.index("]")].split(",")
        return tuple(_bare(item) for item in items if item.strip())
    text = _bare(rest)
    if text:
        if below.strip() and not below.strip().startswith("#"):
            raise _NotPlainError  # the text goes on below
        return text
    lines = [line.strip() for line in below.splitlines()]
    items = [line for line in lines if line and not line.startswith("#")]
    if any(not item.startswith("- ") or ": " in item for item in items):
        raise _NotPlainError
    return tuple(_bare(item[2:]) for item in items) or None


def _bare(value: str) -> str:
    """A scalar without quotes and remark."""
    text = value.strip()
    if text[:1] in ('"', "'"):
        inner, closed, after = text[1:].partition(text[0])
        if not closed or "\\" in inner or (after.strip() and not after.lstrip().startswith("#")):
            raise _NotPlainError
        return inner
    if text.startswith(_NOT_PLAIN) or text.startswith("["):
        raise _NotPlainError
    return "" if text.startswith("#") else text.split(" #")[0].rstrip()


def _count(below: str) -> int:
    """How many items the list has: the lines that begin with a dash as far in as the first does."""
    lines = [line for line in below.splitlines() if line.lstrip().startswith("-")]
    if not lines:
        return 0
    start = lines[0][: lines[0].index("-") + 1]
    return sum(line.startswith(start) for line in lines)


def _metrics(text: str) -> tuple[str, ...]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    names = _METRIC.findall("\n".join(lines))
    return tuple(name.split(" #")[0].strip().removeprefix("!function ").strip(" \"'") for name in names)


def _of_document(path: Path) -> FileKeys:
    try:
        value = read_document(path)[0].value
    except InputError:
        return FileKeys()
    if not isinstance(value, dict):
        return FileKeys()
    found = {key: _plain(value[key]) for key in _KEYS[:-1] if key in value}
    if isinstance(value.get("task"), list):
        found["task"] = len(value["task"])
    if isinstance(value.get("metric_list"), list):
        entries = [entry for entry in value["metric_list"] if isinstance(entry, dict)]
        found["metric_list"] = tuple(str(_plain(entry.get("metric"))) for entry in entries)
    return _file_keys(found)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(str(_plain(item)) for item in value)
    if isinstance(value, FunctionReference):
        return value.reference
    return None if value is None else str(value)


def _file_keys(values: Mapping[str, Any]) -> FileKeys:
    task, output_type = values.get("task"), values.get("output_type")
    return FileKeys(
        task=task if isinstance(task, str) else None,
        group=values.get("group"),
        tags=_listed(values.get("tag")) if "tag" in values else None,
        includes=_listed(values.get("include")),
        python_class="class" in values,
        output_type=output_type if isinstance(output_type, str) else None,
        metrics=values.get("metric_list"),
        members=task if isinstance(task, int) else int(task is not None),
    )


def _listed(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else value
