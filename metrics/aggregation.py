"""The table of aggregations: from the column of a metric's row values to one figure with its uncertainty.

An aggregation also knows how to compare two models' columns, row by row. The names are those of lm_eval.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from metrics.corpus_scores import (
    bits_per_byte,
    bleu_score,
    chrf_score,
    f1_score,
    mcc_score,
    ter_score,
    weighted_perplexity,
)
from metrics.registry import Metric
from pipeline.errors import MetricError, TaskError
from pipeline.near import did_you_mean
from stats.bootstrap import Statistic
from stats.estimate import Estimate, estimate_corpus, estimate_mean, estimate_perplexity
from stats.mean import Column, summarise
from stats.median import estimate_median, paired_median, upper_median
from stats.paired import Difference, Pairs, paired_corpus, paired_mean
from stats.vectors import VectorColumn

AnyColumn = Column | VectorColumn
Floats = NDArray[np.float64]

_NUMBERS = "numbers"


class Aggregation(Protocol):
    """What makes one figure of many rows."""

    @property
    def form(self) -> str:
        """What it takes of a row, in words; two aggregations of one form take each other's values."""
        ...

    def __call__(self, column: AnyColumn, confidence: float = 0.95, maximum: float | None = 1.0) -> Estimate:
        """The figure; `confidence` is of the interval, `maximum` the highest value of a row, if there is one."""
        ...

    def figure(self, rows: Floats) -> float:
        """The figure alone, of (rows, numbers a row); NaN where it is undefined."""
        ...

    def difference(self, pairs: Pairs, confidence: float = 0.95) -> Difference:
        """The figure of a model less that of its baseline, over the rows that both have."""
        ...


_AGGREGATIONS: dict[str, Aggregation] = {}


def register_aggregation(name: str, aggregation: Aggregation) -> None:
    """Register an aggregation under the name that `aggregation:` in a task's file gives."""
    if name in _AGGREGATIONS:
        raise ValueError(f"two aggregations are called {name}")
    _AGGREGATIONS[name] = aggregation


def find_aggregation(name: str, where: str = "") -> Aggregation:
    """The aggregation `name`. Raises TaskError, at `where`, for an unknown name."""
    if name not in _AGGREGATIONS:
        hint = did_you_mean(name, _AGGREGATIONS, f"Known aggregations: {', '.join(sorted(_AGGREGATIONS))}")
        raise TaskError(f"no aggregation is called {name!r}", where=where, fix=hint)
    return _AGGREGATIONS[name]


def check_aggregation(metric: Metric, name: str | None, where: str = "") -> None:
    """Whether the aggregation `name` takes what the metric gives a row; None is the metric's own.

    Raises TaskError, at `where`, where it does not, for an unknown name, and for a metric without an aggregation.
    """
    for value, output in metric.outputs.items():
        own = find_aggregation(output.aggregation)
        asked = find_aggregation(name or output.aggregation, where)
        if isinstance(asked, NoFigure):
            raise TaskError(asked.reason, where=where, fix=asked.fix)
        if asked.form != own.form:
            suitable = sorted(one for one, known in _AGGREGATIONS.items() if known.form == own.form)
            fix = "Give `aggregation: !function <module>.<name>`." if output.raw else f"Use {', '.join(suitable)}."
            message = f"the aggregation {name} takes {asked.form} a row, and {value} gives {own.form}"
            raise TaskError(message, where=where, fix=fix)


class Mean:
    """The arithmetic mean; its standard error, where rows are independent, is lm_eval's `mean_stderr`.

    Missing values are left out and counted, which makes it lm_eval's `nanmean` too.
    """

    form = _NUMBERS

    def __call__(self, column: AnyColumn, confidence: float = 0.95, maximum: float | None = 1.0) -> Estimate:
        return estimate_mean(_numbers(column, "a mean"), confidence, maximum)

    def figure(self, rows: Floats) -> float:
        mean = summarise(rows.ravel(), np.arange(len(rows))).mean
        return np.nan if mean is None else mean

    def difference(self, pairs: Pairs, confidence: float = 0.95) -> Difference:
        return paired_mean(pairs, confidence)


