"""Whether lm_eval has the tasks that a command line names; told on stderr, for the run file stands either way."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from pipeline.console import say, warn
from pipeline.errors import TaskError
from pipeline.near import nearest
from tasks.index import HARNESS, TaskIndex

_SHOWN = 3


def say_unknown_tasks(entries: Iterable[str], include_path: Iterable[str]) -> None:
    """A warning for each of a run's entries `lm_eval:NAME` that lm_eval here does not have, with names like it.

    Where lm_eval is not installed, that the names were not checked.
    """
    names = [entry.removeprefix(HARNESS) for entry in entries if entry.startswith(HARNESS)]
    index = _harness()
    if index is None:
        if names:
            say("lm_eval is not installed here: whether it has these tasks was not checked, and a run needs it.")
        return
    for name in names:
        if not _known(name, index):
            warn(f"--tasks {name}: lm_eval has no task, group or tag {_like(name, index, include_path)}")


def lacks(name: str) -> bool:
    """Whether lm_eval is here and has no task, group or tag that `name`, or a pattern with `*`, fits."""
    index = _harness()
    return index is not None and not _known(name, index)


def _known(name: str, index: TaskIndex) -> bool:
    if "*" in name or "?" in name:
        return bool(index.matching(name))
    return name in index.definitions or name in index.tags


def _like(name: str, index: TaskIndex, include_path: Iterable[str]) -> str:
    if "*" in name or "?" in name:
        return f"that fits this pattern; list all: python main.py tasks {HARNESS}"
    own = {one for folder in include_path for one in TaskIndex().with_folder(Path(folder).expanduser()).names}
    near = nearest(name, sorted({*index.names, *own}), _SHOWN)
    hint = f"did you mean {' or '.join(near)}?" if near else f"list all: python main.py tasks {HARNESS}"
    return f"of that name; {hint}"


@cache
def _harness() -> TaskIndex | None:
    try:
        return TaskIndex.of_harness()
    except TaskError:  # not installed
        return None
