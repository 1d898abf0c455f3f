"""Finds documents that a task of lm_eval takes: by what its templates and functions do with them, then by trying."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

import jinja2
from jinja2 import meta
from jinja2.nativetypes import NativeEnvironment

from tasks.task import PromptSettings
from tests.parity.harness_prompts.probes import Probe, ProbeDocument, ProbeTable
from tests.parity.harness_prompts.reference import Reference, Splits, split_names
from tests.parity.harness_prompts.shapes import KINDS, Shape, leaves, likely_kind, make_value

DOCUMENTS = 5  # of the split that is asked about
_TRIES = 150
_MENDED = 40  # columns and values that are found only by a KeyError
_COLUMN = re.compile(r"[\w][\w .()/-]{0,40}")
_FIELDS = ("description", "doc_to_text", "doc_to_choice", "doc_to_target", "gen_prefix")


class NoDataError(Exception):
    """No documents were found that lm_eval takes; the message is its last error."""


def find_data(config: dict[str, Any]) -> tuple[Splits, Reference]:
    """Documents for each split, and lm_eval's task over them. Raises NoDataError."""
    columns = learn(config)
    for odd in (True, False):
        try:
            return _accepted(config, columns, odd)
        except Exception as error:  # noqa: BLE001 - whatever lm_eval and the task's code raise is an answer
            last = error
    return _tried(config, columns, last)


def _accepted(config: dict[str, Any], columns: Shape, odd: bool) -> tuple[Splits, Reference]:
    splits = make_splits(config, columns, odd)
    made = Reference(config, splits)
    made.requests(PromptSettings(num_fewshot=0))
    golds = [made.task.doc_to_target(document) for document in made.task.eval_docs]
    if any(isinstance(gold, int) and gold < 0 for gold in golds):
        raise ValueError(f"there are indices of choices below 0: {golds}")
    return splits, made


def _tried(config: dict[str, Any], columns: Shape, last: Exception) -> tuple[Splits, Reference]:
    """One value after the other made of another kind, until all is accepted; what gets further is kept."""
    for _ in range(_MENDED):
        if not isinstance(last, KeyError) or not _mended(columns, last.args[0]):
            break
        try:
            return _accepted(config, columns, False)
        except Exception as error:  # noqa: BLE001 - as above
            last = error
    tries = 0
    best = _progress(last)
    improved = True
    while improved:
        improved = False
        for shape in sorted(leaves(columns), key=lambda one: not one.uses):
            before = shape.kind
            for kind in KINDS:
                if kind == likely_kind(shape) or tries > _TRIES:
                    continue
                tries += 1
                shape.kind = kind
                try:
                    return _accepted(config, columns, False)
                except Exception as error:  # noqa: BLE001 - as above
                    last = error
                if _progress(last) > best:
                    best, before, improved = _progress(last), kind, True
                    break
            shape.kind = before
    raise NoDataError(f"{type(last).__name__}: {last}"[:300])


def _mended(columns: Shape, key: Any) -> bool:
    """After a KeyError: whether another column, or another value of one, may do better."""
    for shape in leaves(columns):
        if "looked up" in shape.uses and key in shape.literals and len(shape.literals) > 1:
            shape.literals.remove(key)
            return True
    if isinstance(key, str) and key not in columns.fields:
        columns.field(key)
        return True
    return False


def _progress(error: Exception) -> tuple[int, ...]:
    """How far lm_eval came: the line of its own code at which the error arose."""
    lines = []
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.endswith("lm_eval/api/task.py"):
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    inside = lines and lines[0] > 1000
    return (int(bool(inside)), *lines[:1])


def make_splits(config: Mapping[str, Any], columns: Shape, odd: bool) -> Splits:
    return {
        name: [
            {column: make_value(shape, 10 * place + number, odd) for column, shape in columns.fields.items()}
            or {"text": f"text {10 * place + number}"}
            for number in range(DOCUMENTS + place)
        ]
        for place, name in enumerate(split_names(config))
    }


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
        found = document[value] if _COLUMN.fullmatch(value) and name != "description" else None
    elif isinstance(value, str):
        found = _render(value, document)
    else:
        return
    if not isinstance(found, Probe):
        return
    if name == "doc_to_choice":
        found.shape.element()
    elif name == "doc_to_target" and config.get("doc_to_choice") is not None and not found.shape.is_text():
        found.shape.uses.add("index")


def _render(text: str, document: ProbeDocument) -> Any:
    from lm_eval.utils import env

    native = NativeEnvironment(undefined=jinja2.StrictUndefined)
    native.filters.update(env.filters)
    names = _attempt(lambda: meta.find_undeclared_variables(env.parse(text))) or ()
    values = {name: document[name] for name in names}
    return _attempt(lambda: native.from_string(text).render(values))


def _attempt(action: Callable[[], Any]) -> Any:
    try:
        return action()
    except Exception:  # noqa: BLE001 - what has been learnt until then counts
        return None


@contextmanager
def _lenient_parsers() -> Iterable[None]:  # type: ignore[misc]
    """While it lasts, texts that are parsed as JSON or Python are known to hold these."""
    import ast
    import json

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
