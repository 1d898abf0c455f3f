"""The mean over the members of a group of tasks."""

from __future__ import annotations

import math
from collections.abc import Sequence

from stats.estimate import Estimate
from stats.intervals import normal


def group_mean(members: Sequence[Estimate], weight_by_size: bool = True, confidence: float = 0.95) -> Estimate:
    """Σ w_i·value_i, with w_i = n_i / Σ n where `weight_by_size`, else one over the number of members.

    The value equals lm_eval's. The standard error is that of a weighted sum of independent means,
    sqrt(Σ w_i² se_i²). lm_eval's for groups weighted by size pools the members' variances,
    sqrt(Σ n_i (n_i - 1) se_i² / (N (N - k))) for k members of N rows in all: (n_i - 1) / (N - k) where this has
    n_i / N. The two are equal for members of one size, and close for others. Unweighted, the formulas are the same.

    A member without a value leaves the group without one: the mean of the others would be another figure. A member
    without a standard error leaves it without an interval.
    """
    n = sum(member.n for member in members)
    missing = sum(member.missing for member in members)
    values = [member.value for member in members if member.value is not None]
    if len(values) < len(members) or n == 0:
        return Estimate(None, n, missing)
    weights = [member.n / n if weight_by_size else 1 / len(members) for member in members]
    value = math.fsum(weight * value for weight, value in zip(weights, values, strict=True))
    errors = [member.se for member in members if member.se is not None]
    if len(errors) < len(members):
        return Estimate(value, n, missing)
    se = math.sqrt(math.fsum((weight * error) ** 2 for weight, error in zip(weights, errors, strict=True)))
    return Estimate(value, n, missing, se, *normal(value, se, confidence))
