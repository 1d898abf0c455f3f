"""The table of all tasks, groups and tags that `main.py tasks` prints, from the index alone.

What a task's file says in full is shown by running or checking it.
"""

from __future__ import annotations

import fnmatch
import shlex
from collections.abc import Sequence

from pipeline.console import say
from pipeline.near import listed
from tasks.index import HARNESS, Definition, TaskIndex, has_harness
from tasks.task_file import shown

_HEADER = ("name", "kind", "output type", "metrics", "file")
_METRICS = 3  # shown of a task; some have dozens
Line = tuple[str, str, str, str, str]


def list_tasks(pattern: str | None, include_path: Sequence[str]) -> int:
    """Print names that fit `pattern`: a part of the name, or with `*` the whole of it. Exit code 1 if there is none.

    After `lm_eval:` those of lm_eval's bundled tasks. Raises TaskError where that is not installed.
    """
    harness = pattern is not None and pattern.startswith(HARNESS)
    index = TaskIndex.of_harness() if harness else TaskIndex(include_path)
    wanted = (pattern or "").removeprefix(HARNESS)
    chosen = [name for name in index.names if _fits(name, wanted)]
    lines = [line for name in chosen for line in _lines(name, index)]
    if not lines:
        near = index.near(wanted)
        hint = f" Near it: {', '.join(near)}." if near else ""
        print(f"No task, group or tag fits {pattern!r}.{hint}")
        _say_other(harness, wanted)
        return 1
    widths = [max(len(line[column]) for line in (_HEADER, *lines)) for column in range(len(_HEADER))]
    form = "  ".join(f"{{:<{width}}}" for width in widths)
    print("\n".join(form.format(*line).rstrip() for line in (_HEADER, *lines)))
    _say_other(harness, wanted)
    return 0


def _say_other(harness: bool, wanted: str) -> None:
    """Where the names are that are not in the table; on stderr, for the table may be read by a program."""
    if not harness and has_harness():
        say(f"Tasks that lm_eval brings along: python main.py tasks {shlex.quote(HARNESS + wanted)}")


def _fits(name: str, pattern: str) -> bool:
    if "*" in pattern or "?" in pattern:
        return fnmatch.fnmatchcase(name, pattern)
    return pattern in name


def _lines(name: str, index: TaskIndex) -> list[Line]:
    """One line a definition: a name that two files define stands twice."""
    lines = [_definition_line(definition, index.prefix) for definition in index.definitions.get(name, [])]
    if not lines:
        lines = [(f"{index.prefix}{name}", "tag", "", f"{len(index.tags[name])} tasks", "")]
    return lines


def _definition_line(definition: Definition, prefix: str) -> Line:
    name = f"{prefix}{definition.name}"
    file = f"lm_eval/tasks/{definition.file}" if prefix else shown(definition.path)
    if definition.kind == "group":
        return (name, "group", f"{definition.members} members", "", file)
    return (name, "task", definition.output_type or "Python class", _metrics(definition), file)


def _metrics(definition: Definition) -> str:
    return "by output type" if definition.metrics is None else listed(definition.metrics, _METRICS)
