"""The rows of the four steps' JSONL files: the one contract between steps.

Plain structs and their encoding. What cannot stand in JSON is tagged with its type (`to_plain`), so that decoding
gives back what was encoded: msgspec alone would write NaN as null.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from pipeline.requests import Prompt, RequestType

Status = Literal["ok", "error"]
_TAGS = frozenset({"$float", "$tuple", "$set", "$bytes", "$datetime", "$date", "$time", "$decimal", "$map"})


class ErrorRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Why a row has no result."""

    type: str
    message: str


class Row(msgspec.Struct, kw_only=True):
    """What every row bears. `index` gives the order within the task and is in no key."""

    model: str
    task: str
    doc_id: str
    index: int
    status: Status = "ok"
    error: ErrorRecord | None = None


class RequestRecord(msgspec.Struct, kw_only=True):
    """One request of a document and what came back; `prompt` is None where it is the row's own."""

    type: RequestType
    turn: int = 0
    sample: int = 0
    prompt: Prompt | None = None
    continuations: list[str] | None = None
    text: str | None = None
    logprobs: list[Any] | None = None  # floats; an infinity is tagged
    greedy: list[bool] | None = None
    completion_tokens: list[int] | None = None
    prompt_tokens: int | None = None
    finish_reason: str | None = None
    truncated_tokens: int = 0
    error: ErrorRecord | None = None
    imported: bool | msgspec.UnsetType = msgspec.UNSET  # true where another tool has given the text
    generation: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET  # where it differs from the row's


class GenerationRow(Row, kw_only=True):
    """Step 1: a document, what was asked about it, and the raw responses."""

    document: Any
    prompt: Prompt
    prompt_hash: str
    target: Any = None
    choices: list[str] | None = None
    requests: list[RequestRecord] = []
    generation: dict[str, Any] | None = None


class FilteredRow(Row, kw_only=True):
    """Step 2: the responses reduced to what counts, one value a filter pipeline; one row an expansion."""

    document: msgspec.Raw
    prompt_hash: str
    target: Any = None
    choices: Any = None
    filtered: dict[str, Any] = {}
    expansion: str | None = None
    flags: dict[str, Any] = {}
    prompt: msgspec.Raw = msgspec.Raw(b"null")  # as sent, of generated answers alone: judges and reward models read it


class ScoredRow(Row, kw_only=True):
    """Step 3: the metric values of one document under one filter pipeline."""

    expansion: str | None = None
    cluster: str
    slices: dict[str, Any] = {}
    filter: str
    response: Any = None
    target: Any = None
    values: dict[str, Any] = {}  # a float, a sufficient statistic, or null where the instrument failed
    flags: dict[str, Any] = {}
    prompt_hash: str


class AggregateRow(msgspec.Struct, kw_only=True):
    """Step 4: one figure of one model. `low` and `high` bound a 95% interval by `method`."""

    model: str
    task: str
    metric: str
    filter: str
    slice: str | None = None  # "field=value", None for the whole
    value: Any
    n: int
    se: Any = None
    low: Any = None
    high: Any = None
    method: str | None = None
    errors: int = 0
    missing: int = 0
    higher_is_better: bool | None = None
    num_fewshot: int | None = None


def to_plain(value: Any, owner: str = "a value") -> Any:
    """`value` as JSON can hold it, every other type tagged; `restore` gives it back.

    Raises TypeError, naming `owner`, for a type that cannot be told apart after decoding.
    """
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is float:
        return value if math.isfinite(value) else {"$float": repr(value)}
    if kind is list:
        return [to_plain(item, owner) for item in value]
    if kind is dict:
        if all(type(name) is str for name in value) and not (len(value) == 1 and next(iter(value)) in _TAGS):
            return {name: to_plain(item, owner) for name, item in value.items()}
        return {"$map": [[to_plain(name, owner), to_plain(item, owner)] for name, item in value.items()]}
    return _tagged(value, owner)


def _tagged(value: Any, owner: str) -> Any:
    match value:
        case tuple():
            return {"$tuple": [to_plain(item, owner) for item in value]}
        case set() | frozenset():
            return {"$set": sorted((to_plain(item, owner) for item in value), key=repr)}
        case bytes():
            return {"$bytes": base64.b64encode(value).decode("ascii")}
        case datetime.datetime():
            return {"$datetime": value.isoformat()}
        case datetime.date():
            return {"$date": value.isoformat()}
        case datetime.time():
            return {"$time": value.isoformat()}
        case decimal.Decimal():
            return {"$decimal": str(value)}
    if isinstance(value, (str, int, float)):  # subclasses: numpy.str_, numpy.float64, enums
        base = next(base for base in (str, int, float) if isinstance(value, base))
        return to_plain(base(value), owner)
    if hasattr(value, "tolist"):  # a numpy scalar or array: told apart by nobody downstream
        return to_plain(value.tolist(), owner)
    raise TypeError(f"{owner} is a {kind_name(value)}, which a JSONL row cannot hold and give back")


def kind_name(value: Any) -> str:
    """The type's full name, for messages."""
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def restore(value: Any) -> Any:
    """The value that `to_plain` was given."""
    if isinstance(value, list):
        return [restore(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        tag, content = next(iter(value.items()))
        if tag in _TAGS:
            return _untagged(tag, content)
    return {name: restore(item) for name, item in value.items()}


def _untagged(tag: str, content: Any) -> Any:
    match tag:
        case "$float":
            return float(content)
        case "$tuple":
            return tuple(restore(item) for item in content)
        case "$set":
            return {restore(item) for item in content}
        case "$bytes":
            return base64.b64decode(content)
        case "$datetime":
            return datetime.datetime.fromisoformat(content)
        case "$date":
            return datetime.date.fromisoformat(content)
        case "$time":
            return datetime.time.fromisoformat(content)
        case "$decimal":
            return decimal.Decimal(content)
    return {restore(name): restore(item) for name, item in content}


class LazyDocument(Mapping[str, Any]):
    """A row's document, decoded when first looked into: most filters and metrics never do."""

    def __init__(self, raw: msgspec.Raw) -> None:
        self._raw = raw
        self._fields: dict[str, Any] | None = None

    def _decoded(self) -> dict[str, Any]:
        if self._fields is None:
            self._fields = restore(msgspec.json.decode(self._raw))
        return self._fields

    def __getitem__(self, name: str) -> Any:
        return self._decoded()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._decoded())

    def __len__(self) -> int:
        return len(self._decoded())


_encoder = msgspec.json.Encoder()


def encode_row(row: msgspec.Struct) -> bytes:
    """One line of JSONL with its newline, UTF-8 unescaped. Free-form fields must have been through `to_plain`."""
    return _encoder.encode(row) + b"\n"
