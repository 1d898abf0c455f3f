"""Reading a row's target: as the texts that are right, or as the indices of the choices that are right."""

from __future__ import annotations

from typing import Any

from metrics.registry import MetricInput


def target_texts(row: MetricInput) -> list[str]:
    """The right texts; none where the target is null or an empty list.

    A number stands for its choice where the row has choices, else for its digits.
    """
    targets = _as_list(row.target)
    choices = row.choices
    if choices is None:
        return [str(target) for target in targets]
    return [choices[target] if _is_index(target, choices) else str(target) for target in targets]


def target_indices(row: MetricInput) -> frozenset[int]:
    """The right choices, named by index or by text; empty where the target names none of the choices."""
    choices = row.choices or []
    targets = _as_list(row.target)
    found: set[int] = set()
    for target in targets:
        if isinstance(target, str):
            found.update([choices.index(target)] if target in choices else [])
        elif _is_index(target, choices):
            found.add(int(target))
    return frozenset(found)


def _as_list(target: Any) -> list[Any]:
    if target is None:
        return []
    return list(target) if isinstance(target, (list, tuple)) else [target]


def _is_index(target: object, choices: list[str]) -> bool:
    return isinstance(target, int) and 0 <= target < len(choices)
