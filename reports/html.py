"""`report.html`: the whole run on one page that loads nothing. Sentences and drawings come from the files beside it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.character_eval import legend, published_lines
from reports.faults import causes, fault_lines, totals
from reports.headlines import Headline, headlines
from reports.histograms import model_histogram
from reports.layout import MARKS, Layout, lay_out
from reports.learning_curve import learning_curve, series_names
from reports.run_results import QUANTILES, Distribution, RunResults
from reports.summary import summary_sentences

_TEMPLATES = Path(__file__).parent / "templates"
_OPEN_UP_TO = 15  # lines of a table that is unfolded at once


def report_html(results: RunResults) -> str:
    """The page's text. It loads nothing, and names from the run are escaped."""
    lines = headlines(results)
    everything = lay_out(results.rows, results.groups, results.comparisons)
    faults = fault_lines(results.faults)
    return (
        _environment()
        .get_template("report.html")
        .render(
            results=results,
            style=Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8")),
            confidence=f"{100 * results.confidence:g}%",
            sentences=summary_sentences(results, lines),
            main=_main_table(results, lines),
            everything=everything,
            unfold=len(everything.lines) <= _OPEN_UP_TO,
            slices=lay_out(results.rows, slices=True),
            character_eval=published_lines(results.rows),
            character_eval_legend=legend(),
            marks=MARKS,
            curves=_curves(results, lines),
            series=series_names(results),
            distributions=[_distribution(one) for one in results.distributions],
            quantiles=[f"{100 * share:g}%" for share in QUANTILES],
            faults=faults,
            causes=causes(results.faults),
            fault_totals=totals(results.faults),
            fold_faults=len(faults) > _OPEN_UP_TO,
            documents=sum(one.documents for one in results.faults),
        )
    )


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    environment.filters["by_words"] = _by_words
    return environment


def _breakable(name: str) -> Markup:
    """A model's name, which may go on in a new line after the folder that it begins with."""
    return Markup("__<wbr>").join(name.split("__"))


def _by_words(name: str) -> Markup:
    """A task's name, which may go on in a new line after each word."""
    return Markup("_<wbr>").join(name.split("_"))


def _main_table(results: RunResults, lines: Sequence[Headline]) -> Layout:
    """The headlines alone, in the order of the run."""
    shown = {(line.task, line.metric, line.filter) for line in lines}
    rows = [row for row in results.rows if (row.task, row.metric, row.filter) in shown]
    return lay_out(rows, comparisons=results.comparisons)


def _curves(results: RunResults, lines: Sequence[Headline]) -> list[dict[str, Any]]:
    drawn = [(line, learning_curve(results, line)) for line in lines]
    return [
        {"task": line.task, "metric": line.metric, "higher": line.higher_is_better, "drawing": drawing}
        for line, drawing in drawn
        if drawing is not None
    ]


def _distribution(distribution: Distribution) -> dict[str, Any]:
    return {
        "task": distribution.task,
        "metric": distribution.metric,
        "models": [
            {
                "name": model,
                "drawing": model_histogram(distribution, model),
                "n": spread.n,
                "mean": _short(spread.mean),
                "quantiles": [_short(value) for value in spread.quantiles],
            }
            for model, spread in distribution.spreads.items()
        ],
    }


def _short(value: float) -> str:
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
