"""Which task, group or tag a name means: those of this project and of the run's folders, or lm_eval's bundled ones.

What each file defines is `defined_names.py`; following groups to their members is `members.py`.
"""

from __future__ import annotations

import fnmatch
import importlib.util
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

from models.locate import nearest_folder
from pipeline.errors import TaskError
from pipeline.near import nearest
from tasks.defined_names import Definition, definitions_below
from tasks.index_cache import overlooked
from tasks.task_file import shown

BUNDLED = Path(__file__).resolve().parent.parent / "yamls" / "tasks"
HARNESS = "lm_eval:"  # before the names of lm_eval's bundled tasks
__all__ = ["BUNDLED", "HARNESS", "Definition", "TaskIndex", "check_folders", "has_harness"]


class TaskIndex:
    """The names below some folders; files are looked at once, when a name is first asked for."""

    def __init__(
        self,
        include_path: Sequence[str] = (),
        *,
        roots: Sequence[Path] = (BUNDLED,),
        prefix: str = "",
        above: TaskIndex | None = None,
    ) -> None:
        """Tasks below `roots` and further folders. Raises TaskError for a further folder that is not there.

        `prefix`: what a run writes before the names. `above`: where names that stand nowhere here are looked up.
        """
        check_folders(include_path)
        self.prefix = prefix
        self._roots = [*roots, *(Path(folder).expanduser() for folder in include_path)]
        self._above = above

    @classmethod
    def of_harness(cls, where: str = "") -> TaskIndex:
        """The tasks that lm_eval brings along, found without importing it. Raises TaskError where it is not installed.

        Of two files that define one name the first counts, as there: files are sorted by path.
        """
        folders = _harness_folders()
        if not folders:
            raise TaskError(
                f"`{HARNESS}` names tasks of lm_eval, which is not installed",
                where=where,
                fix="pip install lm_eval",
            )
        return cls(roots=folders, prefix=HARNESS)

    def with_folder(self, folder: Path) -> TaskIndex:
        """The names below `folder` alone; what its groups list may stand here too."""
        return TaskIndex(roots=[folder], above=self)

    @cached_property
    def definitions(self) -> dict[str, list[Definition]]:
        """Every definition of each name, in the order of the folders."""
        found: dict[str, list[Definition]] = {}
        for root in self._roots:
            for definition in definitions_below(root):
                found.setdefault(definition.name, []).append(definition)
        if self.prefix:
            return {name: known[:1] for name, known in found.items()}
        return {name: known if len(known) == 1 else _different(known) for name, known in found.items()}

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
        if not known and self._above is not None and name not in self.tags:
            return self._above.find(name, where)
        return known[0] if known else None

    def tagged(self, name: str) -> list[str]:
        """The tasks that bear the tag `name`, sorted; empty where it is no tag."""
        above = self._above.tagged(name) if self._above is not None else []
        return self.tags.get(name) or above

    def matching(self, pattern: str) -> list[str]:
        """Names of tasks, groups and tags that fit a pattern with `*`, sorted."""
        return sorted(fnmatch.filter(self.definitions.keys() | self.tags.keys(), pattern))

    @cached_property
    def names(self) -> list[str]:
        """All tasks, groups and tags, sorted."""
        above = self._above.names if self._above is not None else ()
        return sorted({*self.definitions, *self.tags, *above})

    def near(self, name: str) -> list[str]:
        """Up to three names like `name`, as a run would write them."""
        return [f"{self.prefix}{one}" for one in nearest(name, self.names, 3)]

    def unknown(self, name: str, where: str) -> TaskError:
        """The error for a name that stands nowhere."""
        near = self._of_harness(name) or self.near(name)
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        other = next((path for root in self._roots if (path := overlooked(root, name))), None)
        hint = f"Names of task files end with .yaml: rename {other}. " if other else hint
        listing = f"List all: python main.py tasks {self.prefix}".rstrip()
        own = "" if self.prefix else " Folders with task files of your own: step1.include_path."
        whose = " of lm_eval" if self.prefix else ""
        return TaskError(f"no task, group or tag{whose} is called {name!r}", where=where, fix=f"{hint}{listing}.{own}")

    def _of_harness(self, name: str) -> list[str]:
        """The name with its prefix, where it lacks only that."""
        if self.prefix or "*" in name:
            return []
        try:
            harness = TaskIndex.of_harness()
        except TaskError:  # not installed
            return []
        return [f"{HARNESS}{name}"] if name in harness.definitions or name in harness.tags else []


def check_folders(include_path: Sequence[str], where: Callable[[int], str] = lambda _: "") -> None:
    """Raises TaskError for the first that is no folder; `where` gives an entry's place in the run's file."""
    for number, folder in enumerate(include_path):
        if not Path(folder).expanduser().is_dir():
            what = f"include_path names {folder}, and there is no such folder"
            raise TaskError(what, where=where(number), fix=nearest_folder(Path(folder)))


def has_harness() -> bool:
    """Whether lm_eval is installed, whose tasks `lm_eval:` names."""
    return bool(_harness_folders())


def _harness_folders() -> list[Path]:
    package = importlib.util.find_spec("lm_eval")
    places = (package.submodule_search_locations or ()) if package else ()
    return [folder for folder in (Path(place) / "tasks" for place in places) if folder.is_dir()]


def _different(known: list[Definition]) -> list[Definition]:
    """Without files that are reached twice, by folders within each other or by links."""
    return list({definition.path.resolve(): definition for definition in reversed(known)}.values())[::-1]
