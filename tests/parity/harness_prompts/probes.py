"""Values that learn from how templates and task code use them what a column must hold: a shape a column.

What a shape becomes is `shapes.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

from tests.parity.harness_prompts.shapes import Shape, sample_text


class Probe(str):
    """Stands for a value of a document; a text of its own, so that whatever takes texts takes it too."""

    equal = False  # how a comparison ends: once this way, once the other, so that both branches are seen
    shape: Shape

    def __new__(cls, shape: Shape) -> Probe:
        made = super().__new__(cls, sample_text(shape))
        made.shape = shape
        return made

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            self.shape.uses.add("sliced")
            for bound in (key.start, key.stop):
                if isinstance(bound, Probe):
                    bound.shape.uses.add("index")
            return self
        if isinstance(key, str):
            return Probe(self.shape.field(str(key)))
        self.shape.length = max(self.shape.length, int(key) + 1)
        return Probe(self.shape.element())

    def __iter__(self) -> Iterator[Any]:
        return iter([Probe(self.shape.element())] * self.shape.length)

    def __len__(self) -> int:
        self.shape.uses.add("sized")
        return self.shape.length

    def __index__(self) -> int:
        self.shape.uses.add("index")
        return 0

    def __int__(self) -> int:
        self.shape.uses.add("digits")
        return 1

    def __float__(self) -> float:
        self.shape.uses.add("digits")
        return 1.0

    def __bool__(self) -> bool:
        self.shape.uses.add("truth")
        return True

    def __hash__(self) -> int:
        for name in _keys_in_sight():
            self.shape.literal(name)
        self.shape.uses.add("looked up")
        return str.__hash__(self)

    def __getattribute__(self, name: str) -> Any:
        if name in _OF_TEXTS:
            str.__getattribute__(self, "shape").uses.add("text")
        return str.__getattribute__(self, name)

    def __eq__(self, other: object) -> bool:
        self._compared(other)
        return Probe.equal or str.__eq__(self, other) is True

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __contains__(self, part: object) -> bool:
        self._sought(part)
        return Probe.equal

    def _sought(self, part: object) -> None:
        """Something is looked for in this value: an item of a list, or a part of a text."""
        if isinstance(part, Probe):
            part.shape.chosen_from = self.shape
            self.shape.element()
        elif isinstance(part, str):
            self.shape.part(part)

    def index(self, part: Any, *_: Any) -> int:  # type: ignore[override]
        self._sought(part)
        return 0

    def find(self, part: Any, *_: Any) -> int:  # type: ignore[override]
        self._sought(part)
        return 0

    def startswith(self, start: Any, *_: Any) -> bool:  # type: ignore[override]
        for one in start if isinstance(start, tuple) else [start]:
            if isinstance(one, str) and not isinstance(one, Probe) and one not in self.shape.starts:
                self.shape.starts.append(one)
        return Probe.equal

    def _unchanged(self, *_: Any) -> Probe:
        self.shape.uses.add("text")
        return self

    strip = lstrip = rstrip = lower = upper = casefold = capitalize = _unchanged

    def split(self, *arguments: Any, **settings: Any) -> list[Any]:  # type: ignore[override]
        self.shape.uses.add("text")
        if arguments and isinstance(arguments[0], str):
            self.shape.part(arguments[0])
        return str.split(self, *arguments, **settings)

    def get(self, key: str, default: Any = None) -> Any:
        return self[key]

    def keys(self) -> list[str]:
        return [name for name, _ in self.items()]

    def items(self) -> list[tuple[str, Any]]:
        if not self.shape.fields:
            for letter in "ABCD":
                self.shape.field(letter)
        return [(name, Probe(shape)) for name, shape in self.shape.fields.items()]

    def values(self) -> list[Any]:
        return [value for _, value in self.items()]

    def _compared(self, other: object) -> None:
        if not isinstance(other, Probe):
            if isinstance(other, (str, int, float)):
                self.shape.literal(other)
        elif other.shape.parent is not None and self.shape.parent is None:
            self.shape.chosen_from = other.shape.parent
        elif self.shape.parent is not None and other.shape.parent is None:
            other.shape.chosen_from = self.shape.parent

    def __add__(self, other: Any) -> Any:
        if isinstance(other, (int, float)):
            return self._number() + other
        return other if isinstance(other, list) and self._listed() else str.__add__(self, other)

    def __radd__(self, other: Any) -> Any:
        return self.__add__(other)

    def __mod__(self, other: Any) -> Any:
        return self._number() % other if isinstance(other, int) else str.__mod__(self, other)

    def _number(self) -> int:
        self.shape.uses.add("number")
        return 1

    def _listed(self) -> bool:
        self.shape.element()
        return True

    def __sub__(self, other: Any) -> Any:
        return self._number() - (1 if isinstance(other, Probe) else other)

    def __mul__(self, other: Any) -> Any:
        return self._number() * (1 if isinstance(other, Probe) else other)

    def __truediv__(self, other: Any) -> Any:
        return self._number() / (1 if isinstance(other, Probe) else other)

    def __lt__(self, other: Any) -> bool:
        return self._ordered(other)

    def __le__(self, other: Any) -> bool:
        return self._ordered(other)

    def __gt__(self, other: Any) -> bool:
        return self._ordered(other)

    def __ge__(self, other: Any) -> bool:
        return self._ordered(other)

    def _ordered(self, other: Any) -> bool:
        if isinstance(other, (int, float)):
            self._number()
        return Probe.equal


_OF_TEXTS = frozenset(
    [
        "replace",
        "startswith",
        "endswith",
        "removeprefix",
        "removesuffix",
        "splitlines",
        "rfind",
        "rindex",
        "partition",
        "rpartition",
        "format",
        "isdigit",
        "isupper",
        "encode",
        "translate",
    ]
)


def _keys_in_sight() -> list[str]:
    """The texts that whatever looks a probe up may be looking for: keys of mappings where it does so."""
    frame: Any = sys._getframe(2)
    found: list[str] = []
    used = [frame.f_globals[name] for name in frame.f_code.co_names if name in frame.f_globals]
    for holder in (*frame.f_locals.values(), *used, *frame.f_code.co_consts):
        if isinstance(holder, (dict, tuple, set, frozenset)) and 1 < len(holder) < 60:
            keys = list(holder)
            if all(type(key) is str for key in keys) and "__name__" not in holder:
                found += keys
    return found


class ProbeDocument(dict[str, Any]):
    """A document whose columns come to be when they are asked for."""

    def __init__(self, columns: Shape, *known: Any) -> None:
        super().__init__(*known)
        self.columns = columns

    def __missing__(self, name: str) -> Probe:
        return Probe(self.columns.field(name))

    def get(self, name: str, default: Any = None) -> Any:
        return self[name]

    def copy(self) -> ProbeDocument:
        return ProbeDocument(self.columns, self)


class ProbeTable:
    """Of a `datasets.Dataset` what functions that process documents make use of."""

    def __init__(self, columns: Shape, documents: list[ProbeDocument]) -> None:
        self._columns = columns
        self.documents = documents

    def map(self, function: Callable[..., Any], *_: Any, with_indices: bool = False, **__: Any) -> ProbeTable:
        made = []
        for number, document in enumerate(self.documents):
            given = function(document, number) if with_indices else function(document)
            made.append(ProbeDocument(self._columns, {**document, **(given or {})}))
        return ProbeTable(self._columns, made)

    def filter(self, function: Callable[..., Any], *_: Any, **__: Any) -> ProbeTable:
        for document in self.documents:
            function(document)
        return self

    def __iter__(self) -> Iterator[ProbeDocument]:
        return iter(self.documents)

    def __getitem__(self, key: Any) -> Any:
        return [document[key] for document in self.documents] if isinstance(key, str) else self.documents[0]

    def __len__(self) -> int:
        return len(self.documents)

    def _same(self, *_: Any, **__: Any) -> ProbeTable:
        return self

    select = shuffle = remove_columns = add_column = sort = flatten = flatten_indices = with_format = _same

    def rename_column(self, old: str, new: str) -> ProbeTable:
        return self.map(lambda document: {new: document[old]})

    def rename_columns(self, names: dict[str, str]) -> ProbeTable:
        return self.map(lambda document: {new: document[old] for old, new in names.items()})
