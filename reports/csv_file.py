"""`results.csv`: every figure, one a line, with all fields of `AggregateRow`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from typing import Any

from pipeline.rows import AggregateRow, restore, to_plain


def results_csv(rows: Iterable[AggregateRow]) -> str:
    """The file's text by RFC 4180: fields in the order of `AggregateRow`, lines ended by CR LF.

    An absent value is an empty field; numbers have all their digits; what is no number or text is JSON. Write the
    text as UTF-8 with `newline=""`.
    """
    fields = AggregateRow.__struct_fields__
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(fields)
    writer.writerows([_field(getattr(row, name)) for name in fields] for row in rows)
    return text.getvalue()


def _field(value: Any) -> str:
    value = restore(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    return json.dumps(to_plain(value, "a figure of results.csv"), ensure_ascii=False)
