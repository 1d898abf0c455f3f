"""`results.md`: the results as GitHub tables, one line a task, metric and filter, one column a model."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.rows import AggregateRow
from reports.layout import Groups, Layout, headings, labels, lay_out, left_columns
from reports.width import column_widths, padded

_SPECIAL = re.compile(r"([\\|*`<\[\]])")
_LEGEND = (
    "Value ± standard error; ↑ higher is better, ↓ lower is better; the best model of a line is bold, whether or not "
    "the difference is larger than chance."
)


def results_markdown(rows: Sequence[AggregateRow], groups: Groups | None = None, title: str = "Results") -> str:
    """The text of `results.md`. `groups` maps a group's name to its members; slices have a table of their own."""
    parts = [f"# {_escaped(title)}", _table(lay_out(rows, groups))]
    slices = lay_out(rows, slices=True)
    if slices.lines:
        parts += ["## By slice", _table(slices)]
    return "\n\n".join([*parts, _LEGEND]) + "\n"


def _table(layout: Layout) -> str:
    if not layout.lines:
        return "There are no results."
    lines = [[_escaped(name) for name in headings(layout)]]
    for line in layout.lines:
        figures = [f"**{_escaped(cell.text)}**" if cell.best else _escaped(cell.text) for cell in line.cells]
        lines.append([*map(_escaped, labels(line, layout)), *figures])
    widths = [max(width, 3) for width in column_widths(lines)]
    left = left_columns(layout)
    rule = ["-" * width if column < left else "-" * (width - 1) + ":" for column, width in enumerate(widths)]
    padded_lines = [
        [
            padded(text, width, right=column >= left)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        for line in lines
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in [padded_lines[0], rule, *padded_lines[1:]])


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split("\n")))
