"""What columns a task of lm_eval has, by what its templates and functions do with the values of a document."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

import jinja2
from jinja2 import meta
from jinja2.nativetypes import NativeEnvironment

from tests.parity.harness_prompts.probes import Probe, ProbeDocument, ProbeTable
from tests.parity.harness_prompts.shapes import Shape

_COLUMN = re.compile(r"[\w][\w .()/-]{0,40}")
_FIELDS = ("description", "doc_to_text", "doc_to_choice", "doc_to_target", "gen_prefix")


def learn(config: Mapping[str, Any]) -> Shape:
    """The columns as far as the task's templates and functions tell of them."""
    columns = Shape("document")
    for equal in (False, True, False, True):
        with mock.patch.object(Probe, "equal", equal), _lenient_parsers():
            _learn_all(config, columns)
    return columns


def _learn_all(config: Mapping[str, Any], columns: Shape) -> None:
    document = ProbeDocument(columns)
    process = config.get("process_docs")
    if callable(process):
        made = _attempt(lambda: list(process(ProbeTable(columns, [document]))))
        if made and isinstance(made[0], dict):
            document = ProbeDocument(columns, made[0])
    own = config.get("fewshot_config") or {}
    for source in (config, own if isinstance(own, dict) else {}):
        for name in _FIELDS:
            _learn_field(name, source.get(name), document, config)
    results = config.get("process_results")
    if callable(results):
        for answers in (["text"], [(-1.0, True)] * 4):
            _attempt(lambda answers=answers: results(document, answers))  # type: ignore[misc]


def _learn_field(name: str, value: Any, document: ProbeDocument, config: Mapping[str, Any]) -> None:
    if callable(value):
        found = _attempt(lambda: value(document))
    elif isinstance(value, str) and value and "{" not in value:
        is_column = value.isidentifier() if name == "gen_prefix" else _COLUMN.fullmatch(value) and name != "description"
        found = document[value] if is_column else None
    elif isinstance(value, str):
        found = _render(value, document)
    else:
        return
    if name == "doc_to_choice" and isinstance(found, list):
        for choice in found:
            if isinstance(choice, Probe):
                choice.shape.uses.add("text")
    if not isinstance(found, Probe):
        return
    if name == "doc_to_choice":
        found.shape.element()
    elif name == "doc_to_target" and not found.shape.is_text():
        found.shape.uses.add("index" if config.get("doc_to_choice") is not None else "answer")


def _render(text: str, document: ProbeDocument) -> Any:
    from lm_eval.utils import env

    native = NativeEnvironment(undefined=jinja2.StrictUndefined)
    native.filters.update(env.filters)
    names = _attempt(lambda: meta.find_undeclared_variables(env.parse(text))) or ()
    values = {name: document[name] for name in names}
    return _attempt(lambda: native.from_string(text).render(values))


def _attempt(action: Callable[[], Any]) -> Any:
    """What the action gives, or None: what has been learnt until it failed counts. A key that is none is not kept."""
    while True:
        try:
            return action()
        except KeyError as error:
            if not isinstance(error.args[0], Probe) or not error.args[0].shape.refuse(str(error.args[0])):
                return None
        except Exception:  # noqa: BLE001 - templates and task code raise what they like
            return None


@contextmanager
def _lenient_parsers() -> Iterator[None]:
    """While it lasts, texts that are parsed as JSON or Python are known to hold these."""

    def parser(original: Callable[..., Any], kind: str) -> Callable[..., Any]:
        def parse(text: Any, *arguments: Any, **settings: Any) -> Any:
            if not isinstance(text, Probe):
                return original(text, *arguments, **settings)
            text.shape.kind = kind
            return [Probe(text.shape.element())] * text.shape.length

        return parse

    with (
        mock.patch.object(json, "loads", parser(json.loads, "json")),
        mock.patch.object(ast, "literal_eval", parser(ast.literal_eval, "python list")),
    ):
        yield
