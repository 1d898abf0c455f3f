"""What is known of a column's values, and made-up values that fit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from dataclasses import field as default
from typing import Any, Literal

_LENGTH = 4  # of a list of which nothing is known


@dataclass
class Shape:
    """One value of a document, or what stands in it. A column is a field of the document's own shape."""

    name: str
    fields: dict[str, Shape] = default(default_factory=dict)
    item: Shape | None = None
    length: int = _LENGTH
    uses: set[str] = default(default_factory=set)
    literals: list[Any] = default(default_factory=list)
    refused: list[Any] = default(default_factory=list)  # literals that it was tried with in vain
    parts: list[str] = default(default_factory=list)  # what a text is searched for
    starts: list[str] = default(default_factory=list)  # what it is seen to begin with
    parent: Shape | None = None  # the list that this is an item of
    chosen_from: Shape | None = None  # the list that this value is looked for in
    kind: str | None = None  # of values, where something else than the uses decides

    def field(self, name: str) -> Shape:
        return self.fields.setdefault(name, Shape(name))

    def element(self) -> Shape:
        if self.item is None:
            self.item = Shape(f"{self.name} item", parent=self)
        return self.item

    def literal(self, value: Any) -> None:
        if value not in self.literals and value not in self.refused and value != "":
            self.literals.append(value)

    def refuse(self, value: Any) -> bool:
        """Whether there are other literals than this one, which is none of them any more."""
        if value not in self.literals or len(self.literals) < 2:
            return False
        self.literals.remove(value)
        self.refused.append(value)
        return True

    def is_text(self) -> bool:
        """Whether it is used as texts alone can be."""
        return bool(self.uses & {"text", "sliced"})

    def part(self, value: str) -> None:
        if value.strip() and value not in self.parts:
            self.parts.append(value)


# Texts with what is easily broken; with that, and here and there none at all; or simple ones.
Style = Literal["odd", "gaps", "plain"]
# Kinds that a value can be made of, in the order in which they are tried where lm_eval does not take the likeliest.
KINDS = (
    "index",
    "false",
    "text",
    "list",
    "digits",
    "letter",
    "last digits",
    "json",
    "number",
    "chosen",
    "literal",
    "lists",
    "python list",
)
_ANSWERS = ("B", "18", "", "A", "yes")  # of generations; "" is a text of the column's own
_LETTERS = "ABCDEFGHIJ"
_ODD = ('{0} of "quotes" and it\'s', " größer {0} 数 ", "{0}\n of two lines\n", "\t{0} {{braces}}  ", "{0} [or] 5%")


def likely_kind(shape: Shape) -> str:
    """What the uses of a value speak for."""
    if shape.kind is not None:
        return shape.kind
    if shape.fields:
        return "mapping"
    if shape.chosen_from is not None:
        return "chosen"
    if shape.item is not None and not shape.is_text():
        return "list"
    if shape.literals:
        return "literal"
    if "index" in shape.uses:
        return "index"
    if "number" in shape.uses:
        return "number"
    if "digits" in shape.uses:
        return "digits"
    return "answer" if "answer" in shape.uses and not shape.is_text() else "text"


def make_value(shape: Shape, number: int, style: Style) -> Any:
    """The value for the document `number`."""
    kind = likely_kind(shape)
    if kind == "mapping":
        return {name: make_value(one, number, style) for name, one in shape.fields.items()}
    if kind in ("list", "lists", "json", "python list"):
        return _made_list(shape, kind, number, style)
    if kind == "chosen" and shape.chosen_from is not None:
        among = make_value(shape.chosen_from, number, style)
        return among[number % 2] if isinstance(among, list) else among
    if kind == "literal":
        fitting = [one for one in shape.literals if type(one) is type(shape.literals[0])]
        return fitting[number % len(fitting)] if fitting else _text(shape, number, style)
    match kind:
        case "index":
            return number % 2
        case "number":
            return 1 + number % 2
        case "digits":
            return str(number % 2)
        case "last digits":
            return str(1 + number % 2)
        case "false":
            return False
        case "answer":
            return _ANSWERS[number % len(_ANSWERS)] or _text(shape, number, style)
        case "letter":
            return _LETTERS[number % 2]
    return _text(shape, number, style)


def _made_list(shape: Shape, kind: str, number: int, style: Style) -> Any:
    item = shape.element()
    made = [make_value(item, number + place, style) for place in range(shape.length)]
    if likely_kind(item) == "text":  # items of a list differ
        made = [f"{one or ''} {_LETTERS[place % 10]}" for place, one in enumerate(made)]
    if kind == "lists":
        return [made, made[::-1]]
    return {"json": json.dumps, "python list": repr}.get(kind, list)(made)


def _text(shape: Shape, number: int, style: Style) -> str | None:
    gap = (number + len(shape.name)) % 5  # not all columns of a document at once
    if style == "gaps" and gap < 2:
        return None if gap and not shape.is_text() else ""
    start = f"{shape.starts[number % len(shape.starts)]} " if shape.starts else ""
    plain = start + f"{shape.name.strip()} {number}" + "".join(f" {part} {shape.name}" for part in shape.parts)
    return _ODD[number % len(_ODD)].format(plain) if style != "plain" else plain


def sample_text(shape: Shape) -> str:
    """A text that fits for learning more."""
    texts = [one for one in shape.literals if isinstance(one, str)]
    return texts[0] if texts and "looked up" in shape.uses else _text(shape, 0, "plain") or ""


def leaves(shape: Shape) -> list[Shape]:
    """The shape's own parts, outermost first."""
    found: list[Shape] = []
    for one in shape.fields.values():
        found += [one, *leaves(one)]
    if shape.item is not None:
        found += [shape.item, *leaves(shape.item)]
    return found
