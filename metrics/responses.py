"""Reading a row's response: as the one text that most metrics of generated texts value."""

from __future__ import annotations

from metrics.registry import MetricInput
from pipeline.errors import MetricError


def one_text(row: MetricInput, metric: str) -> str:
    """The response's text, also where it is the only one of a list. Raises MetricError for anything else."""
    response = row.response
    if isinstance(response, (list, tuple)) and len(response) == 1:
        (response,) = response
    if not isinstance(response, str):
        raise MetricError(
            f"{metric} values one text and got a {type(row.response).__name__}",
            fix="End the filter pipeline with `take_first`.",
        )
    return response
