"""How wide a text stands in a fixed-width font, so that columns with Chinese or Japanese names line up."""

from __future__ import annotations

import unicodedata


def display_width(text: str) -> int:
    """Columns of a terminal that `text` takes: two for a wide character, none for a combining mark."""
    if text.isascii():
        return len(text)
    return sum(_character_width(character) for character in text)


def _character_width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def padded(text: str, width: int, *, right: bool = False) -> str:
    """`text` filled with spaces to `width` columns, standing at the left or at the right."""
    space = " " * max(0, width - display_width(text))
    return space + text if right else text + space


def column_widths(lines: list[list[str]]) -> list[int]:
    """The width of the widest text of each column."""
    return [max(map(display_width, column)) for column in zip(*lines, strict=True)]
