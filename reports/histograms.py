"""The distribution of a metric's row values: one small histogram a model, over common bins, with quantiles."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from reports.run_results import Distribution, Spread
from reports.svg import Scale, drawing, element, tick_text, ticks

_WIDTH, _HEIGHT = 380.0, 96.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 10.0, 10.0, 10.0, 22.0


def model_histogram(distribution: Distribution, model: str) -> Markup:
    """Bars by share of rows, of one height over all models; the middle half is marked below, the median by a line."""
    edges = distribution.edges
    spread = distribution.spreads[model]
    x = Scale(edges[0], edges[-1], _LEFT, _WIDTH - _RIGHT)
    tallest = max(max(one.counts) / one.n for one in distribution.spreads.values())
    y = Scale(0, tallest, _HEIGHT - _BOTTOM, _TOP)
    parts = [*_bars(edges, spread, x, y), *_marks(spread, x, y), *_axis(x, y)]
    return drawing(_WIDTH, _HEIGHT, f"{model}: distribution of {distribution.metric} on {distribution.task}", parts)


def _bars(edges: tuple[float, ...], spread: Spread, x: Scale, y: Scale) -> Iterable[Markup]:
    for low, high, count in zip(edges, edges[1:], spread.counts, strict=False):
        if not count:
            continue
        top = y(count / spread.n)
        title = element("title", f"{low:.3g} to {high:.3g}: {count} of {spread.n} ({100 * count / spread.n:.1f}%)")
        yield element(
            "rect", title, x=x(low) + 0.5, y=top, width=max(x(high) - x(low) - 1, 1), height=y.start - top, class_="col"
        )


def _marks(spread: Spread, x: Scale, y: Scale) -> Iterable[Markup]:
    _, lower, median, upper, _ = spread.quantiles
    yield element("line", x1=x(lower), x2=x(upper), y1=y.start + 2, y2=y.start + 2, class_="half")
    title = element("title", f"median {median:.4g}")
    yield element("line", title, x1=x(median), x2=x(median), y1=y.end - 4, y2=y.start + 4, class_="median")


def _axis(x: Scale, y: Scale) -> Iterable[Markup]:
    yield element("line", x1=x.start, x2=x.end, y1=y.start, y2=y.start, class_="axis")
    for value in ticks(x.low, x.high, 5):
        yield element("text", tick_text(value), x=x(value), y=y.start + 17, text_anchor="middle", class_="tick")
