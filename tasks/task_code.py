"""Functions that task files name (`!function module.name`): loaded only where task code is trusted.

Each module gets a name of its own folder, so that two tasks' `utils.py` never meet.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.errors import TaskError
from pipeline.fingerprint import FileHashes, digest
from tasks.index import BUNDLED
from tasks.task_file import FunctionReference, shown


def load_function(reference: FunctionReference, trusted: bool) -> Callable[..., Any]:
    """The function that a task file names. Raises TaskError where it is not trusted, or cannot be loaded."""
    if not trusted and not reference.folder.resolve().is_relative_to(BUNDLED):
        raise TaskError(
            f"the task file names Python code, {reference.reference}, and running task code is off",
            where=reference.where,
            fix="If you trust that file, allow it in the run's YAML: step1: {trust_task_code: true}",
        )
    module_name, _, function_name = reference.reference.rpartition(".")
    path = _module_path(reference)
    if not module_name or not path.is_file():
        raise TaskError(f"the code file {shown(path)} is not there", where=reference.where)
    module = _module(path, reference.where)
    function = getattr(module, function_name, None)
    if not callable(function):
        raise TaskError(f"{shown(path)} has no function {function_name}", where=reference.where)
    return function  # type: ignore[no-any-return]


def code_hash(reference: FunctionReference, file_hashes: FileHashes) -> str:
    """A hash of all Python files beside the task file: the function may use any of them."""
    return digest({path.name: file_hashes(path) for path in sorted(_module_path(reference).parent.glob("*.py"))})


def _module_path(reference: FunctionReference) -> Path:
    module_name = reference.reference.rpartition(".")[0]
    return reference.folder / f"{module_name.replace('.', '/')}.py"


def _module(path: Path, where: str) -> Any:
    resolved = path.resolve()
    name = f"task_code_{hashlib.sha256(str(resolved).encode()).hexdigest()[:16]}.{resolved.stem}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, resolved)
    if spec is None or spec.loader is None:
        raise TaskError(f"{shown(path)} is no Python file", where=where)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their module up by name
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the file is the user's and may raise anything
        del sys.modules[name]
        raise TaskError(f"{shown(path)} fails when imported: {type(error).__name__}: {error}", where=where) from error
    return module
