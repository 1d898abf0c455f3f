"""Jinja templates of task files: compiled once, sandboxed, and strict about names.

A template sees the columns of one document and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jinja2
from jinja2 import meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pipeline.errors import TaskError
from pipeline.near import did_you_mean, listed
from tasks.task_file import FunctionReference

_LISTED = 30
# What an expression may raise on the values of a document: `{{ 1 / n }}`, `{{ options[label] }}`, `{{ x | int }}`.
_EXPRESSION_ERRORS = (
    jinja2.TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    re.error,
)


def _regex_replace(text: str, pattern: str, replacement: str, count: int = 0) -> str:
    return re.sub(pattern, replacement, text, count=count)


class _Missing(jinja2.StrictUndefined):
    """A missing column is an error within a list too, where a template shows it by `repr`."""

    __slots__ = ()

    def __repr__(self) -> str:
        self._fail_with_undefined_error()
        raise AssertionError("unreachable")


_environment = ImmutableSandboxedEnvironment(undefined=_Missing, keep_trailing_newline=True)
_environment.filters["regex_replace"] = _regex_replace


@lru_cache(maxsize=4096)
def _compile(text: str) -> jinja2.Template:
    return _environment.from_string(text)


class Template:
    """One template and the line that it stands on (`file:line`)."""

    def __init__(self, text: str, where: str) -> None:
        """Raises TaskError, with the line, for a fault of the template's own."""
        self.text = text
        self.where = where
        self._constant = text if "{" not in text and "\r" not in text else None  # Jinja makes each line end \n
        try:
            self._compiled = _compile(text)
        except jinja2.TemplateSyntaxError as error:
            raise TaskError(f"the template cannot be read: {error.message}", where=where) from error

    def render(self, data: Mapping[str, Any], label: str) -> str:
        """The text for one document; `label` says which in messages. Raises TaskError for a column it lacks."""
        if self._constant is not None:
            return self._constant
        try:
            return self._compiled.render(data)
        except _EXPRESSION_ERRORS as error:
            raise self._fault(error, data, label) from error

    def _fault(self, error: Exception, data: Mapping[str, Any], label: str) -> TaskError:
        used = meta.find_undeclared_variables(_environment.parse(self.text))
        missing = sorted(name for name in used if name not in data and name not in _environment.globals)
        if not missing:
            return TaskError(f"the template fails on {label}: {error}", where=self.where)
        return missing_column(missing[0], data, label, self.where)


def may_draw(value: Any) -> bool:
    """Whether a setting, or one within it, is a function or a template that may draw at random."""
    if isinstance(value, Mapping):
        return any(map(may_draw, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(may_draw, value))
    if isinstance(value, str) and "random" in value:  # Jinja's filter
        return any(one.name == "random" for one in _environment.parse(value).find_all(jinja2.nodes.Filter))
    return isinstance(value, FunctionReference)


def missing_column(name: str, data: Mapping[str, Any], label: str, where: str) -> TaskError:
    """The error that says which column is wanted and which there are."""
    columns = [str(column) for column in data]
    fix = f"{did_you_mean(name, columns)} The columns are {listed(columns, _LISTED) or 'none'}.".lstrip()
    return TaskError(f"{label} has no column {name!r}, which is used here", where=where, fix=fix)
