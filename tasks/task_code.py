"""Python code that task files name (`!function module.name`): loaded only where task code is trusted.

Modules get names of their own by folder and content: two tasks' `utils.py` never meet, and neither do two versions of
one, edited while a process runs.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.errors import TaskError
from pipeline.fingerprint import FileHashes, digest
from pipeline.near import did_you_mean
from tasks.code_content import code_content
from tasks.index import BUNDLED
from tasks.own_generators import note_generators
from tasks.task import TaskCode
from tasks.task_file import FunctionReference, shown

# Whatever code of a user's may raise; SystemExit would end the run without a word.
CODE_ERRORS = (Exception, SystemExit)

# By module, why its import failed, and what to do: the next task that names it need not wait for that again.
_failed: dict[str, tuple[str, str]] = {}
_FROM_EVALUATE = (
    "It loads a module of the package `evaluate` while it is imported, from the hub's cache or the network. Without\n"
    "  network, put a folder of that module's name, with its .py file, into the working directory."
)


def load_function(reference: FunctionReference, trusted: bool) -> Callable[..., Any]:
    """The function that a task file names. Raises TaskError where it is not trusted, or cannot be loaded."""
    return load_code(task_code(reference, trusted, FileHashes()))


def loaded(value: Any, trusted: bool) -> Any:
    """A setting's value, and where it names a function, that function. Raises as `load_function` does."""
    return load_function(value, trusted) if isinstance(value, FunctionReference) else value


def load_code(code: TaskCode) -> Callable[..., Any]:
    """The function or class, once trust is established. Raises TaskError where it cannot be loaded, or has changed."""
    if not code.path.is_file():
        raise _no_file(code.path, code.where)
    module = _module(code)
    function = getattr(module, code.name, None)
    if not callable(function):
        known = [name for name, value in vars(module).items() if callable(value)]
        fix = did_you_mean(code.name, known)
        raise TaskError(f"{shown(code.path)} has no function {code.name}", where=code.where, fix=fix)
    return function  # type: ignore[no-any-return]


def _no_file(path: Path, where: str) -> TaskError:
    beside = [file.name for file in path.parent.glob("*.py")]
    return TaskError(f"the code file {shown(path)} is not there", where=where, fix=did_you_mean(path.name, beside))


def task_code(reference: FunctionReference, trusted: bool, file_hashes: FileHashes) -> TaskCode:
    """What steps 2 to 4 need to load it again. Raises TaskError where it is not trusted, or is not there."""
    check_trust(reference, trusted)
    path = _module_path(reference)
    if not path.is_file():
        raise _no_file(path, reference.where)
    return TaskCode(path, _name(reference), code_content(path, file_hashes), reference.where)


def evaluate_code(reference: FunctionReference, trusted: bool, file_hashes: FileHashes) -> TaskCode:
    """A metric of Hugging Face's package `evaluate`: of a folder or file beside the task's, else of the hub.

    Its `name` is what that package loads it by. Raises TaskError where task code is not trusted, or is not there.
    """
    name = reference.reference
    check_trust(reference, trusted, "a metric of the package `evaluate`, which is Python code")
    beside = reference.folder / name
    script = beside if beside.suffix == ".py" else beside / f"{beside.name}.py"
    if script.is_file():
        return TaskCode(script, str(script.resolve()), code_content(script, file_hashes), reference.where)
    if name.startswith((".", "/")) or name.endswith(".py"):
        raise TaskError(f"the metric's file {shown(script)} is not there", where=reference.where)
    return TaskCode(Path(name), name, "", reference.where)


def check_trust(reference: FunctionReference, trusted: bool, kind: str = "Python code") -> None:
    """Raises TaskError, naming file and setting, unless the code is this project's own or trusted by the run."""
    if not trusted and not reference.folder.resolve().is_relative_to(BUNDLED):
        raise TaskError(
            f"the task file names {kind}, {reference.reference}, and running task code is off",
            where=reference.where,
            fix="If you trust that file, allow it in the run's YAML: step1: {trust_task_code: true}",
        )


def _name(reference: FunctionReference) -> str:
    return reference.reference.rpartition(".")[2]


def _module_path(reference: FunctionReference) -> Path:
    """The file beside the task's, else that of an installed package's module."""
    module_name = reference.reference.rpartition(".")[0]
    if not module_name:
        raise TaskError(
            f"`!function {reference.reference}` lacks a module; it is written <module>.<function>",
            where=reference.where,
        )
    beside = reference.folder / f"{module_name.replace('.', '/')}.py"
    if beside.is_file():
        return beside
    try:
        spec = importlib.util.find_spec(module_name)
    except (ImportError, ValueError):
        return beside
    return Path(spec.origin) if spec is not None and spec.origin is not None else beside


def _module(code: TaskCode) -> Any:
    resolved = code.path.resolve()
    package = f"task_code_{digest([str(resolved.parent), code.content])[:16]}"
    name = f"{package}.{resolved.stem}"
    if name in sys.modules:
        return sys.modules[name]
    if name in _failed:
        raise _no_import(name, code.where)
    if package not in sys.modules:
        folder = types.ModuleType(package)
        folder.__path__ = [str(resolved.parent)]  # what a module's `from .other import …` looks for
        sys.modules[package] = folder
    try:
        module = importlib.import_module(name)
    except CODE_ERRORS as error:
        sys.modules.pop(name, None)
        what = f"{shown(code.path)} fails when imported: {type(error).__name__}: {error}"
        _failed[name] = what, _FROM_EVALUATE if _raised_by(error, "evaluate") else ""
        raise _no_import(name, code.where) from error
    if code_content(code.path, FileHashes()) != code.content:
        for loaded in [one for one in sys.modules if one.startswith(package)]:
            del sys.modules[loaded]
        what = f"{shown(code.path)}, or what it imports, was changed while the run was working"
        raise TaskError(what, where=code.where, fix="Run the same command again.")
    for loaded in [one for one in sys.modules if one.startswith(package)]:
        note_generators(vars(sys.modules[loaded]))
    return module


def _no_import(name: str, where: str) -> TaskError:
    what, fix = _failed[name]
    return TaskError(what, where=where, fix=fix)


def _raised_by(error: BaseException, package: str) -> bool:
    """Whether code of an installed package was at work."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(str(frame.f_globals.get("__name__", "")).partition(".")[0] == package for frame in frames)
