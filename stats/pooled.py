"""The mean of a group with lm-evaluation-harness's standard error, which its result files hold."""

from __future__ import annotations

import math
from collections.abc import Sequence


def pooled_mean(
    values: Sequence[float], errors: Sequence[float | None], sizes: Sequence[int], weight_by_size: bool
) -> tuple[float, float | None]:
    """The mean of the members' values, and its standard error; None where a member has none.

    Weighted by size, the error pools the members' variances: sqrt(Σ n_i (n_i - 1) se_i² / (N (N - k))) for k members
    of N rows. Else it is that of a mean of independent means, sqrt(Σ se_i²) / k. Both as lm_eval 0.4.13 has them
    (`pooled_sample_stderr`, `unweighted_mean_stderr`); `stats.groups.group_mean` gives this project's own.
    """
    total, count = sum(sizes), len(values)
    if weight_by_size and total:
        value = math.fsum(one * size for one, size in zip(values, sizes, strict=True)) / total
    else:
        value = math.fsum(values) / count
    known = [error for error in errors if error is not None]
    if len(known) < count:
        return value, None
    if not weight_by_size:
        return value, math.sqrt(math.fsum(error**2 for error in known)) / count
    if total == count:
        return value, None
    squares = math.fsum((size - 1) * size * error**2 for size, error in zip(sizes, known, strict=True))
    return value, math.sqrt(squares / (total - count) / total)
