"""What a run's entry stands for: a name, a pattern, a task file or folder of one's own, or a name of lm_eval's.

Following groups to their members is `members.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pipeline.errors import TaskError
from tasks.index import HARNESS, TaskIndex
from tasks.index_cache import overlooked
from tasks.members import Members, Resolved

__all__ = ["Resolved", "Resolver"]
_SUFFIXES = (".yaml", ".yml")


class Resolver:
    """Follows the entries of a run through groups and tags to task files."""

    def __init__(self, index: TaskIndex) -> None:
        self._index = index
        self._harness: TaskIndex | None = None

    def resolve(self, name: str, where: str) -> Resolved:
        """The tasks and groups of one entry. Raises TaskError for what is not there, ConfigError for broken files.

        `name` is a task, group or tag; a pattern of these with `*`; a task file, a folder of them, or a pattern of
        such paths; or a name or pattern after `lm_eval:`. Known names come before folders of that name.
        """
        found = Resolved()
        if name.startswith(HARNESS):
            self._add(self._of_harness(where), name.removeprefix(HARNESS), where, found)
        elif name.endswith(_SUFFIXES) or "/" in name or self._is_folder(name, where):
            self._add_paths(name, where, found)
        else:
            self._add(self._index, name, where, found)
        return found

    def _of_harness(self, where: str) -> TaskIndex:
        if self._harness is None:
            self._harness = TaskIndex.of_harness(where)
        return self._harness

    def _is_folder(self, name: str, where: str) -> bool:
        known = self._index.find(name, where) is not None or self._index.tagged(name)
        return not known and Path(name).expanduser().is_dir()

    def _add(self, index: TaskIndex, name: str, where: str, found: Resolved) -> None:
        if "*" not in name and "?" not in name:
            Members(index, found).add(name, where)
            return
        names = index.matching(name)
        if not names:
            listing = f"python main.py tasks {index.prefix}".rstrip()
            message = f"no task, group or tag fits the pattern {name!r}"
            raise TaskError(message, where=where, fix=f"List all: {listing}")
        _add_all(index, names, where, found)

    def _add_paths(self, name: str, where: str, found: Resolved) -> None:
        path = Path(name).expanduser()
        pattern = "*" in name or "?" in name
        paths = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor)))) if pattern else [path]
        files = [one for one in paths if one.name.endswith(_SUFFIXES) and one.is_file()]
        folders = [one for one in paths if one.is_dir()]
        if not files and not folders:
            if not paths or not paths[0].exists():
                raise TaskError(f"there is no task file or folder {name}", where=where)
            raise TaskError(f"{name} is neither a task file (.yaml) nor a folder of such files", where=where)
        for file in files:
            Members(self._index, found).add_file(file, where)
        for folder in folders:
            index = self._index.with_folder(folder)
            if not index.definitions:
                other = overlooked(folder)
                fix = f"Names of task files end with .yaml: rename {other}." if other is not None else ""
                raise TaskError(f"no file below {folder} defines a task or group", where=where, fix=fix)
            _add_all(index, index.definitions, where, found)


def _add_all(index: TaskIndex, names: Iterable[str], where: str, found: Resolved) -> None:
    """Add groups, then the tasks that these do not hold already: as a group's member a task may have other settings."""
    members = Members(index, found)
    kinds = {name: index.find(name, where) for name in names}
    for name, definition in kinds.items():
        if definition is not None and definition.kind == "group" and name not in found.groups:
            members.add(name, where)
    tasks = (one for name, known in kinds.items() for one in ([name] if known else index.tagged(name)))
    for name in tasks:
        if name not in found.files and name not in found.groups:
            members.add(name, where)
