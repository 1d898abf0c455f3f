"""A Python task class that a task file names (`class: !function module.Class`): loaded, and objects of it made.

Such classes are written against lm_eval and import it; here they are known by the methods that they have alone.
"""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from pipeline.errors import EvaluationError, MissingPackageError, TaskError
from pipeline.fingerprint import FileHashes
from tasks.class_data import ClassData, LocalSettings
from tasks.seeds import Seeds
from tasks.task import TaskCode
from tasks.task_code import CODE_ERRORS, load_code, load_function
from tasks.task_file import FunctionReference, with_functions

_NO_SETTINGS = ("tag", "group", "task_list", "include")  # keys of the file that the harness keeps from the class
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class PythonClass:
    """All that an object of the class is made of; it can be pickled, for worker processes."""

    code: TaskCode
    task: str
    values: Mapping[str, Any]  # the task file's keys, functions as references
    path: Path  # of the task file
    trusted: bool
    local: LocalSettings
    seeds: Seeds

    def load(self) -> type:
        """The class. Raises MissingPackageError where what it imports is not installed, else TaskError."""
        try:
            found = load_code(self.code)
        except TaskError as error:
            missing = error.__cause__
            if not isinstance(missing, ModuleNotFoundError) or not missing.name:
                raise
            package = missing.name.partition(".")[0]
            raise MissingPackageError(package, f"{self.code.where}: the class {self.code.name}") from error
        if not isinstance(found, type):
            raise TaskError(f"`class` names {self.code.name}, which is no class", where=self.code.where)
        return found

    def build(self, hashes: FileHashes | None = None) -> tuple[Any, ClassData]:
        """A new object with its data, and what knows these. Raises TaskError where the class cannot be made.

        `hashes` hash the files that it reads.
        """
        kind, data = self.load(), ClassData(self.local, hashes)
        # What a task's file leaves to defaults would be remarked for each object in each process.
        logging.getLogger("lm_eval").setLevel(logging.ERROR)
        self.seeds.sow()
        with data.answering(_modules(kind)):
            made = self.called("its constructor", lambda: self._constructed(kind))
        if hasattr(made, "config") and hasattr(made.config, "task"):
            made.config.task = self.task
        return made, data

    def bare(self) -> Any:
        """An object on which no constructor has run: enough for methods that use what they are given alone."""
        kind: Any = self.load()
        return kind.__new__(kind)

    def called(self, what: str, function: Callable[[], Answer]) -> Answer:
        """What `function` gives. Raises TaskError, saying `what` of the class has failed, for whatever that raises."""
        try:
            return function()
        except EvaluationError:
            raise
        except CODE_ERRORS as error:
            failed = f"{what} of the class {self.code.name} fails: {type(error).__name__}: {error}"
            raise TaskError(failed, where=self.code.where) from error

    def takes_settings(self) -> bool:
        """Whether the constructor is given the file's keys, as the harness decides it: it has a parameter `config`."""
        return "config" in inspect.signature(self.load()).parameters

    def _constructed(self, kind: type) -> Any:
        return kind(config=self._settings(kind)) if self.takes_settings() else kind()

    def _settings(self, kind: type) -> dict[str, Any]:
        """The file's keys as the harness hands them over: functions loaded, `class` among them."""

        def loaded(reference: FunctionReference) -> Any:
            return load_function(reference, self.trusted)

        given = {key: value for key, value in self.values.items() if key not in _NO_SETTINGS}
        values: dict[str, Any] = deepcopy(with_functions(given, loaded))
        known = values.get("metadata") or {}
        own = known if isinstance(known, dict) else {"_metadata": known}
        own_keys = {"task": self.task, "class": kind, "metadata": {**own, "config_source": str(self.path)}}
        return values | own_keys


def _modules(kind: type) -> Iterator[ModuleType]:
    """The modules of the class and of those that it inherits from."""
    for one in kind.__mro__:
        if one.__module__ in sys.modules:
            yield sys.modules[one.__module__]
