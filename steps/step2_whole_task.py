"""Filter pipelines with a filter of the task's own, which sees the answers to the whole task, as in the harness.

Filters of the registry see one document at a time; these take turns with them here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from filters.registry import Filter, build_filter, is_registered
from pipeline.errors import TaskError
from steps.task_functions import TaskFunctions
from tasks.task_code import CODE_ERRORS

# As the harness has them: of each instance a list of samples, and its document.
Samples = list[Any]
Documents = list[dict[str, Any]]
# From what the filter before gives for all instances, and their documents, to what the next filter gets.
WholeFilter = Callable[[list[Any], Documents], list[Any]]


def is_own(name: str, functions: TaskFunctions) -> bool:
    """Whether a step of a pipeline is code of the task's: named by it, or registered by it with lm_eval."""
    if is_registered(name):
        return False
    return name == "custom" or name in functions or functions.registered_filter(name) is not None


class WholePipeline:
    """One pipeline; its values are those that the harness's pipeline of that form gives."""

    def __init__(self, steps: Sequence[tuple[str, Mapping[str, Any]]], functions: TaskFunctions) -> None:
        """Raises TaskError for what cannot be loaded or built."""
        self._steps = [_whole(name, arguments, functions) for name, arguments in steps]

    def __call__(self, instances: Sequence[Samples], documents: Documents) -> list[Any]:
        """A value for each instance. The lists given stay as they are, whatever the filters do; raises TaskError."""
        values: list[Any] = [list(samples) for samples in instances]
        own = list(documents)
        for step in self._steps:
            values = step(values, own)
        return values


def _whole(name: str, arguments: Mapping[str, Any], functions: TaskFunctions) -> WholeFilter:
    if not is_own(name, functions):
        return _document_by_document(build_filter(name, arguments))
    if name == "custom":
        key = arguments["filter_fn"]
        return _checked(functions[key], key, functions.where(key))
    own = functions[name] if name in functions else functions.registered_filter(name)
    assert own is not None  # `is_own` has seen to it
    where = functions.where(name)
    try:
        apply = own(**arguments).apply
    except CODE_ERRORS as error:
        what = f"the filter {name} cannot be made: {type(error).__name__}: {error}"
        raise TaskError(what, where=where) from error
    return _checked(apply, name, where)


def _document_by_document(one: Filter) -> WholeFilter:
    def apply(values: list[Any], documents: Documents) -> list[Any]:
        return [one(value, document) for value, document in zip(values, documents, strict=True)]

    return apply


def _checked(apply: Callable[[list[Any], Documents], Any], name: str, where: str) -> WholeFilter:
    def checked(values: list[Any], documents: Documents) -> list[Any]:
        count = len(values)
        try:
            filtered = list(apply(values, documents))
        except CODE_ERRORS as error:
            what = f"the filter {name} fails: {type(error).__name__}: {error}"
            raise TaskError(what, where=where) from error
        if len(filtered) != count:
            what = f"the filter {name} gives {len(filtered)} values for {count} answers"
            raise TaskError(what, where=where, fix="It must give one for each, in their order.")
        return filtered

    return checked
