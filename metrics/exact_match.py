"""The metric `exact_match`: 1 where the response is the target, after the normalisation asked for."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Sequence

from metrics.registry import Likelihood, MetricInput, Output, Values, register_metric
from metrics.targets import target_indices, target_texts, without_right_choice
from pipeline.errors import TaskError


@register_metric("exact_match", {"exact_match": Output()}, output_types=("generate_until",))
def exact_match(
    rows: Sequence[MetricInput],
    regexes_to_ignore: Sequence[str] | None = None,
    ignore_case: bool = False,
    ignore_punctuation: bool = False,
    ignore_numbers: bool = False,
) -> list[Values]:
    """1.0 or 0.0 a row, None where there is no target.

    Of several targets any counts; several responses give their mean.
    A choice task's row counts where greedy decoding would have given a right choice; a target that names none of the
    choices makes it wrong, which the row's flags say (`target_not_a_choice`).

    Both sides lose what the regular expressions match, one after the other, then their case, then ASCII punctuation,
    then ASCII digits: the order and the values of lm_eval 0.4.13 and of Hugging Face's `exact_match`.
    """
    normalise = _normaliser(regexes_to_ignore or (), ignore_case, ignore_punctuation, ignore_numbers)
    return [_greedy(row) if _is_scored(row) else {"exact_match": _match(row, normalise)} for row in rows]


def _greedy(row: MetricInput) -> Values:
    right = target_indices(row)
    if not right:
        return without_right_choice(row, "exact_match")
    return {"exact_match": float(any(row.response[index].greedy for index in right))}


def _match(row: MetricInput, normalise: Callable[[str], str]) -> float | None:
    targets = {normalise(text) for text in target_texts(row)}
    if not targets:
        return None
    if not isinstance(row.response, list):
        return float(normalise(str(row.response)) in targets)
    hits = [normalise(str(response)) in targets for response in row.response]
    return sum(hits) / len(hits) if hits else 0.0


def _is_scored(row: MetricInput) -> bool:
    return isinstance(row.response, list) and bool(row.response) and isinstance(row.response[0], Likelihood)


def _normaliser(
    regexes: Sequence[str], ignore_case: bool, ignore_punctuation: bool, ignore_numbers: bool
) -> Callable[[str], str]:
    try:
        patterns = [re.compile(regex) for regex in regexes]
    except re.error as error:
        raise TaskError(f"exact_match: regexes_to_ignore holds no regular expression: {error}") from error
    deleted = (string.punctuation if ignore_punctuation else "") + (string.digits if ignore_numbers else "")
    table = str.maketrans("", "", deleted)

    def normalise(text: str) -> str:
        for pattern in patterns:
            text = pattern.sub("", text)
        if ignore_case:
            text = text.lower()
        return text.translate(table) if deleted else text

    return normalise
