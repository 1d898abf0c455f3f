"""What the cells of a CSV or TSV file are where lm_eval reads it: numbers, truth values, texts or nothing, by column.

The rules are those of pandas' `read_csv`, which `datasets` reads such files by; other forms are `json_values.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

Cell = Callable[[str], Any]
# The texts that stand for an empty cell: pandas' list, in "IO tools" of its user guide under `na_values`.
_EMPTY = frozenset({"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>"})
_EMPTY |= {"N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"}
_TRUTH = {word: value for value in (True, False) for word in (str(value), str(value).upper(), str(value).lower())}
_SPACE = r"[ \t\n\v\f\r]*"
_WHOLE = re.compile(rf"{_SPACE}[+-]?[0-9]+{_SPACE}")
_NUMBER = re.compile(
    rf"{_SPACE}[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?{_SPACE}|[+-]?(inf|infinity)", re.IGNORECASE
)
_AT_ONCE = 4096  # rows that are looked at, column by column
_LONG = 100  # characters, beyond every whole number that has a type; Python refuses to read some thousands
_LEAST, _MOST, _MOST_UNSIGNED = -(2**63), 2**63 - 1, 2**64 - 1


class _Column:
    """What the cells of one column have been so far."""

    __slots__ = ("empty", "largest", "number", "smallest", "text", "truth", "whole")

    def __init__(self) -> None:
        self.empty = self.text = self.truth = self.whole = self.number = False
        self.smallest = self.largest = 0  # of the whole numbers

    def learn(self, cells: Sequence[str]) -> None:
        self.empty = self.empty or not _EMPTY.isdisjoint(cells)
        if not self.text:
            for cell in cells:
                self._learn(cell)

    def _learn(self, cell: str) -> None:
        if _WHOLE.fullmatch(cell):
            self.whole = True
            value = int(cell) if len(cell) < _LONG else _MOST_UNSIGNED + 1
            self.smallest, self.largest = min(value, self.smallest), max(value, self.largest)
        elif _NUMBER.fullmatch(cell):
            self.number = True
        elif cell in _TRUTH:
            self.truth = True
        elif cell not in _EMPTY:
            self.text = True

    def cell(self) -> Cell | None:
        """What a cell's text becomes; None where it stays."""
        numeric = self.whole or self.number
        if self.text or (self.truth and numeric):
            return _text if self.empty else None
        if self.truth:
            return _truth
        if self.number:
            return _float
        if not self.whole:
            return _nothing
        if self.smallest >= _LEAST and self.largest <= _MOST:
            return _float if self.empty else int
        unsigned = self.smallest >= 0 and self.largest <= _MOST_UNSIGNED and not self.empty
        return int if unsigned else None


def cells_of(names: Sequence[str], rows: Iterable[Sequence[str]]) -> dict[str, Cell]:
    """What the cells of each column become, as far as they do not stay text; `rows` are all of the file."""
    columns = [_Column() for _ in names]
    rows = iter(rows)
    while some := list(islice(rows, _AT_ONCE)):
        for column, cells in zip(columns, zip(*some, strict=True), strict=True):
            column.learn(cells)
    found = {name: column.cell() for name, column in zip(names, columns, strict=True)}
    return {name: cell for name, cell in found.items() if cell is not None}


def _text(cell: str) -> str | None:
    return None if cell in _EMPTY else cell


def _truth(cell: str) -> bool | None:
    return _TRUTH.get(cell)


def _float(cell: str) -> float | None:
    return None if cell in _EMPTY else float(cell)


def _nothing(cell: str) -> None:
    return None
