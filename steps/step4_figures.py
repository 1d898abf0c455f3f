"""The figures of one model on one task or group, as step 4 writes and reads them: rows of step4_eval_scores.jsonl."""

from __future__ import annotations

from typing import Any

import msgspec

from pipeline.rows import AggregateRow, to_plain
from stats.estimate import Estimate
from steps.context import Context

_decoder = msgspec.json.Decoder(AggregateRow)


def estimate_fields(estimate: Estimate) -> dict[str, Any]:
    """An estimate as the fields of an `AggregateRow`."""
    return {
        "value": to_plain(estimate.value),
        "n": estimate.n,
        "se": to_plain(estimate.se),
        "low": to_plain(estimate.low),
        "high": to_plain(estimate.high),
        "method": estimate.method,
        "missing": estimate.missing,
    }


def read_figures(context: Context, model: str, task: str) -> list[AggregateRow]:
    """The rows of step4_eval_scores.jsonl."""
    lines = context.folder.view("step4", model, task).read_bytes().splitlines()
    return [_decoder.decode(line) for line in lines]
