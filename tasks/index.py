"""Which task, group or tag stands in which file: names found by their lines, without parsing YAML.

What a file says beyond its names is `task_file.py`.
"""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from pipeline.errors import InputError, TaskError
from tasks.task_file import read_task_file, shown

BUNDLED = Path(__file__).resolve().parent.parent / "yamls" / "tasks"
_KEYS = ("task", "group", "tag", "include", "class")
_KEY = re.compile(rf"^[\"']?({'|'.join(_KEYS)})[\"']?[ \t]*:[ \t]*(.*)$", re.MULTILINE)
_ITEM = re.compile(r"\n[ \t]*-[ \t]+([^\n]*)")
_NOT_TEXT = "[{&*|>!"  # an inline list and other values that are no plain name
_SKIPPED = frozenset({"__pycache__", ".ipynb_checkpoints"})


@dataclass(frozen=True)
class Definition:
    """A task or group and the file that defines it."""

    name: str
    kind: Literal["task", "group"]
    path: Path
    tags: tuple[str, ...] = ()


class TaskIndex:
    """The names below some folders; files are looked at once, when a name is first asked for."""

    def __init__(self, include_path: Sequence[str] = ()) -> None:
        """Bundled tasks and those of further folders. Raises TaskError for a folder that is not there."""
        self._roots = [BUNDLED, *(Path(folder).expanduser() for folder in include_path)]
        for root in self._roots[1:]:
            if not root.is_dir():
                raise TaskError(f"include_path names {root}, and no such folder exists")

    @cached_property
    def definitions(self) -> dict[str, list[Definition]]:
        """Every definition of each name, in the order of the folders."""
        found: dict[str, list[Definition]] = {}
        for path in self._files():
            definition = _definition(path)
            if definition is not None:
                found.setdefault(definition.name, []).append(definition)
        return found

    @cached_property
    def tags(self) -> dict[str, list[str]]:
        """The tasks that bear each tag, sorted by name."""
        found: dict[str, set[str]] = {}
        for definitions in self.definitions.values():
            for definition in definitions:
                for tag in definition.tags:
                    found.setdefault(tag, set()).add(definition.name)
        return {tag: sorted(names) for tag, names in found.items()}

    def find(self, name: str, where: str) -> Definition | None:
        """The definition of `name`, None where it has none. Raises TaskError for one defined twice."""
        known = self.definitions.get(name, [])
        if len(known) > 1:
            files = "\n  ".join(shown(definition.path) for definition in known)
            raise TaskError(f"{name} is defined in {len(known)} files; rename all but one:\n  {files}", where=where)
        return known[0] if known else None

    def matching(self, pattern: str) -> list[str]:
        """Tasks (groups and tags are not among them) whose name fits a pattern with `*`."""
        tasks = (name for name, known in self.definitions.items() if known[0].kind == "task")
        return sorted(fnmatch.filter(tasks, pattern))

    def unknown(self, name: str, where: str) -> TaskError:
        """The error for a name that stands nowhere."""
        names = [*self.definitions, *self.tags]
        near = difflib.get_close_matches(name, names, 3)
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        return TaskError(
            f"no task, group or tag is called {name!r}",
            where=where,
            fix=f"{hint}List all: python main.py tasks. Folders with task files of your own: step1.include_path.",
        )

    def _files(self) -> Iterator[Path]:
        seen: set[Path] = set()
        for root in self._roots:
            for path in sorted(root.rglob("*.yaml")):
                resolved = path.resolve()
                if resolved not in seen and not _SKIPPED.intersection(path.parts):
                    seen.add(resolved)
                    yield path


def _definition(path: Path) -> Definition | None:
    """What the file defines, read off its lines; None for a template that others include."""
    keys = _keys(path)
    group = _name(keys.get("group", ()))
    task = _name(keys.get("task", ()))
    if group is not None and "class" not in keys:
        return Definition(group, "group", path)
    if task is None:
        return None
    return Definition(task, "task", path, _tags(path, keys, frozenset()))


def _tags(path: Path, keys: dict[str, list[str]], above: frozenset[Path]) -> tuple[str, ...]:
    """The file's own tags, else those that it includes."""
    if "tag" in keys:
        return tuple(keys["tag"])
    tags: tuple[str, ...] = ()
    for name in keys.get("include", ()):
        target = path.parent / name
        if target not in above and target.is_file():
            tags = _tags(target, _keys(target), above | {path}) or tags
    return tags


def _keys(path: Path) -> dict[str, list[str]]:
    """Values of the keys above: a name, or the items of a list in either of YAML's notations."""
    text = path.read_text("utf-8-sig", errors="replace")
    if text.lstrip().startswith("{"):  # a mapping in braces, as JSON writes it: rare, and not a line a key
        return _keys_of_braces(path)
    found: dict[str, list[str]] = {}
    for match in _KEY.finditer(text):
        key, rest = match.groups()
        value = _bare(rest)
        if value.startswith("["):
            found[key] = [_bare(item) for item in value.strip("[]").split(",")]
        elif value:
            found[key] = [value]
        else:
            found[key] = list(_items(text[match.end() :]))
    return found


def _keys_of_braces(path: Path) -> dict[str, list[str]]:
    try:
        values = read_task_file(path).values
    except InputError:  # said in full by whoever runs a task of that file
        return {}
    listed = {key: value if isinstance(value, list) else [value] for key, value in values.items()}
    return {key: [str(item) for item in items] for key, items in listed.items() if key in _KEYS}


def _items(text: str) -> Iterable[str]:
    """The list items that follow directly."""
    position = 0
    while match := _ITEM.match(text, position):
        yield _bare(match.group(1))
        position = match.end()


def _bare(value: str) -> str:
    """A scalar without quotes and comment."""
    text = value.strip()
    if text[:1] in "\"'" and text:
        return text[1:].partition(text[0])[0]
    return text.split(" #")[0].strip() if not text.startswith("#") else ""


def _name(values: Iterable[str]) -> str | None:
    """The one name that a key gives; None for a list of members."""
    names = list(values)
    return names[0] if len(names) == 1 and names[0][:1] not in _NOT_TEXT else None
