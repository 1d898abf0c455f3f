"""Step 2's expansion: one row for each entry of a document's list, with the entry's parts among its columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from pipeline.errors import DataError
from pipeline.rows import ErrorRecord, FilteredRow, LazyDocument, to_plain
from tasks.task import Expansion


def expanded(row: FilteredRow, responses: Sequence[str | None], expansion: Expansion) -> list[FilteredRow]:
    """The rows that `row` becomes, in the order of its list; none for an empty one.

    A document without an answer (`responses` are the raw ones) has an error row for each entry, so that each figure
    it is lost to counts it. Raises DataError for a list that is not as the task's file says.
    """
    if row.status == "ok" and any(one is None or one in expansion.failures for one in responses):
        shown = "empty" if responses[0] is None else repr(responses[0])
        row.status = "error"
        row.error = ErrorRecord(type="NoAnswer", message=f"the response is {shown}, which stands for a failed call")
        row.filtered = {}
    document = dict(LazyDocument(row.document))
    entries = document.pop(expansion.over, None)
    if not isinstance(entries, list):
        raise DataError(f"the column {expansion.over!r} of document {row.index} is no list", where=row.task)
    rows = []
    for entry in entries:
        columns = _columns(entry, row, expansion)
        content = msgspec.json.encode(to_plain(document | columns, f"document {row.index} of {row.task}"))
        name = str(columns[expansion.name])
        rows.append(msgspec.structs.replace(row, document=msgspec.Raw(content), expansion=name))
    return rows


def _columns(entry: Any, row: FilteredRow, expansion: Expansion) -> dict[str, Any]:
    parts = [entry] if len(expansion.into) == 1 else entry
    if not isinstance(parts, (list, tuple)) or len(parts) != len(expansion.into):
        what = f"an entry of {expansion.over!r} of document {row.index} has not {len(expansion.into)} parts: {entry!r}"
        raise DataError(what[:200], where=row.task)
    return dict(zip(expansion.into, parts, strict=True))
