"""CharacterEval's own files, written from the views: generation, generation_trans and evaluation, and the figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, TypeVar

import msgspec

from pipeline.rows import AggregateRow, LazyDocument, RequestRecord, Status, restore
from pipeline.views import ViewWriter, decode_line, read_lines, write_file
from reports.character_eval import (
    METRIC,
    TASK,
    dimension_record,
    eval_scores_text,
    generation_record,
    json_array,
    legend,
    published_lines,
)
from reports.layout import number
from reports.table import escaped, markdown_table
from steps.context import Context

FILES = ("generation.jsonl", "generation_trans.jsonl", "evaluation.jsonl", "eval_scores.jsonl")
_SLICE = "metric_en="
Struct = TypeVar("Struct", bound=msgspec.Struct)


class _Generated(msgspec.Struct):
    """What is read of a row of step 1."""

    document: msgspec.Raw
    requests: list[RequestRecord]


class _Filtered(msgspec.Struct):
    """What is read of a row of step 2."""

    status: Status
    document: msgspec.Raw
    filtered: dict[str, Any]


class _Scored(msgspec.Struct):
    """What is read of a row of step 3."""

    filter: str
    values: dict[str, Any]


def write_character_eval(context: Context, model: str, figures: Sequence[AggregateRow]) -> None:
    """The four files of one model, in the original's forms; `figures` are those of the task.

    The first three are JSON arrays in spite of their names. Documents without an answer stand in the first alone.
    Where several reward models score, the last two hold the first one's scores.
    """
    folder = context.folder.task(model, TASK)
    parts = (_generations(context, model), _dimensions(context, model, False), _dimensions(context, model, True))
    for name, records in zip(FILES, parts, strict=False):
        with ViewWriter(folder / name) as writer:
            for part in json_array(records):
                writer.write(part.encode("utf-8"))
            writer.commit()
    write_file(folder / FILES[3], eval_scores_text(_scores(figures)))


def character_eval_section(rows: Sequence[AggregateRow]) -> list[str]:
    """The published table as a part of results.md; none where the run has no such figures."""
    lines = published_lines(rows)
    if not lines:
        return []
    table = markdown_table([[escaped(text) for text in line] for line in lines])
    return ["## CharacterEval", table, legend()]


def _scores(figures: Sequence[AggregateRow]) -> dict[str, float]:
    """Each dimension's figure, in the order in which the rows first name it."""
    of_slices = [row for row in figures if row.slice is not None and row.slice.startswith(_SLICE)]
    metric = next((row.metric for row in of_slices if row.metric.partition(":")[0] == METRIC), METRIC)
    scores = {row.slice: number(row.value) for row in of_slices if row.metric == metric and row.slice is not None}
    return {name.removeprefix(_SLICE): value for name, value in scores.items() if value is not None}


def _generations(context: Context, model: str) -> Iterator[dict[str, Any]]:
    for row in _rows(context, "step1", model, _Generated):
        text = row.requests[0].text if row.requests else None
        yield generation_record(LazyDocument(row.document), text)


def _dimensions(context: Context, model: str, scored: bool) -> Iterator[dict[str, Any]]:
    """Records of the rows with an answer; step 3 has, in the same order, a row for each filter of each of them."""
    scores = _rows(context, "step3", model, _Scored)
    for row in _rows(context, "step2", model, _Filtered):
        of_filters = [next(scores) for _ in row.filtered or (None,)]  # an error row is one under the task's one filter
        if row.status == "error":
            continue
        name, response = next(iter(row.filtered.items()))
        values: Iterable[Any] = chain.from_iterable(
            one.values.items() for one in of_filters if one.filter == name and scored
        )
        score = [restore(value) for key, value in values if key.partition(":")[0] == METRIC][:1]
        yield dimension_record(LazyDocument(row.document), response, score)


def _rows(context: Context, step: str, model: str, kind: type[Struct]) -> Iterator[Struct]:
    path = context.folder.view(step, model, TASK)
    decoder = msgspec.json.Decoder(kind)
    for number_, lines in read_lines(path):
        for offset, line in enumerate(lines):
            yield decode_line(decoder, line, str(path), number_ + offset, context.command(step))
