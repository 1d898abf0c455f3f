"""What the values of a JSON file are where lm_eval reads it: one type a field, and None where a document lacks it.

The rules are those by which `datasets` makes a table of them; the cells of CSV and TSV are `table_cells.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

Conversion = Callable[[Any], Any]
_BOOL, _WHOLE, _FLOAT, _TEXT, _TIME, _LIST, _OBJECT = (1 << bit for bit in range(7))
# Types that fields hold together; all other mixtures stay as they are, document by document.
_JOINED = {_WHOLE | _FLOAT: _FLOAT, _TIME | _TEXT: _TEXT}
_MOST = 2**63
# The times that Arrow's reader of JSON takes for such.
_ISO = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d(:\d\d(:\d\d)?)?(Z|[+-]\d\d(:?\d\d)?)?)?", re.ASCII)


class Field:
    """What the values of one field have been so far, and those within them."""

    __slots__ = ("fields", "item", "kinds", "reordered", "uneven")

    def __init__(self) -> None:
        self.kinds = 0
        self.item: Field | None = None
        self.fields: dict[str, Field] = {}
        self.uneven = False  # objects of different keys
        self.reordered = False  # objects of the same keys in another order

    def learn(self, value: Any) -> None:
        kind = type(value)
        if kind is str:
            if not self.kinds & _TEXT:
                self.kinds |= _TIME if _time(value) is not None else _TEXT
        elif kind is bool:
            self.kinds |= _BOOL
        elif kind is int:
            self.kinds |= _WHOLE if -_MOST <= value < _MOST else _FLOAT
        elif kind is float:
            self.kinds |= _FLOAT
        elif kind is list:
            self.kinds |= _LIST
            if self.item is None:
                self.item = Field()
            for one in value:
                self.item.learn(one)
        elif kind is dict:
            self._learn_object(value)

    def _learn_object(self, value: dict[str, Any]) -> None:
        names = list(value)
        if not self.kinds & _OBJECT:
            self.kinds |= _OBJECT
            self.fields = {name: Field() for name in names}
        elif names != list(self.fields):
            self.reordered = True
            self.uneven = self.uneven or value.keys() != self.fields.keys()
        if not self.uneven:
            for name, one in value.items():
                self.fields[name].learn(one)

    def conversion(self) -> Conversion | None:
        """What a value becomes; None where it stays."""
        kinds = _JOINED.get(self.kinds, self.kinds)
        if kinds & (kinds - 1):  # several
            return _untyped if kinds & (_TEXT | _TIME) else None
        if kinds == _FLOAT:
            return _float
        if kinds == _TIME:
            return _time
        if kinds == _LIST and self.item is not None and (inner := self.item.conversion()) is not None:
            return lambda values: [None if one is None else inner(one) for one in values]
        if kinds == _OBJECT and not self.uneven:
            return self._of_objects()
        return None

    def _of_objects(self) -> Conversion | None:
        inner = {name: one.conversion() for name, one in self.fields.items()}
        if not self.reordered and not any(inner.values()):
            return None
        return lambda value: {
            name: value[name] if convert is None or value[name] is None else convert(value[name])
            for name, convert in inner.items()
        }


def fields_of(documents: Iterable[dict[str, Any]]) -> dict[str, Conversion | None]:
    """All fields of the documents in the order in which they come, each with what its values become."""
    fields: dict[str, Field] = {}
    for document in documents:
        for name, value in document.items():
            if name not in fields:
                fields[name] = Field()
            fields[name].learn(value)
    return {name: one.conversion() for name, one in fields.items()}


def _float(value: float) -> float:
    return float(value)


def _time(text: str) -> datetime | None:
    """The time in UTC, without a zone, or None for another text."""
    if not text[:4].isdigit() or not _ISO.fullmatch(text):
        return None
    try:
        time = datetime.fromisoformat(text)
        return time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None


def _untyped(value: Any) -> Any:
    """Where a field mixes types, a text that is JSON is what it writes, and any other text itself."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
