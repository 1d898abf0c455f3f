"""The figures of one model on one task or group, as step 4 has written them."""

from __future__ import annotations

import msgspec

from pipeline.rows import AggregateRow
from steps.context import Context

_decoder = msgspec.json.Decoder(AggregateRow)


def read_figures(context: Context, model: str, task: str) -> list[AggregateRow]:
    """The rows of step4_eval_scores.jsonl."""
    lines = context.folder.view("step4", model, task).read_bytes().splitlines()
    return [_decoder.decode(line) for line in lines]
