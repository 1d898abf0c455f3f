"""What a results table shows: which rows, in which order, and the text of each cell. How it is drawn is elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.rows import AggregateRow, restore
from reports.other_prompts import prompts_note
from reports.run_results import Comparison, Groups

MARKS = {"better": "▲", "worse": "▼", "unclear": "≈", "": "Δ"}
NO_RESULTS = "There are no results: nothing was scored. Each task's answers are in its step2_generation_trans.jsonl."


@dataclass(frozen=True)
class Cell:
    """One model's figure, with notes on it. `best` marks the best of the models compared in its line.

    `difference` is that to the baseline with its standard error, `verdict` what its interval says: `better`, `worse`,
    `unclear`, or nothing where there is no comparison or no direction.
    """

    figure: str
    notes: str = ""
    best: bool = False
    difference: str = ""
    verdict: str = ""

    @property
    def text(self) -> str:
        """`0.724 ± 0.012 (3 errors, 1 missing)`."""
        return f"{self.figure} ({self.notes})" if self.notes else self.figure

    @property
    def with_difference(self) -> str:
        """`0.724 ± 0.012, ▲ +0.031 ± 0.010`."""
        return f"{self.text}, {MARKS[self.verdict]} {self.difference}" if self.difference else self.text


@dataclass(frozen=True)
class Line:
    """One task, metric and filter over all models. `depth` counts the groups around the task."""

    depth: int
    task: str
    metric: str
    filter: str
    shots: str
    n: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Layout:
    """A table: its models, one a column, and its lines."""

    models: tuple[str, ...]
    lines: tuple[Line, ...]

    @property
    def with_shots(self) -> bool:
        return any(line.shots for line in self.lines)


def lay_out(
    rows: Iterable[AggregateRow],
    groups: Groups | None = None,
    comparisons: Iterable[Comparison] = (),
    *,
    slices: bool = False,
) -> Layout:
    """The table of `rows`: groups first, their members under them, then tasks in the order of the rows.

    Models keep the order in which they first appear. Without `slices` it holds the figures over whole tasks; with
    them it holds those over the slices, each under its task's name.
    """
    chosen = [row for row in rows if (row.slice is not None) == slices]
    models = tuple(dict.fromkeys(row.model for row in chosen))
    by_task: dict[str, dict[tuple[str | None, str, str], dict[str, AggregateRow]]] = {}
    for row in chosen:
        figures = by_task.setdefault(row.task, {}).setdefault((row.slice, row.metric, row.filter), {})
        figures[row.model] = row
    compared = {(one.task, one.metric, one.filter, one.model): one for one in comparisons}
    lines = []
    for task, depth in _order(list(by_task), groups or {}):
        for (part, metric, filter_name), figures in by_task.get(task, {}).items():
            differences = {
                model: compared[task, metric, filter_name, model]
                for model in models
                if part is None and (task, metric, filter_name, model) in compared
            }
            lines.append(_line(task if part is None else f"{task}: {part}", depth, figures, models, differences))
    return Layout(models, tuple(lines))


def _order(tasks: list[str], groups: Groups) -> list[tuple[str, int]]:
    """Names with their depth. A task in two groups stands in each; a group within a group stands there alone.

    Under a group without figures of its own nothing is indented.
    """
    known = frozenset(tasks)
    ordered: list[tuple[str, int]] = []

    def place(name: str, depth: int, above: tuple[str, ...]) -> None:
        ordered.append((name, depth))
        for member in groups.get(name, ()):
            if member not in above:
                place(member, depth + (name in known), (*above, member))

    inner = {member for members in groups.values() for member in members}
    outer = [name for name in (*groups, *tasks) if name not in inner]
    for name in (*outer, *tasks):  # all tasks once more: groups that hold each other must not hide them
        if name not in (placed for placed, _ in ordered):
            place(name, 0, (name,))
    return ordered


def _line(
    name: str,
    depth: int,
    figures: Mapping[str, AggregateRow],
    models: tuple[str, ...],
    differences: Mapping[str, Comparison],
) -> Line:
    first = next(iter(figures.values()))
    sizes = {row.n for row in figures.values()}
    decimals = decimals_for(figures.values())
    best = _best(figures.values())
    shots = {row.num_fewshot for row in figures.values()}
    cells = []
    for model in models:
        row = figures.get(model)
        figure = "" if row is None else value_text(row, decimals)
        notes = "" if row is None else notes_text(row, with_n=len(sizes) > 1)
        is_best = row is not None and best is not None and number(row.value) == best
        difference = differences.get(model)
        cells.append(
            Cell(
                figure,
                notes,
                is_best,
                "" if difference is None else _with_prompts(difference, decimals),
                "" if difference is None else verdict(difference, first.higher_is_better),
            )
        )
    return Line(
        depth=depth,
        task=name,
        metric=f"{first.metric} {_ARROWS[first.higher_is_better]}".rstrip(),
        filter=first.filter,
        shots="/".join(str(count) for count in sorted(count for count in shots if count is not None)),
        n=str(sizes.pop()) if len(sizes) == 1 else "",
        cells=tuple(cells),
    )


def _with_prompts(difference: Comparison, decimals: int) -> str:
    """`+0.031 ± 0.010 (12 of 100 documents with other prompts)`."""
    text, note = difference_text(difference, decimals), prompts_note(difference)
    return f"{text} ({note})" if text and note else text


_ARROWS = {True: "↑", False: "↓", None: ""}


def _best(rows: Iterable[AggregateRow]) -> float | None:
    """The best value, where several models are compared and differ."""
    compared = [(number(row.value), row.higher_is_better) for row in rows]
    values = [value for value, _ in compared if value is not None and math.isfinite(value)]
    direction = compared[0][1]
    if direction is None or len(values) < 2 or min(values) == max(values):
        return None
    return max(values) if direction else min(values)


def number(value: Any) -> float | None:
    """A row's figure as a float; None for what is no number."""
    value = restore(value)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def decimals_for(rows: Iterable[AggregateRow]) -> int:
    """Decimals that fit all of `rows`: three for fractions, two for larger values, more where an error is small.

    The smallest standard error keeps two significant digits, up to six decimals.
    """
    figures = list(rows)
    values = [abs(value) for value in (number(row.value) for row in figures) if value is not None]
    errors = [error for error in (number(row.se) for row in figures) if error and math.isfinite(error)]
    least = 2 if any(1.0 < value < math.inf for value in values) else 3
    if not errors:
        return least
    return min(6, max(least, 1 - math.floor(math.log10(min(errors)))))


