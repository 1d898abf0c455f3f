"""`all_results.json` of a run and `results.json` of one model and task: every figure, for programs to read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import msgspec

from pipeline.rows import AggregateRow, to_plain
from reports.run_results import Comparison

_NAMED_BY_PLACE = frozenset({"model", "task", "metric", "filter", "slice"})
_FIGURES = tuple(name for name in AggregateRow.__struct_fields__ if name not in _NAMED_BY_PLACE)


def all_results_json(
    rows: Iterable[AggregateRow], comparisons: Sequence[Comparison] = (), baseline: str | None = None
) -> str:
    """The text of `all_results.json`: model -> task -> "metric,filter" -> the figure's fields.

    Figures over slices stand beside those over the whole, under `slices`: "field=value" -> fields; the difference to
    the baseline on the same documents stands under `difference`. Infinities and NaN are tagged as in the rows' own
    files.
    """
    models: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        _place(models.setdefault(row.model, {}).setdefault(row.task, {}), row)
    for one in comparisons:
        figure = models.get(one.model, {}).get(one.task, {}).get(f"{one.metric},{one.filter}")
        if figure is not None:
            fields = {name: value for name, value in asdict(one).items() if name not in _NAMED_BY_PLACE}
            figure["difference"] = {"baseline": baseline} | to_plain(fields, f"a difference of {one.task}")
    return _text(models)


def task_results_json(rows: Iterable[AggregateRow]) -> str:
    """The text of `results.json` for the rows of one model and task: "metric,filter" -> the figure's fields."""
    figures: dict[str, Any] = {}
    for row in rows:
        _place(figures, row)
    return _text(figures)


def _place(figures: dict[str, Any], row: AggregateRow) -> None:
    figure = figures.setdefault(f"{row.metric},{row.filter}", {})
    fields = {name: to_plain(getattr(row, name), f"{row.metric} of {row.task}") for name in _FIGURES}
    if row.slice is None:
        # before the slices, whichever came first
        parts = figure.pop("slices", None)
        figure.update(fields, **({} if parts is None else {"slices": parts}))
    else:
        figure.setdefault("slices", {})[row.slice] = fields


def _text(content: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode("utf-8") + "\n"
