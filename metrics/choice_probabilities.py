"""The metrics `brier_score` and `likelihood`: of the probabilities of all choices, not of the best one alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metrics.registry import MetricInput, Output, Values, register_metric
from metrics.responses import choice_scores
from metrics.targets import one_target_index

_CHOICE_TYPES = ("multiple_choice", "next_token")


@register_metric(
    "brier_score",
    {"brier_score": Output(aggregation="brier_score", higher_is_better=False, maximum=2.0)},
    output_types=_CHOICE_TYPES,
)
def brier_score(rows: Sequence[MetricInput]) -> list[Values]:
    """Σ_k (p_k − 1[k is right])², 0 to 2, where p is the softmax of the choices' log-probabilities.

    G. W. Brier, "Verification of Forecasts Expressed in Terms of Probability" (1950), equation 2. None where the
    target names no choice, or the log-probabilities give no probabilities (NaN, or all infinite).
    """
    return [{"brier_score": _brier(row)} for row in rows]


@register_metric("likelihood", {"likelihood": Output(aggregation="likelihood", raw=True)}, output_types=_CHOICE_TYPES)
def likelihood(rows: Sequence[MetricInput]) -> list[Values]:
    """[index of the right choice, [log-probability of each choice]], for an aggregation of the task's own.

    None where the target names no choice or a log-probability is NaN.
    """
    known = [_right_and_scores(row, "likelihood") for row in rows]
    return [{"likelihood": None if one is None else list(one)} for one in known]


def squared_error(right: int, probabilities: Sequence[float] | NDArray[np.float64]) -> float:
    """Σ_k (p_k − 1[k is right])² of one row."""
    errors = np.array(probabilities, dtype=np.float64)
    errors[right] -= 1.0
    return float((errors * errors).sum())


def softmax(scores: Sequence[float]) -> NDArray[np.float64]:
    """The probabilities that are in proportion to exp(score); NaN where all scores are -inf."""
    with np.errstate(invalid="ignore"):
        powers = np.exp(np.asarray(scores) - max(scores))
    return np.asarray(powers / powers.sum())


def _brier(row: MetricInput) -> float | None:
    known = _right_and_scores(row, "brier_score")
    if known is None:
        return None
    error = squared_error(known[0], softmax(known[1]))
    return None if math.isnan(error) else error


def _right_and_scores(row: MetricInput, metric: str) -> tuple[int, list[float]] | None:
    scores = choice_scores(row, metric)
    right = one_target_index(row, metric)
    if right is None or any(math.isnan(score) for score in scores):
        return None
    return right, scores