class Median:
    """The median, of an even number of values the higher of the two in the middle; its uncertainty by the bootstrap."""

    form = _NUMBERS

    def __call__(self, column: AnyColumn, confidence: float = 0.95, maximum: float | None = 1.0) -> Estimate:
        return estimate_median(_numbers(column, "a median"), confidence)

    def figure(self, rows: Floats) -> float:
        present = rows[~np.isnan(rows)]
        return upper_median(present) if len(present) else np.nan

    def difference(self, pairs: Pairs, confidence: float = 0.95) -> Difference:
        return paired_median(pairs, confidence)


class Perplexity:
    """exp(−mean) of log-likelihoods; standard error by the delta method, the mean's t interval transformed.

    Two models are compared by the bootstrap over the rows that both have.
    """

    form = _NUMBERS

    def __call__(self, column: AnyColumn, confidence: float = 0.95, maximum: float | None = 1.0) -> Estimate:
        return estimate_perplexity(_numbers(column, "a perplexity"), confidence)

    def figure(self, rows: Floats) -> float:
        with np.errstate(over="ignore"):
            return float(np.exp(-Mean().figure(rows)))

    def difference(self, pairs: Pairs, confidence: float = 0.95) -> Difference:
        counted = replace(pairs, model=_counted(pairs.model), baseline=_counted(pairs.baseline))
        return paired_corpus(counted, weighted_perplexity, confidence)


@dataclass(frozen=True)
class OfCounts:
    """A figure of counts summed over the rows; its uncertainty by the bootstrap over clusters.

    lm_eval draws the standard errors of BLEU, chrF, TER, F1 and Matthews' correlation by a bootstrap too, and gives
    none for perplexities a unit and bits per byte.
    """

    statistic: Statistic
    form: str

    def __call__(self, column: AnyColumn, confidence: float = 0.95, maximum: float | None = 1.0) -> Estimate:
        if not isinstance(column, VectorColumn):
            raise MetricError("this aggregation is of counts, and the metric's rows hold numbers", fix="Use `mean`")
        return estimate_corpus(column, self.statistic, confidence)

    def figure(self, rows: Floats) -> float:
        (figure,) = self.statistic(rows.sum(axis=0, keepdims=True))
        return float(figure)

    def difference(self, pairs: Pairs, confidence: float = 0.95) -> Difference:
        return paired_corpus(pairs, self.statistic, confidence)


@dataclass(frozen=True)
class NoFigure:
    """What stands for the aggregation of a metric that leaves it to the task: it refuses, with the reason."""

    form: str
    reason: str
    fix: str

    def __call__(self, column: AnyColumn, confidence: float = 0.95, maximum: float | None = 1.0) -> NoReturn:
        raise MetricError(self.reason, fix=self.fix)

    def figure(self, rows: Floats) -> NoReturn:
        raise MetricError(self.reason, fix=self.fix)

    def difference(self, pairs: Pairs, confidence: float = 0.95) -> NoReturn:
        raise MetricError(self.reason, fix=self.fix)


def _numbers(column: AnyColumn, figure: str) -> Column:
    if not isinstance(column, Column):
        raise MetricError(f"{figure} is of numbers, and this metric's rows hold counts", fix="Use its own aggregation")
    return column


def _counted(values: Floats) -> Floats:
    """Log-likelihoods with the number of rows that each is of, 1."""
    return np.hstack([values, np.ones((len(values), 1))])


_OF_UNITS = "a log-likelihood and a length"
_BY_NAME: dict[str, Aggregation] = {
    "mean": Mean(),
    "nanmean": Mean(),
    "brier_score": Mean(),
    "median": Median(),
    "perplexity": Perplexity(),
    "weighted_perplexity": OfCounts(weighted_perplexity, _OF_UNITS),
    "bits_per_byte": OfCounts(bits_per_byte, _OF_UNITS),
    "f1": OfCounts(f1_score, "the counts of a class"),
    "matthews_corrcoef": OfCounts(mcc_score, "the counts of all classes"),
    "bleu": OfCounts(bleu_score, "the counts of BLEU"),
    "chrf": OfCounts(chrf_score, "the counts of chrF"),
    "chrf++": OfCounts(chrf_score, "the counts of chrF++"),
    "ter": OfCounts(ter_score, "the counts of TER"),
    "likelihood": NoFigure(
        "the right choice and the log-probabilities of all",
        "the metric likelihood has no figure of its own: a row's value is the right choice and all log-probabilities",
        "Give it an aggregation in the task's file: `aggregation: !function <module>.<name>`.",
    ),
}
for _name, _aggregation in _BY_NAME.items():
    register_aggregation(_name, _aggregation)
