"""Sufficient statistics, gathered row by row: what a corpus metric needs of each row, and the row's cluster."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class NumberRows:
    """Rows of numbers: 8 bytes a number. A row that is shorter than others is filled up with zeros.

    So a row of counts need not count what cannot occur in it, such as a class that its document does not have.
    """

    def __init__(self) -> None:
        self._numbers = array("d")
        self._width = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def extend(self, rows: Floats) -> None:
        """Several rows, (rows, numbers a row)."""
        width = max(self._width, rows.shape[1])
        if self._count and width > self._width:
            self._numbers = array("d", _widened(self.matrix(), width).tobytes())
        self._width = width
        self._numbers.frombytes(_widened(rows, width).tobytes())
        self._count += len(rows)

    def matrix(self) -> Floats:
        """(rows, numbers a row)."""
        return np.frombuffer(self._numbers, dtype=np.float64).reshape(self._count, self._width)


class VectorColumn:
    """The statistics of one metric; None is missing: counted, never summed."""

    def __init__(self) -> None:
        self._rows = NumberRows()
        self._clusters = array("q")
        self.missing = 0

    def __len__(self) -> int:
        return len(self._rows) + self.missing

    def extend(self, values: Iterable[Sequence[float] | None], clusters: Iterable[str]) -> None:
        """Several rows' statistics, with a cluster each."""
        present: list[Sequence[float]] = []
        for value, cluster in zip(values, clusters, strict=True):
            if value is None:
                self.missing += 1
                continue
            present.append(value)
            self._clusters.append(hash(cluster))
        if present:
            self._rows.extend(as_matrix(present))

    def matrix(self) -> Floats:
        """The rows that are there, (rows, numbers a row)."""
        return self._rows.matrix()

    def clusters(self) -> NDArray[np.int64]:
        """The cluster of each of those rows, as a hash."""
        return np.frombuffer(self._clusters, dtype=np.int64)


def as_matrix(values: Sequence[float | Sequence[float]]) -> Floats:
    """(rows, numbers a row) of single numbers, or of lists, of which shorter ones are filled up with zeros."""
    lists = [value for value in values if isinstance(value, (list, tuple))]
    if not lists:
        return np.array(values, dtype=np.float64).reshape(-1, 1)
    if len(lists) < len(values):
        raise ValueError("some rows are a number where others are a list of counts")
    width = max(map(len, lists))
    if min(map(len, lists)) < width:
        lists = [(*numbers, *[0.0] * (width - len(numbers))) for numbers in lists]
    return np.array(lists, dtype=np.float64).reshape(len(lists), width)


def _widened(rows: Floats, width: int) -> Floats:
    return np.pad(rows, ((0, 0), (0, width - rows.shape[1])))
