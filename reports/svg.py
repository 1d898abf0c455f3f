"""Drawing in SVG: elements with escaped texts, linear scales, and round tick marks. No chart of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape


def element(name: str, *children: str | Markup, **attributes: object) -> Markup:
    """`<name …>children</name>`; texts are escaped, `class_` and `text_anchor` are written as SVG has them."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_plain(value))}"' for key, value in attributes.items()
    )
    inside = "".join(escape(child) for child in children)
    return Markup(f"<{name}{written}>{inside}</{name}>")  # every part of it is escaped above


def drawing(width: float, height: float, label: str, children: Sequence[Markup]) -> Markup:
    """An `<svg>` that scales with the page; `label` is what a screen reader says."""
    box = f"0 0 {_plain(width)} {_plain(height)}"
    # viewBox is written in mixed case, and so not by keyword conversion
    opening = Markup('<svg viewBox="{}" role="img" aria-label="{}" class="chart">').format(box, label)
    return opening + Markup("").join(children) + Markup("</svg>")


@dataclass(frozen=True)
class Scale:
    """A linear map from [low, high] to pixels [start, end]."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return self.start + share * (self.end - self.start)


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers from `low` to `high`, some `about` of them."""
    if not high > low:
        return [low]
    raw = (high - low) / about
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 12) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def tick_text(value: float) -> str:
    """A tick's label: `0.25`, `1500`, `20k`."""
    if abs(value) >= 10_000 and value % 1000 == 0:
        return f"{value / 1000:g}k"
    return f"{value:g}".replace("-", "−")


def _plain(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
