"""What a task reads out of a document: question, target, choices, prefix; by template, column name, index or function.

The rules of type are the harness's: a rendered digit is an index where there are choices, a rendered `[…]` a list.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.console import warn_once
from pipeline.errors import TaskError
from pipeline.near import nearest
from pipeline.requests import Message
from tasks.task_code import CODE_ERRORS, load_function
from tasks.task_config import FieldValue
from tasks.task_file import FunctionReference
from tasks.templates import Template, missing_column

_LONG = 19  # digits, more than any index has

Data = Mapping[str, Any]
Target = (
    str | int | float | list[Any] | None
)  # None: the document does not tell, as in a test set whose answers are kept


class DocumentField:
    """One `doc_to_*` setting. `read` gives a column's value as it is, or the template's text."""

    def __init__(self, value: FieldValue, where: str, trusted: bool) -> None:
        """Raises TaskError for a broken template, or a function where task code is not trusted."""
        self.where = where
        self._fixed = value if isinstance(value, (int, list, dict)) else None
        self._template = Template(value, where) if isinstance(value, str) else None
        self._function: Callable[[Data], Any] | None = None
        self._held_against_columns = False
        if isinstance(value, FunctionReference):
            self._function = load_function(value, trusted)

    def read(self, data: Data, label: str) -> tuple[Any, bool]:
        """The value, and whether a template rendered it. `label` names the document in messages."""
        if self._template is None:
            return (self._fixed if self._function is None else self._call(data, label)), False
        if self._template.text in data:
            return data[self._template.text], False
        self._hold_against_columns(self._template.text, data)
        return self._template.render(data, label), True

    def _hold_against_columns(self, text: str, data: Data) -> None:
        """A word that names no column is text, as in lm_eval; one that nearly names a column is likelier a fault."""
        if self._held_against_columns:
            return
        self._held_against_columns = True
        near = nearest(text, map(str, data), cutoff=0.8) if text.isidentifier() else []
        if near:
            warn_once(f"{self.where}: {text!r} is no column, and stands for itself; did you mean the column {near[0]}?")

    def _call(self, data: Data, label: str) -> Any:
        assert self._function is not None
        try:
            return self._function(data)
        except CODE_ERRORS as error:
            what = f"the function fails on {label}: {type(error).__name__}: {error}"
            raise TaskError(what, where=self.where) from error

    def fault(self, what: str, label: str) -> TaskError:
        return TaskError(f"{what}, on {label}", where=self.where)


class TextField(DocumentField):
    """A field that must give text: question, description."""

    def text(self, data: Data, label: str) -> str:
        value, _ = self.read(data, label)
        if not isinstance(value, str):
            raise self.fault(f"this must give text, and gives {_shown(value)}", label)
        return value


class PrefixField(DocumentField):
    """The beginning of the answer; a document without one may have null in its column."""

    def text(self, data: Data, label: str) -> str:
        value, _ = self.read(data, label)
        if value is not None and not isinstance(value, str):
            raise self.fault(f"this must give text, and gives {_shown(value)}", label)
        return value or ""


class QuestionField(DocumentField):
    """What is asked; where the question is several inputs, one a choice, the index of the right one."""

    def __init__(self, value: FieldValue, where: str, trusted: bool, has_choices: bool) -> None:
        super().__init__(value, where, trusted)
        self._has_choices = has_choices

    def question(self, data: Data, label: str) -> str | int:
        value, rendered = self.read(data, label)
        if rendered and self._has_choices:
            return as_index(value)
        if isinstance(value, str) or (isinstance(value, int) and self._has_choices):
            return value
        raise self.fault(f"this must give text, and gives {_shown(value)}", label)


class MessagesField(DocumentField):
    """A field that must give the messages of a dialogue."""

    def messages(self, data: Data, label: str) -> list[Message]:
        value, rendered = self.read(data, label)
        sound = isinstance(value, list) and all(
            isinstance(turn, dict)
            and set(turn) == {"role", "content"}
            and all(isinstance(part, str) for part in turn.values())
            for turn in value
        )
        if rendered or not sound or not value:
            raise self.fault(f"this must give messages of role and content, and gives {_shown(value)}", label)
        return [{"role": turn["role"], "content": turn["content"]} for turn in value]


class TargetField(DocumentField):
    """The gold answer: a text, the index of a choice, or a list of either."""

    def __init__(self, value: FieldValue, where: str, trusted: bool, has_choices: bool, *, free: bool = False) -> None:
        """`free`: of any type, since a function of the task's own makes something of it."""
        super().__init__(value, where, trusted)
        self._has_choices = has_choices
        self._free = free
        self._untold = False  # whether a document without a right answer was met, which is said once

    def target(self, data: Data, label: str) -> Target:
        value, rendered = self.read(data, label)
        if rendered:
            return _as_target(value, self._has_choices)
        if self._free:
            return value  # type: ignore[no-any-return]
        if value is None and not self._untold:
            self._untold = True
            meant = "and others may have none: their scores are missing or mean nothing"
            warn_once(f"{self.where}: {label} has no right answer, {meant}")
        if value is not None and not isinstance(value, (str, int, float, list)):
            raise self.fault(f"this must give text, an index or a list, and gives {_shown(value)}", label)
        return value


class ChoicesField(DocumentField):
    """The answers to choose from."""

    def choices(self, data: Data, label: str) -> list[str]:
        value, rendered = self.read(data, label)
        if rendered:
            try:
                value = ast.literal_eval(value)
            except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
                if self._template is not None and self._template.text.isidentifier():
                    raise missing_column(value, data, label, self.where) from error
                what = f"doc_to_choice must render a list, [...], and renders {_shown(value)}"
                raise self.fault(what, label) from error
        if isinstance(value, dict):
            value = list(value.values())
        if not isinstance(value, (list, tuple)) or not value or not all(isinstance(one, str) for one in value):
            raise self.fault(f"doc_to_choice must give a list of texts, and gives {_shown(value)}", label)
        return list(value)


def as_index(text: str) -> int | str:
    """The index of a choice that the digits 0 to 9 write; every other text as it is, digits of other scripts too."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < _LONG else text


def _as_target(text: str, has_choices: bool) -> Target:
    if has_choices and not isinstance(index := as_index(text), str):
        return index
    if len(text) >= 2 and text[0] == "[" and text[-1] == "]":
        try:
            value = ast.literal_eval(text)
        except (SyntaxError, ValueError):
            return text
        return value if isinstance(value, list) else text
    return text


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
