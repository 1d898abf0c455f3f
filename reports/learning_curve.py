"""The learning curve: a benchmark's figure against the training step, with its interval, beside the base model's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipeline.rows import AggregateRow
from reports.headlines import Headline
from reports.layout import decimals_for, figure_text, number
from reports.run_results import ReportedModel, RunResults
from reports.svg import Scale, drawing, element, tick_text, ticks

_WIDTH, _HEIGHT = 380.0, 240.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 14.0, 14.0, 38.0


@dataclass(frozen=True)
class Point:
    """One checkpoint's figure, with its interval where there is one."""

    step: int
    value: float
    low: float | None
    high: float | None
    title: str


def learning_curve(results: RunResults, line: Headline) -> Markup | None:
    """The drawing; None where no model has a training step or none of them a figure."""
    series = _series(results.models, line)
    if not series:
        return None
    base = line.figures.get(results.baseline) if results.baseline else None
    points = [point for members in series.values() for point in members]
    x = _horizontal(points)
    y = _vertical(points, base)
    parts = [*_grid(x, y, points), *_baseline(base, results.baseline or "", y)]
    for number_, (name, members) in enumerate(series.items()):
        parts.extend(_curve(members, name if len(series) > 1 else "", f"s{number_ % 6 + 1}", x, y))
    return drawing(_WIDTH, _HEIGHT, f"{line.task}, {line.metric}: figure against training step", parts)


def series_names(results: RunResults) -> list[str]:
    """The trainings of the run, in the order of their colours; their common folder is left out."""
    names = dict.fromkeys(model.series for model in results.models if model.training_step is not None)
    return [name.rsplit("/", 1)[-1] for name in names]


def _series(models: Sequence[ReportedModel], line: Headline) -> dict[str, list[Point]]:
    """Points by training, each in the order of their steps."""
    series: dict[str, list[Point]] = {}
    decimals = decimals_for(line.figures.values())
    for model in models:
        row = line.figures.get(model.name)
        value = None if row is None else number(row.value)
        if model.training_step is None or row is None or value is None or not math.isfinite(value):
            continue
        title = f"{model.name}, step {model.training_step}: {figure_text(row, decimals, with_n=True)}"
        point = Point(model.training_step, value, number(row.low), number(row.high), title)
        series.setdefault(model.series, []).append(point)
    return {name: sorted(points, key=lambda point: point.step) for name, points in series.items()}


def _horizontal(points: Sequence[Point]) -> Scale:
    steps = [point.step for point in points]
    low, high = min(steps), max(steps)
    margin = (high - low) * 0.06 or 1
    return Scale(low - margin, high + margin, _LEFT, _WIDTH - _RIGHT)


def _vertical(points: Sequence[Point], base: AggregateRow | None) -> Scale:
    bounds = [bound for point in points for bound in (point.value, point.low, point.high)]
    if base is not None:
        bounds += [number(base.value), number(base.low), number(base.high)]
    known = [bound for bound in bounds if bound is not None and math.isfinite(bound)]
    low, high = min(known), max(known)
    margin = (high - low) * 0.08 or abs(high) * 0.1 or 0.5
    return Scale(low - margin, high + margin, _HEIGHT - _BOTTOM, _TOP)


def _grid(x: Scale, y: Scale, points: Iterable[Point]) -> Iterable[Markup]:
    for value in ticks(y.low, y.high):
        yield element("line", x1=x.start, x2=x.end, y1=y(value), y2=y(value), class_="grid")
        yield element("text", tick_text(value), x=x.start - 6, y=y(value) + 3.5, text_anchor="end", class_="tick")
    steps = sorted({point.step for point in points})
    shown: Iterable[float] = steps if len(steps) <= 6 else ticks(steps[0], steps[-1])
    for step in shown:
        yield element("text", tick_text(step), x=x(step), y=y.start + 16, text_anchor="middle", class_="tick")
    yield element("line", x1=x.start, x2=x.end, y1=y.start, y2=y.start, class_="axis")
    yield element("text", "training step", x=(x.start + x.end) / 2, y=y.start + 32, text_anchor="middle", class_="name")


def _baseline(base: AggregateRow | None, name: str, y: Scale) -> Iterable[Markup]:
    value = None if base is None else number(base.value)
    if base is None or value is None or not math.isfinite(value):
        return
    left, right = _LEFT, _WIDTH - _RIGHT
    low, high = number(base.low), number(base.high)
    title = element("title", f"{name}: {figure_text(base, decimals_for([base]), with_n=True)}")
    if low is not None and high is not None:
        height = y(low) - y(high)
        yield element("rect", title, x=left, y=y(high), width=right - left, height=height, class_="band")
    yield element("line", title, x1=left, x2=right, y1=y(value), y2=y(value), class_="base")
    yield element("text", name, x=right - 2, y=y(value) - 4, text_anchor="end", class_="basename")


def _curve(points: Sequence[Point], name: str, color: str, x: Scale, y: Scale) -> Iterable[Markup]:
    path = " ".join(f"{x(point.step):.1f},{y(point.value):.1f}" for point in points)
    yield element("polyline", points=path, class_=f"curve {color}")
    for point in points:
        inside = []
        at = x(point.step)
        if point.low is not None and point.high is not None:
            inside.append(element("line", x1=at, x2=at, y1=y(point.low), y2=y(point.high), class_="bar"))
            inside.extend(
                element("line", x1=at - 4, x2=at + 4, y1=y(bound), y2=y(bound), class_="bar")
                for bound in (point.low, point.high)
            )
        inside.append(element("circle", cx=at, cy=y(point.value), r=4))
        label = f"{name.rsplit('/', 1)[-1]}: {point.title}" if name else point.title
        yield element("g", element("title", label), *inside, class_=f"point {color}")
