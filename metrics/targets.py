"""Reading a row's target: as the texts that are right, or as the indices of the choices that are right."""

from __future__ import annotations

from typing import Any, TypeGuard

from metrics.registry import FLAGS, MetricInput, Values
from pipeline.errors import MetricError


def target_texts(row: MetricInput) -> list[str]:
    """The right texts; none where the target is null or an empty list.

    A number stands for its choice where the row has choices, else for its digits.
    """
    targets = _as_list(row.target)
    choices = row.choices
    if choices is None:
        return [str(target) for target in targets]
    return [choices[int(target)] if _is_index(target, choices) else str(target) for target in targets]


def target_indices(row: MetricInput) -> frozenset[int]:
    """The right choices, named by index or by text; empty where the target names none of the choices."""
    found = (choice_index(target, row.choices or []) for target in _as_list(row.target))
    return frozenset(index for index in found if index is not None)


def choice_index(target: object, choices: list[str]) -> int | None:
    """The choice that one target names by index or by text; None where it names none."""
    if isinstance(target, str):
        return choices.index(target) if target in choices else None
    return int(target) if _is_index(target, choices) else None


def one_target_index(row: MetricInput, metric: str) -> int | None:
    """The right choice; None where the target names none. Raises MetricError where it names several."""
    right = target_indices(row)
    if len(right) > 1:
        raise MetricError(
            f"{metric} is of rows with one right choice, and a target names {len(right)}",
            fix="Use acc, for which any of them is right.",
        )
    return next(iter(right), None)


def without_right_choice(row: MetricInput, name: str) -> Values:
    """The value of a row that has no right choice: missing without a target, else wrong, and said among the flags.

    lm_eval 0.4.13 too counts a target that is none of the choices as a wrong answer.
    """
    if not _as_list(row.target):
        return {name: None}
    return {name: 0.0, FLAGS: {"target_not_a_choice": True}}


def _as_list(target: Any) -> list[Any]:
    if target is None:
        return []
    return list(target) if isinstance(target, (list, tuple)) else [target]


def _is_index(target: object, choices: list[str]) -> TypeGuard[int | float]:
    """A column of labels with gaps is read as floats: 1.0 is the index 1."""
    return isinstance(target, (int, float)) and 0 <= target < len(choices) and float(target).is_integer()
