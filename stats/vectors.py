"""Sufficient statistics, gathered row by row: what a corpus metric needs of each row, and the row's cluster."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray


class VectorColumn:
    """The statistics of one metric, all of one length: 8 bytes a number. None is missing: counted, never summed."""

    def __init__(self) -> None:
        self._numbers = array("d")
        self._clusters = array("q")
        self._width = 0
        self.missing = 0

    def __len__(self) -> int:
        return len(self._clusters) + self.missing

    def extend(self, values: Iterable[Sequence[float] | None], clusters: Iterable[str]) -> None:
        """Several rows' statistics, with a cluster each. Raises ValueError where their lengths differ."""
        for value, cluster in zip(values, clusters, strict=True):
            if value is None:
                self.missing += 1
                continue
            self._width = self._width or len(value)
            if len(value) != self._width:
                raise ValueError(f"a row has {len(value)} counts where others have {self._width}")
            self._numbers.extend(value)
            self._clusters.append(hash(cluster))

    def matrix(self) -> NDArray[np.float64]:
        """The rows that are there, (rows, numbers a row)."""
        return np.frombuffer(self._numbers, dtype=np.float64).reshape(len(self._clusters), self._width)

    def clusters(self) -> NDArray[np.int64]:
        """The cluster of each of those rows, as a hash."""
        return np.frombuffer(self._clusters, dtype=np.int64)
