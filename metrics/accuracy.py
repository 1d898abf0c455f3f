"""The metrics `acc` and `acc_norm`: whether the model finds a right choice the most likely one."""

from __future__ import annotations

import math
from collections.abc import Sequence

from metrics.registry import Likelihood, MetricInput, Output, Values, register_metric
from metrics.targets import target_indices
from pipeline.errors import MetricError

_CHOICE_TYPES = ("multiple_choice", "next_token")


@register_metric("acc", {"acc": Output()}, output_types=(*_CHOICE_TYPES, "loglikelihood"))
def acc(rows: Sequence[MetricInput]) -> list[Values]:
    """1.0 where the choice with the highest log-probability is a right one; of equal choices the first wins.

    An answer that is text, as predictions of another tool are, is right where it is the text of a right choice.
    Without choices (`output_type: loglikelihood`): 1.0 where greedy decoding would have given the continuation.
    None where the target names no choice or a log-probability is NaN: nobody could have answered that.
    """
    return [{"acc": _acc(row)} for row in rows]


@register_metric("acc_norm", {"acc_norm": Output()}, output_types=_CHOICE_TYPES)
def acc_norm(rows: Sequence[MetricInput]) -> list[Values]:
    """As `acc`, with each log-probability divided by its choice's length in characters (lm_eval 0.4.13).

    The length is of the choice as the task gives it, without the delimiter before it. An empty choice never wins.
    """
    return [{"acc_norm": _accuracy(row, normalise=True)} for row in rows]


def _acc(row: MetricInput) -> float | None:
    if row.choices is None:
        return _greedy(row)
    if not isinstance(row.response, str):
        return _accuracy(row, normalise=False)
    right = target_indices(row)
    return float(any(row.response == row.choices[index] for index in right)) if right else None


def _accuracy(row: MetricInput, *, normalise: bool) -> float | None:
    choices = row.choices or []
    scores = [likelihood.logprob for likelihood in _likelihoods(row)]
    if len(scores) != len(choices):
        raise MetricError(f"accuracy needs a log-probability for each of {len(choices)} choices and got {len(scores)}")
    right = target_indices(row)
    if not right or any(math.isnan(score) for score in scores):
        return None
    if normalise:
        scores = [score / len(choice) if choice else -math.inf for score, choice in zip(scores, choices, strict=True)]
    return float(max(range(len(scores)), key=scores.__getitem__) in right)


def _greedy(row: MetricInput) -> float:
    (likelihood,) = _likelihoods(row)
    return float(likelihood.greedy)


def _likelihoods(row: MetricInput) -> list[Likelihood]:
    response = row.response if isinstance(row.response, (list, tuple)) else [row.response]
    if not all(isinstance(item, Likelihood) for item in response):
        raise MetricError(
            "accuracy needs the log-probabilities of continuations, and the response is text",
            fix="Give the task an `output_type` of choices, or measure its texts by exact_match.",
        )
    return list(response)
