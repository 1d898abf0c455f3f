"""`results.log`: one model's figures for one task, for people to read in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.rows import AggregateRow
from reports.layout import decimals_for, figure_text, number
from reports.width import column_widths, padded


def task_results_log(rows: Sequence[AggregateRow]) -> str:
    """One line a figure, its name at the right: `exact_match,strict: 0.724 ± 0.012 [0.700, 0.747] wilson, n = 1319`."""
    names = [_name(row) for row in rows]
    width = max(column_widths([[name] for name in names]), default=0)
    return "".join(
        f"{padded(name, width, right=True)}: {_figure(row)}\n" for name, row in zip(names, rows, strict=True)
    )


def _name(row: AggregateRow) -> str:
    name = f"{row.metric},{row.filter}"
    return name if row.slice is None else f"{name} {row.slice}"


def _figure(row: AggregateRow) -> str:
    decimals = decimals_for([row])
    low, high = number(row.low), number(row.high)
    interval = "" if low is None or high is None else f" [{low:.{decimals}f}, {high:.{decimals}f}] {row.method},"
    return f"{figure_text(row, decimals)}{interval} n = {row.n}"
