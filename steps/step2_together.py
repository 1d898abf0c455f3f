"""The two passes over a task with a filter that sees all of it: answers are gathered, then each row gets its values.

Held meanwhile are what the harness hands such a filter (answers and documents) and what it gives, not the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BufferedReader
from itertools import islice
from typing import Any

import msgspec

from filters.registry import parse_failed
from pipeline.execution import Spec
from pipeline.rows import FilteredRow, RequestRecord, Status, restore
from pipeline.views import decode_line, lines_of
from steps.step2_rows import Generated, responses_of, storable
from steps.step2_whole_task import Documents, Samples, WholePipeline


class _Answered(msgspec.Struct):
    """What the first pass reads of a `GenerationRow`."""

    status: Status
    document: Any
    requests: list[RequestRecord]


class WholeValues:
    """What the pipelines that see the whole task make of a view: each row's values, given in the order of the rows."""

    def __init__(self, view: BufferedReader, spec: Spec, pipelines: Mapping[str, WholePipeline]) -> None:
        """Read all of `view` and run the pipelines. Raises DataError for a broken line, TaskError for a filter."""
        self._spec = spec
        instances, documents = _gathered(view, spec)
        self._values = {
            name: iter(pipeline(instances, documents) if instances else []) for name, pipeline in pipelines.items()
        }

    def add(self, row: Generated, filtered: FilteredRow) -> None:
        """Put the values of the next row with `filtered`'s own; a document that step 1 has no answer to has none."""
        responses = responses_of(row.requests, self._spec) if row.status == "ok" else []
        count = len(_instances(responses, self._spec)) if row.status == "ok" else 0
        for name, values in self._values.items():
            own = list(islice(values, count))
            if filtered.status == "error":  # here or in step 1
                continue
            value = _joined(own, responses, self._spec)
            if parse_failed(value):
                filtered.flags["parse_failed"] = [*filtered.flags.get("parse_failed", ()), name]
            filtered.filtered[name] = storable(value, name)
        filtered.filtered = {name: filtered.filtered.get(name) for name in self._spec["filters"]}


def _gathered(view: BufferedReader, spec: Spec) -> tuple[list[Samples], Documents]:
    """The instances of all documents with an answer, and for each its document: one object for all of a document."""
    instances: list[Samples] = []
    documents: Documents = []
    decoder = msgspec.json.Decoder(_Answered)
    for number, lines in lines_of(view):
        for offset, line in enumerate(lines):
            row = decode_line(decoder, line, spec["source"], number + offset, spec["remake"])
            if row.status == "ok":
                own = _instances(responses_of(row.requests, spec), spec)
                instances += own
                documents += [restore(row.document)] * len(own)
    return instances, documents


def _instances(responses: list[Any], spec: Spec) -> list[Samples]:
    """A document's responses as the harness's instances have them: one for its texts, one a choice for scores."""
    if "each_request" in spec:
        return [list(one) for one in responses]
    if responses and isinstance(responses[0], list):
        return [[(logprob, greedy)] for logprob, greedy, _ in responses[0]]
    return [responses]


def _joined(values: list[Any], responses: list[Any], spec: Spec) -> Any:
    """The values of a document's instances as one: of scores with the numbers of tokens that they came with."""
    if "each_request" in spec:
        return values
    if responses and isinstance(responses[0], list):
        return [[*value[:2], tokens] for value, (_, _, tokens) in zip(values, responses[0], strict=True)]
    return values[0]
