"""How values are spread: quantiles, and histograms of several samples over common bins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BINS = 24


@dataclass(frozen=True)
class Spread:
    """One sample: its size, mean, the quantiles asked for (linear between values), and the count in each common bin."""

    n: int
    mean: float
    quantiles: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Histogram:
    """Samples by name over bins with these edges, one more than there are bins."""

    edges: tuple[float, ...]
    spreads: Mapping[str, Spread]


def histogram(
    samples: Mapping[str, NDArray[np.float64]], quantiles: Sequence[float], bins: int = _BINS
) -> Histogram | None:
    """Bins of equal width from the least to the largest value of all samples; None where these are fewer than two."""
    samples = {name: values[np.isfinite(values)] for name, values in samples.items()}
    samples = {name: values for name, values in samples.items() if len(values)}
    if not samples:
        return None
    low = min(float(values.min()) for values in samples.values())
    high = max(float(values.max()) for values in samples.values())
    if low == high:
        return None
    edges = np.linspace(low, high, bins + 1)
    spreads = {
        name: Spread(
            n=len(values),
            mean=float(values.mean()),
            quantiles=tuple(np.quantile(values, quantiles).tolist()),
            counts=tuple(np.histogram(values, edges)[0].tolist()),
        )
        for name, values in samples.items()
    }
    return Histogram(tuple(edges.tolist()), spreads)