def figure_text(row: AggregateRow, decimals: int, *, with_n: bool = False) -> str:
    """`0.724 ± 0.012 (3 errors, 1 missing)`; a dash where there is no value."""
    text, notes = value_text(row, decimals), notes_text(row, with_n=with_n)
    return f"{text} ({notes})" if notes else text


def value_text(row: AggregateRow, decimals: int) -> str:
    """`0.724 ± 0.012`; a dash where there is no value."""
    value, error = number(row.value), number(row.se)
    if value is None:
        return "–" if row.value is None else str(restore(row.value))
    return f"{value:.{decimals}f}" + ("" if error is None else f" ± {error:.{decimals}f}")


def notes_text(row: AggregateRow, *, with_n: bool = False) -> str:
    """What to know beside a figure: `3 errors, 1 missing`; mostly nothing."""
    notes = [f"n = {row.n}"] if with_n else []
    notes += [f"{row.errors} error{'s' * (row.errors != 1)}"] if row.errors else []
    notes += [f"{row.missing} missing"] if row.missing else []
    return ", ".join(notes)


def difference_text(difference: Comparison, decimals: int) -> str:
    """`+0.031 ± 0.010`; nothing where there is none."""
    if difference.value is None or not math.isfinite(difference.value):
        return ""
    error = "" if difference.se is None else f" ± {difference.se:.{decimals}f}"
    return f"{_signed(difference.value, decimals)}{error}"


def _signed(value: float, decimals: int) -> str:
    text = f"{value:+.{decimals}f}".replace("-", "−")
    return text if float(f"{value:.{decimals}f}") else text[1:]


def verdict(difference: Comparison, higher_is_better: bool | None) -> str:
    """What a difference says of the model: `better` or `worse` where its interval excludes 0, else `unclear`."""
    if higher_is_better is None or difference.value is None:
        return ""
    if not difference.clear:
        return "unclear"
    return "better" if (difference.value > 0) == higher_is_better else "worse"


def headings(layout: Layout) -> list[str]:
    """The names of the columns, the models last."""
    shots = ["Shots"] if layout.with_shots else []
    return ["Task", "Metric", "Filter", *shots, "n", *layout.models]


def labels(line: Line, layout: Layout) -> list[str]:
    """The texts of a line's columns before the models'; a member of a group is indented by its depth."""
    shots = [line.shots] if layout.with_shots else []
    return ["- " * line.depth + line.task, line.metric, line.filter, *shots, line.n]


def left_columns(layout: Layout) -> int:
    """How many columns hold names; those after them hold figures, which stand at the right."""
    return len(headings(layout)) - len(layout.models) - 1 - layout.with_shots
