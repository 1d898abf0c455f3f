"""The metrics `acc`, `acc_norm`, `acc_bytes` and `acc_mutual_info`: whether a right choice is the most likely one.

They differ in what is compared: the log-probability as it is, by the choice's length, or by what it is without the
question. All follow lm_eval 0.4.13.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from metrics.registry import MetricInput, Output, Values, register_metric
from metrics.responses import choice_scores, one_likelihood
from metrics.targets import target_indices, without_right_choice
from pipeline.errors import MetricError

_CHOICE_TYPES = ("multiple_choice", "next_token")


@register_metric("acc", {"acc": Output()}, output_types=(*_CHOICE_TYPES, "loglikelihood"))
def acc(rows: Sequence[MetricInput]) -> list[Values]:
    """1.0 where the choice with the highest log-probability is a right one; of equal choices the first wins.

    An answer that is text, as predictions of another tool are, is right where it is the text of a right choice.
    Without choices (`output_type: loglikelihood`): 1.0 where greedy decoding would have given the continuation.
    A target that names none of the choices makes the answer wrong, which the row's flags say (`target_not_a_choice`);
    None where there is no target or a log-probability is NaN.
    """
    return [_acc(row) for row in rows]


@register_metric("acc_norm", {"acc_norm": Output()}, output_types=_CHOICE_TYPES)
def acc_norm(rows: Sequence[MetricInput]) -> list[Values]:
    """As `acc`, with each log-probability divided by its choice's length in characters.

    The length is of the choice as the task gives it, without the delimiter before it. An empty choice never wins.
    """
    return [_accuracy(row, "acc_norm", lambda row: _by_length(row, "acc_norm", len)) for row in rows]


@register_metric("acc_bytes", {"acc_bytes": Output()}, output_types=_CHOICE_TYPES)
def acc_bytes(rows: Sequence[MetricInput]) -> list[Values]:
    """As `acc_norm`, with the length in bytes of UTF-8, which weighs scripts of long characters differently."""
    return [_accuracy(row, "acc_bytes", lambda row: _by_length(row, "acc_bytes", _utf8_length)) for row in rows]


@register_metric("acc_mutual_info", {"acc_mutual_info": Output()}, output_types=("multiple_choice",))
def acc_mutual_info(rows: Sequence[MetricInput]) -> list[Values]:
    """As `acc`, with each choice's log-probability without the question subtracted.

    The difference is the pointwise mutual information of question and choice (Brown et al., "Language Models are
    Few-Shot Learners", 2020, section 2.4). Raises MetricError for rows without `unconditional`, which step 1 asks for
    where the task's file names the metric.
    """
    return [_accuracy(row, "acc_mutual_info", _mutual_information) for row in rows]


def best_choice(scores: Sequence[float]) -> int:
    """The index of the highest score; of equal ones the first."""
    return max(range(len(scores)), key=scores.__getitem__)


def _acc(row: MetricInput) -> Values:
    if row.choices is None:
        return {"acc": float(one_likelihood(row, "acc").greedy)}
    if not isinstance(row.response, str):
        return _accuracy(row, "acc", lambda row: choice_scores(row, "acc"))
    right = target_indices(row)
    if not right:
        return without_right_choice(row, "acc")
    return {"acc": float(any(row.response == row.choices[index] for index in right))}


def _accuracy(row: MetricInput, name: str, compared: Callable[[MetricInput], list[float]]) -> Values:
    scores = compared(row)
    if any(math.isnan(score) for score in scores):
        return {name: None}
    right = target_indices(row)
    return {name: float(best_choice(scores) in right)} if right else without_right_choice(row, name)


def _by_length(row: MetricInput, name: str, length: Callable[[str], int]) -> list[float]:
    scores = choice_scores(row, name)
    lengths = [length(choice) for choice in row.choices or []]
    return [score / size if size else -math.inf for score, size in zip(scores, lengths, strict=True)]


def _utf8_length(text: str) -> int:
    return len(text.encode("utf-8"))


def _mutual_information(row: MetricInput) -> list[float]:
    scores = choice_scores(row, "acc_mutual_info")
    if row.unconditional is None:
        raise MetricError(
            "acc_mutual_info needs the choices' log-probabilities without the question, and step 1 has not asked them",
            fix="Name acc_mutual_info in the metric_list of the task's file, then run step 1 again.",
        )
    if len(row.unconditional) != len(scores):
        raise MetricError(
            f"acc_mutual_info got {len(row.unconditional)} log-probabilities without the question for "
            f"{len(scores)} choices"
        )
    return [score - alone.logprob for score, alone in zip(scores, row.unconditional, strict=True)]
