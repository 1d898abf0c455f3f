"""What the values of a task's Python code follow from, as one hash: its file, those that it may use, its packages."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from pipeline.fingerprint import FileHashes, digest


def code_content(path: Path, file_hashes: FileHashes) -> str:
    """The hash of the code in `path`, 64 hex digits; no path and no time of change is in it.

    All Python files beside count, since code finds these in more ways than can be read off it; of the folders below,
    what is imported from them; of packages the installed versions. Raises OSError where a file cannot be read.
    """
    folder = path.resolve().parent
    used, packages = _used(path.resolve(), file_hashes)
    files = {str(one.relative_to(folder)): file_hashes(one) for one in {*folder.glob("*.py"), *used}}
    return digest({"files": files, "packages": {name: _version(name) for name in packages}})


def _used(start: Path, file_hashes: FileHashes) -> tuple[set[Path], set[str]]:
    """The files that the code in `start` imports, itself included, and the first names of everything else."""
    files, packages = set[Path](), set[str]()
    todo = [start]
    while todo:
        file = todo.pop()
        if file in files:
            continue
        files.add(file)
        for imported in _imports(file, file_hashes(file)):
            own = list(_own_files(imported, file, start.parent))
            todo += own
            if not own and imported.level == 0:
                packages.add(imported.parts[0])
    return files, packages - sys.stdlib_module_names


class _Import(NamedTuple):
    """`level`: how many dots stand before the parts."""

    level: int
    parts: tuple[str, ...]


@lru_cache(maxsize=1024)
def _imports(file: Path, content: str) -> tuple[_Import, ...]:
    """What the file imports anywhere in it; nothing for a file that is no Python, which fails when it is loaded."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return ()
    found: list[_Import] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [_Import(0, tuple(one.name.split("."))) for one in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = tuple(node.module.split(".")) if node.module else ()
            found += [_Import(node.level, (*module, one.name)) for one in node.names]
    return tuple(found)


def _own_files(imported: _Import, file: Path, folder: Path) -> Iterator[Path]:
    """The task's own files among what is imported: the module, and the `__init__.py` of packages on the way to it."""
    place = folder if imported.level == 0 else file.parents[imported.level - 1]
    if not place.is_relative_to(folder):
        return
    for part in imported.parts:
        place = place / part
        for one in (place.with_name(f"{part}.py"), place / "__init__.py"):
            if one.is_file():
                yield one


@lru_cache(maxsize=256)
def _version(name: str) -> str | None:
    """The version of the package that is imported by `name`; None where none is installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        owners = _owners().get(name)
        return metadata.version(owners[0]) if owners else None


_owners = lru_cache(maxsize=1)(metadata.packages_distributions)  # takes a quarter of a second
