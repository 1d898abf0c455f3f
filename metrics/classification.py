"""The metrics `f1` and `mcc`: how well the chosen and the right choices agree over a whole set, as classes.

A row's value is its counts, summed by step 4; the figures that follow from sums are `corpus_scores.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from metrics.accuracy import best_choice
from metrics.registry import MetricInput, Output, Values, register_metric
from metrics.responses import choice_scores
from metrics.targets import one_target_index
from pipeline.errors import MetricError

_CHOICE_TYPES = ("multiple_choice", "next_token")


@register_metric("f1", {"f1": Output(aggregation="f1", vector=True)}, output_types=_CHOICE_TYPES)
def f1(rows: Sequence[MetricInput]) -> list[Values]:
    """[both, chosen, right]: whether choice 1 is chosen and right, chosen, and right, of tasks with two choices.

    None where the target names no choice or a log-probability is NaN. The figure is scikit-learn's `f1_score` of class
    1, as in lm_eval 0.4.13, which refuses more than two classes too.
    """
    return [{"f1": _two_class_counts(row)} for row in rows]


@register_metric("mcc", {"mcc": Output(aggregation="matthews_corrcoef", vector=True)}, output_types=_CHOICE_TYPES)
def mcc(rows: Sequence[MetricInput]) -> list[Values]:
    """[agreement, then for each choice whether it is chosen and whether it is right]: Matthews' correlation.

    None where the target names no choice or a log-probability is NaN. Rows may have different numbers of choices: the
    k-th choice of each is the class k, and a class that a row lacks counts 0 there.
    """
    return [{"mcc": _class_counts(row)} for row in rows]


def agreement(right: int, chosen: int) -> list[float]:
    """The counts of one row for classes 0 and 1: [both are 1, the chosen is 1, the right is 1]."""
    return [float(right == chosen == 1), float(chosen == 1), float(right == 1)]


def _two_class_counts(row: MetricInput) -> list[float] | None:
    if len(row.choices or []) > 2:
        raise MetricError(
            f"f1 is of tasks with two choices, and a row has {len(row.choices or [])}",
            fix="Use mcc, which is of any number, or give the task an aggregation of its own.",
        )
    labels = right_and_chosen(row, "f1")
    return agreement(*labels) if labels else None


def _class_counts(row: MetricInput) -> list[float] | None:
    labels = right_and_chosen(row, "mcc")
    if labels is None:
        return None
    right, chosen = labels
    counts = [float(right == chosen), *[0.0] * (2 * len(row.choices or []))]
    counts[1 + 2 * chosen] = counts[2 + 2 * right] = 1.0
    return counts


def right_and_chosen(row: MetricInput, metric: str) -> tuple[int, int] | None:
    """The right choice and the most likely one; None where either is unknown."""
    scores = choice_scores(row, metric)
    right = one_target_index(row, metric)
    if right is None or any(math.isnan(score) for score in scores):
        return None
    return right, best_choice(scores)
