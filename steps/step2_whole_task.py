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

Documents = Sequence[Mapping[str, Any]]
# From the answers to all instances, a list of samples each, and their documents: what the next filter gets.
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

    def __call__(self, answers: Sequence[Sequence[Any]], documents: Documents) -> list[Any]:
        """A value for each document. `answers` as a filter of the registry takes them; raises TaskError."""
        split = [_instances(one) for one in answers]
        owners = [document for document, own in zip(documents, split, strict=True) for _ in own]
        values: list[Any] = [samples for own in split for samples in own]
        for step in self._steps:
            values = step(values, owners)
        flat = iter(values)
        return [_joined([next(flat) for _ in own], one) for own, one in zip(split, answers, strict=True)]


def _instances(answers: Sequence[Any]) -> list[list[Any]]:
    """The samples of each of the harness's instances: one for a text, one a choice for scores."""
    if answers and isinstance(answers[0], list):
        return [[(logprob, greedy)] for logprob, greedy, _ in answers[0]]
    return [list(answers)]


def _joined(values: list[Any], answers: Sequence[Any]) -> Any:
    """The values of a document's instances as one: of scores with the numbers of tokens that they came with."""
    if answers and isinstance(answers[0], list):
        return [[*value[:2], tokens] for value, (_, _, tokens) in zip(values, answers[0], strict=True)]
    return values[0]


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


def _checked(apply: Callable[[list[Any], list[dict[str, Any]]], Any], name: str, where: str) -> WholeFilter:
    def checked(values: list[Any], documents: Documents) -> list[Any]:
        try:
            filtered = list(apply(values, [dict(document) for document in documents]))
        except CODE_ERRORS as error:
            what = f"the filter {name} fails: {type(error).__name__}: {error}"
            raise TaskError(what, where=where) from error
        if len(filtered) != len(values):
            what = f"the filter {name} gives {len(filtered)} values for {len(values)} answers"
            raise TaskError(what, where=where, fix="It must give one for each, in their order.")
        return filtered

    return checked
