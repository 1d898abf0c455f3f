"""Confidence intervals of a mean, from its summary figures."""

from __future__ import annotations

import functools
import math
from statistics import NormalDist
from typing import NamedTuple


class Interval(NamedTuple):
    """Bounds, and the method that gave them; all None where no interval is defined."""

    low: float | None
    high: float | None
    method: str | None


UNDEFINED = Interval(None, None, None)


def wilson(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a proportion (E. B. Wilson, JASA 22, 1927, p. 209), in 0 to 1.

    It keeps its coverage where the proportion is near 0 or 1, where mean ± 2 se shrinks to a point.
    """
    if n < 1:
        return UNDEFINED
    z = normal_quantile(confidence)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Interval(low, high, "wilson")


def student_t(mean: float | None, se: float | None, degrees: int, confidence: float = 0.95) -> Interval:
    """mean ± t·se with Student's t of so many degrees of freedom: n - 1, or clusters - 1."""
    if mean is None or se is None or degrees < 1:
        return UNDEFINED
    half = t_quantile(confidence, degrees) * se
    return Interval(mean - half, mean + half, "student-t")


def normal(mean: float | None, se: float | None, confidence: float = 0.95) -> Interval:
    """mean ± z·se, for a mean of means, whose degrees of freedom are not one number."""
    if mean is None or se is None:
        return UNDEFINED
    half = normal_quantile(confidence) * se
    return Interval(mean - half, mean + half, "normal")


def normal_quantile(confidence: float) -> float:
    """z such that a standard normal variable lies within ±z with probability `confidence`."""
    return NormalDist().inv_cdf(0.5 + confidence / 2)


@functools.lru_cache(maxsize=4096)
def t_quantile(confidence: float, degrees: int) -> float:
    """t such that Student's variable of so many degrees of freedom lies within ±t with probability `confidence`."""
    from scipy.special import stdtrit  # half the import time of scipy.stats

    return float(stdtrit(degrees, 0.5 + confidence / 2))
