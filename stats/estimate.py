"""One figure with its uncertainty: what a table shows of a column of values."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from stats.bootstrap import Statistic, bootstrap
from stats.intervals import Interval, student_t, wilson
from stats.mean import Column, MeanSummary
from stats.vectors import VectorColumn


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value over `n` rows, its standard error, and an interval by `method`; None where undefined."""

    value: float | None
    n: int
    missing: int = 0
    se: float | None = None
    low: float | None = None
    high: float | None = None
    method: str | None = None


def estimate_mean(column: Column, confidence: float = 0.95, maximum: float | None = 1.0) -> Estimate:
    """The mean with the interval that suits the values.

    `wilson` where each value is 0 or `maximum` and no cluster repeats; else `student-t` with n - 1 degrees of freedom,
    or `cluster-t` with one less than the clusters where clusters repeat. `maximum`: the highest value that a row can
    have (None: there is none); an interval of values in 0 to `maximum` does not leave that range.
    """
    summary = column.summary(maximum)
    interval = _interval(summary, confidence, maximum)
    return Estimate(summary.mean, summary.n, summary.missing, summary.se, *interval)


def estimate_corpus(column: VectorColumn, statistic: Statistic, confidence: float = 0.95) -> Estimate:
    """The figure of all rows' counts summed, with standard error and percentile interval by the bootstrap."""
    counts = column.matrix()
    if not len(counts):
        return Estimate(None, 0, column.missing)
    (value,) = statistic(counts.sum(axis=0, keepdims=True))
    se, low, high = bootstrap(counts, column.clusters(), statistic, confidence)
    figure = None if math.isnan(value) else float(value)
    return Estimate(figure, len(counts), column.missing, se, low, high, None if se is None else "bootstrap")


def estimate_perplexity(column: Column, confidence: float = 0.95) -> Estimate:
    """exp(−mean) of log-likelihoods, with the mean's interval transformed.

    The standard error is that of the delta method, exp(−mean) · se(mean). lm_eval 0.4.13 draws one by the bootstrap;
    the two agree where rows are many.
    """
    mean = estimate_mean(column, confidence, maximum=None)
    if mean.value is None or math.isnan(mean.value):
        return replace(mean, value=None)
    value = _perplexity(mean.value)
    if mean.se is None or mean.low is None or mean.high is None:
        return replace(mean, value=value)
    return replace(mean, value=value, se=value * mean.se, low=_perplexity(mean.high), high=_perplexity(mean.low))


def _perplexity(mean: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.exp(-mean))


def _interval(summary: MeanSummary, confidence: float, maximum: float | None) -> Interval:
    clustered = summary.clusters < summary.n
    two_valued = maximum is not None and summary.zeros + summary.ones == summary.n
    if maximum is not None and two_valued and not clustered:
        low, high, method = wilson(summary.ones, summary.n, confidence)
        return Interval(_scaled(low, maximum), _scaled(high, maximum), method)
    low, high, method = student_t(summary.mean, summary.se, summary.clusters - 1, confidence)
    if low is None or high is None:
        return Interval(None, None, None)
    if maximum is not None and two_valued:
        low, high = max(low, 0.0), min(high, maximum)
    return Interval(low, high, "cluster-t" if clustered else method)


def _scaled(bound: float | None, factor: float) -> float | None:
    return None if bound is None else bound * factor
