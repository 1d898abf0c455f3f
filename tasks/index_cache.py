"""The names of all task files below a folder, kept in the user's cache: only files that changed are read again.

A cache that cannot be read or written costs time and nothing else. What the names mean is `defined_names.py`.
"""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import msgspec

from pipeline.console import detail
from pipeline.errors import StorageError
from tasks import task_names
from tasks.task_names import FileKeys, read_keys

_WORTH_KEEPING = 200  # files; fewer are read as fast as their cache
_SETTLED_NS = 2_000_000_000  # a file changed later than that before now may change again within its time stamp
_SKIPPED = frozenset({"__pycache__", ".ipynb_checkpoints"})
_SUFFIX = ".yaml"


class _Entry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    size: int
    mtime_ns: int
    keys: FileKeys


class _Cache(msgspec.Struct, array_like=True):
    reader: str  # what has read the keys: `_reader`
    root: str
    files: dict[str, _Entry]


def cache_folder() -> Path | None:
    """Where caches of this project go: LLM_EVALUATION_CACHE, else llm_evaluation below XDG_CACHE_HOME or ~/.cache.

    None where there is no such place.
    """
    own = os.environ.get("LLM_EVALUATION_CACHE")
    if own:
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(shared) / "llm_evaluation" if os.path.isabs(shared) else None


def keys_below(root: Path) -> dict[str, FileKeys]:
    """The keys of every task file below `root` and of what these include, by path from `root`, sorted as text.

    Task files are those whose names end with `.yaml`; included ones may have any name.
    """
    root = root.resolve()
    known = _load(root)
    stats = _walk(root)
    found: dict[str, _Entry] = {}
    waiting = list(stats)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        stat = stats.get(name) or _stat(root / name)
        entry = known.get(name)
        if entry is None or (entry.size, entry.mtime_ns) != stat:
            entry = _Entry(*stat, keys=_with_paths(read_keys(root / name), name))
        found[name] = entry
        waiting += [target for target in entry.keys.includes if target not in found]
    if found != known and len(found) >= _WORTH_KEEPING:
        _keep(root, found)
    return {name: found[name].keys for name in sorted(found)}


def overlooked(root: Path, name: str | None = None) -> Path | None:
    """A file below `root` that would be a task file, of `name` if that is given, but for its suffix, .yml.

    lm_eval reads `.yaml` alone: a group by tag would have other members here.
    """
    files = (path for path in sorted(root.rglob("*.yml")) if path.is_file())
    return next((path for path in files if _defines(read_keys(path), name)), None)


def _defines(keys: FileKeys, name: str | None) -> bool:
    own = keys.task if keys.task is not None else keys.group
    return own is not None if name is None else own == name


def _with_paths(keys: FileKeys, name: str) -> FileKeys:
    """The same with its includes as paths from the root."""
    folder = os.path.dirname(name)
    paths = tuple(os.path.normpath(os.path.join(folder, include)) for include in keys.includes)
    return msgspec.structs.replace(keys, includes=paths)


def _walk(root: Path) -> dict[str, tuple[int, int]]:
    """Size and time stamp of each task file."""
    found: dict[str, tuple[int, int]] = {}
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(root / folder) as entries:
                for entry in entries:
                    if entry.name.endswith(_SUFFIX):
                        found[folder + entry.name] = _stat(entry)
                    elif entry.is_dir(follow_symlinks=False) and entry.name not in _SKIPPED:
                        waiting.append(f"{folder}{entry.name}/")
        except OSError as error:
            detail(f"{root / folder} cannot be read, and task files in it are unknown: {error.strerror}")
    return found


def _stat(file: Path | os.DirEntry[str]) -> tuple[int, int]:
    """Size and time stamp; none for a file that is not there, which whoever runs the task is told."""
    try:
        stat = file.stat()
    except OSError:
        return (-1, 0)
    return (stat.st_size, stat.st_mtime_ns)


def _reader() -> str:
    """A hash of the code that reads keys: another version of it may find something else in an unchanged file."""
    return hashlib.sha256(Path(task_names.__file__).read_bytes()).hexdigest()


def _file(root: Path) -> Path | None:
    folder = cache_folder()
    name = hashlib.sha256(str(root).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return folder / f"tasks-{name}.msgpack" if folder else None


def _load(root: Path) -> dict[str, _Entry]:
    path = _file(root)
    if path is None:
        return {}
    try:
        cache = msgspec.msgpack.decode(path.read_bytes(), type=_Cache)
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        detail(f"the index of task files in {path} cannot be read and is built anew: {error}")
        return {}
    return cache.files if (cache.reader, cache.root) == (_reader(), str(root)) else {}


def _keep(root: Path, files: dict[str, _Entry]) -> None:
    from pipeline.views import write_file

    path = _file(root)
    if path is None:
        return
    latest = time.time_ns() - _SETTLED_NS
    settled = {name: entry for name, entry in files.items() if entry.mtime_ns < latest}
    try:
        write_file(path, msgspec.msgpack.encode(_Cache(_reader(), str(root), settled)))
    except StorageError as error:
        detail(f"the index of task files is not kept: {error}")
