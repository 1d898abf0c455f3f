"""`results.md`: the results as GitHub tables, one line a task, metric and filter, one column a model."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.rows import AggregateRow
from reports.faults import fault_lines
from reports.layout import NO_RESULTS, Layout, headings, labels, lay_out, left_columns
from reports.run_results import Comparison, Faults, Groups
from reports.width import column_widths, padded

_SPECIAL = re.compile(r"([\\|*`<\[\]])")
_LEGEND = (
    "Value ± standard error; ↑ higher is better, ↓ lower is better; the best model of a line is bold, whether or not "
    "the difference is larger than chance."
)
_FAULTY = 20  # lines of the table of errors
_COMPARED = (
    " After the comma: the difference to {} on the same documents ± its standard error. ▲ better and ▼ worse: its "
    "interval excludes 0; ≈: it does not."
)


def results_markdown(
    rows: Sequence[AggregateRow],
    groups: Groups | None = None,
    title: str = "Results",
    comparisons: Sequence[Comparison] = (),
    baseline: str | None = None,
    sections: Sequence[str] = (),
) -> str:
    """The text of `results.md`. `groups` maps a group's name to its members; slices have a table of their own.

    `comparisons` with `baseline` stand in the models' cells; `sections` are further parts, in Markdown.
    """
    parts = [f"# {escaped(title)}", _table(lay_out(rows, groups, comparisons))]
    slices = lay_out(rows, slices=True)
    if slices.lines:
        parts += ["## By slice", _table(slices)]
    legend = _LEGEND + (_COMPARED.format(escaped(baseline)) if comparisons and baseline else "")
    return "\n\n".join([*parts, *sections, legend]) + "\n"


def faults_markdown(faults: Sequence[Faults]) -> str:
    """The part of `results.md` on errors and missing values; empty where there are none."""
    lines = [one for one in fault_lines(faults) if one.errors or one.missing or one.reasons]
    if not lines:
        return ""
    cells = [
        [*map(escaped, (one.task, one.model, "; ".join(one.reasons))), str(one.documents), one.errors, one.missing]
        for one in lines[:_FAULTY]
    ]
    table = markdown_table([["Task", "Model", "Why", "Rows", "Errors", "Missing values"], *cells], left=3)
    further = len(lines) - _FAULTY
    rest = f"\n\n{further} further lines stand in report.html." if further > 0 else ""
    return f"## Errors and missing values\n\n{table}{rest}"


def markdown_table(lines: Sequence[Sequence[str]], left: int = 1) -> str:
    """A GitHub table of texts already escaped, its heading first; the columns after the first `left` hold figures."""
    widths = [max(width, 3) for width in column_widths([list(line) for line in lines])]
    rule = ["-" * width if column < left else "-" * (width - 1) + ":" for column, width in enumerate(widths)]
    padded_lines = [
        [
            padded(text, width, right=column >= left)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        for line in lines
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in [padded_lines[0], rule, *padded_lines[1:]])


def _table(layout: Layout) -> str:
    if not layout.lines:
        return NO_RESULTS
    lines = [[escaped(name) for name in headings(layout)]]
    for line in layout.lines:
        texts = [escaped(cell.with_difference) for cell in line.cells]
        figures = [f"**{text}**" if cell.best else text for cell, text in zip(line.cells, texts, strict=True)]
        lines.append([*map(escaped, labels(line, layout)), *figures])
    return markdown_table(lines, left_columns(layout))


def escaped(text: str) -> str:
    """`text` as Markdown shows it unchanged, also within a table."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split("\n")))
