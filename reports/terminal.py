"""The results table for the terminal: drawn by rich where there is one, aligned plain text elsewhere."""

from __future__ import annotations

import io
from collections.abc import Sequence

from pipeline.rows import AggregateRow
from reports.layout import MARKS, NO_RESULTS, Cell, Layout, headings, labels, lay_out, left_columns
from reports.run_results import Comparison, Groups
from reports.width import column_widths, padded


def results_text(
    rows: Sequence[AggregateRow],
    groups: Groups | None = None,
    comparisons: Sequence[Comparison] = (),
    *,
    color: bool = False,
    width: int = 120,
) -> str:
    """The results over whole tasks, ending in a newline.

    `color` is for a terminal of `width` columns: rich draws the table, with colour codes, and folds what is too wide.
    Without it, lines are as long as they need be and the best model of a line bears a star. A model that is better or
    worse than the baseline beyond chance bears ▲ or ▼.
    """
    layout = lay_out(rows, groups, comparisons)
    if not layout.lines:
        return f"{NO_RESULTS}\n"
    return (_drawn(layout, width) if color else _plain(layout)) + _legend(layout, color)


def _legend(layout: Layout, color: bool) -> str:
    """What the marks mean that stand in the table."""
    cells = [cell for line in layout.lines for cell in line.cells]
    parts = []
    if any(cell.best for cell in cells):
        parts.append(f"{'green' if color else '*'} best of its line")
    if any(cell.verdict for cell in cells):
        parts.append("▲ ▼ better or worse than the baseline beyond chance, ≈ neither")
    return f"{'; '.join(parts)}\n" if parts else ""


def _plain(layout: Layout) -> str:
    models = [f"{model}  " for model in layout.models]
    lines = [[*headings(layout)[: -len(models)], *models]]
    for line in layout.lines:
        cells = [f"{_text(cell)}{' *' if cell.best else '  '}" for cell in line.cells]
        lines.append([*labels(line, layout), *cells])
    widths = column_widths(lines)
    lines.insert(1, ["-" * width for width in widths])
    left = left_columns(layout)
    return "".join(
        "  ".join(
            padded(text, width, right=column >= left)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        + "\n"
        for line in lines
    )


def _text(cell: Cell) -> str:
    return f"{cell.text} {MARKS[cell.verdict]}" if cell.verdict else cell.text


def _drawn(layout: Layout, width: int) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    left = left_columns(layout)
    for column, heading in enumerate(headings(layout)):
        table.add_column(Text(heading), justify="left" if column < left else "right", overflow="fold")
    for line in layout.lines:
        figures = [Text(_text(cell), style="bold green" if cell.best else "") for cell in line.cells]
        table.add_row(*map(Text, labels(line, layout)), *figures)
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system="standard")
    with console.capture() as capture:
        console.print(table)
    return capture.get()
