"""Which task or group each file below a folder defines, with what it inherits through `include`.

Names and a few columns alone; looking one up among all folders is `index.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from tasks.index_cache import keys_below
from tasks.task_names import FileKeys


class Definition(msgspec.Struct, frozen=True, gc=False):
    """A task or group and the file that defines it."""

    name: str
    kind: Literal["task", "group"]
    root: str
    file: str  # from the root
    tags: tuple[str, ...] = ()
    output_type: str = "generate_until"
    metrics: tuple[str, ...] | None = None  # None: those of the output type
    members: int = 0  # of a group, as its own file lists them

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.root, self.file)


def definitions_below(root: Path) -> list[Definition]:
    """What each file defines, sorted by path; templates, which others include, define nothing."""
    files = keys_below(root)
    included: dict[str, FileKeys] = {}
    place = str(root)
    found = []
    for name, own in files.items():
        if name.endswith(".yaml"):
            keys = _merged(name, own, files, included, frozenset()) if own.includes else own
            definition = _definition(keys, place, name)
            if definition is not None:
                found.append(definition)
    return found


def _merged(
    name: str, own: FileKeys, files: Mapping[str, FileKeys], included: dict[str, FileKeys], above: frozenset[str]
) -> FileKeys:
    """Own keys over included ones, as `read_task_file` merges whole files. A circle is left for that to report."""
    merged = FileKeys()
    for target in own.includes:
        if target not in above:
            if target not in included:
                included[target] = _merged(target, files[target], files, included, above | {name})
            merged = _over(included[target], merged)
    return _over(own, merged)


def _over(keys: FileKeys, below: FileKeys) -> FileKeys:
    """`keys`, and those of `below` that it has not got. A group's members are its own file's `task`."""
    return FileKeys(
        task=below.task if keys.task is None else keys.task,
        group=below.group if keys.group is None else keys.group,
        tags=below.tags if keys.tags is None else keys.tags,
        python_class=below.python_class or keys.python_class,
        output_type=below.output_type if keys.output_type is None else keys.output_type,
        metrics=below.metrics if keys.metrics is None else keys.metrics,
        members=keys.members or below.members,
    )


def _definition(keys: FileKeys, root: str, file: str) -> Definition | None:
    if isinstance(keys.group, str) and not keys.python_class:
        return Definition(keys.group, "group", root, file, members=keys.members)
    if keys.task is None:
        return None
    tags = keys.tags or ()
    if isinstance(keys.group, tuple):  # what 0.4.0 of the harness called a list of tags
        tags += keys.group
    output_type = keys.output_type or ("" if keys.python_class else "generate_until")
    metrics = () if keys.python_class and keys.metrics is None else keys.metrics
    return Definition(keys.task, "task", root, file, tags, output_type, metrics)
