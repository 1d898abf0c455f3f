"""What a run says, in sentences: which checkpoint is best on what, what it lost, and what cannot be told."""

from __future__ import annotations

from collections.abc import Sequence

from reports.faults import lost_metrics, lost_sentences
from reports.headlines import Headline
from reports.layout import decimals_for, difference_text, figure_text, number, verdict
from reports.other_prompts import other_prompts_sentences
from reports.run_results import RunResults

_LISTED = 6


def summary_sentences(results: RunResults, lines: Sequence[Headline]) -> list[str]:
    """A few sentences for someone who has not seen the run; the most telling first."""
    compared = [line for line in lines if _has_difference(line) and line.higher_is_better is not None]
    if results.baseline is None or not compared:
        valued = [line for line in lines if any(row.value is not None for row in line.figures.values())]
        return [_figures_sentence(line) for line in valued[:_LISTED]] + _fault_sentences(results)
    sentences = [_best_sentence(results, line) for line in compared[:_LISTED]]
    if len(compared) > _LISTED:
        sentences.append(f"{len(compared) - _LISTED} further benchmarks stand in the table.")
    return sentences + _trade(results, compared) + _fault_sentences(results)


def _has_difference(line: Headline) -> bool:
    """Whether some model can be compared with the baseline: both have a figure."""
    return any(difference.value is not None for difference in line.differences.values())


def _fault_sentences(results: RunResults) -> list[str]:
    """What every figure should be read with: answers that are not there, and prompts that were not asked in full."""
    rows = sum(one.documents for one in results.faults)
    errors = sum(one.errors for one in results.faults)
    truncated = sum(one.truncated for one in results.faults)
    sentences = [left_out(results.skipped)] if results.skipped else []
    sentences += [f"{sentence}." for sentence in lost_sentences(lost_metrics(results.faults))]
    sentences += [f"{sentence}." for sentence in other_prompts_sentences(results)]
    if errors:
        sentences.append(f"{errors} of {rows} rows of answers ended in errors and are left out of the figures.")
    if truncated:
        sentences.append(f"{truncated} of {rows} rows of answers had prompts too long for the model, which were cut.")
    return sentences


def left_out(skipped: Sequence[str]) -> str:
    """That figures of groups are not of the whole."""
    names = ", ".join(skipped[:_LISTED]) + (" …" if len(skipped) > _LISTED else "")
    tasks, groups = ("1 task", "its groups") if len(skipped) == 1 else (f"{len(skipped)} tasks", "their groups")
    return f"{tasks} had no data and stayed out of the run, so that {groups} are means over the others: {names}."


def _figures_sentence(line: Headline) -> str:
    decimals = decimals_for(line.figures.values())
    figures = ", ".join(f"{model} {figure_text(row, decimals)}" for model, row in line.figures.items())
    return f"{line.task} ({line.metric}): {figures}."


def _best_sentence(results: RunResults, line: Headline) -> str:
    """Who is best on one benchmark, and whether that is more than chance."""
    found = {model: verdict(difference, line.higher_is_better) for model, difference in line.differences.items()}
    better = [model for model, word in found.items() if word == "better"]
    worse = [model for model, word in found.items() if word == "worse"]
    name = f"{line.task} ({line.metric})"
    if better:
        best = _extreme(line, better, best=True)
        return f"On {name}, {best} is clearly better than {results.baseline}: {_change(results, line, best)}."
    if worse and len(worse) == len(found):
        whom = "every checkpoint is" if len(worse) > 1 else f"{worse[0]} is"
        lowest = _extreme(line, worse, best=False)
        return f"On {name}, {whom} clearly worse than {results.baseline}; {lowest}: {_change(results, line, lowest)}."
    if worse:
        lowest = _extreme(line, worse, best=False)
        return (
            f"On {name}, no checkpoint is clearly better than {results.baseline}, and {lowest} is clearly worse: "
            f"{_change(results, line, lowest)}."
        )
    return f"On {name}, no difference to {results.baseline} is larger than chance explains."


def _trade(results: RunResults, lines: Sequence[Headline]) -> list[str]:
    """What the checkpoint that gained most has lost, and which one gained without a loss."""
    gains: dict[str, list[Headline]] = {}
    losses: dict[str, list[Headline]] = {}
    for line in lines:
        for model, difference in line.differences.items():
            word = verdict(difference, line.higher_is_better)
            if word == "better":
                gains.setdefault(model, []).append(line)
            elif word == "worse":
                losses.setdefault(model, []).append(line)
    if not gains:
        return []
    first = max(gains, key=lambda model: (len(gains[model]), _gain(gains[model][0], model)))
    if not losses.get(first):
        return [f"{first} shows no clear loss by these metrics."]
    lost = "; ".join(f"{line.task}, {_change(results, line, first)}" for line in losses[first])
    sentences = [f"The price: {first} has clearly lost on {lost}."]
    spared = [model for model in gains if model not in losses]
    if spared:
        kept = max(spared, key=lambda model: (len(gains[model]), _gain(gains[model][0], model)))
        line = gains[kept][0]
        sentences.append(f"Without a clear loss: {kept}, which gains on {line.task}: {_change(results, line, kept)}.")
    return sentences


def _extreme(line: Headline, models: Sequence[str], *, best: bool) -> str:
    return max(models, key=lambda model: _gain(line, model) if best else -_gain(line, model))


def _gain(line: Headline, model: str) -> float:
    value = line.differences[model].value or 0.0
    return value if line.higher_is_better else -value


def _change(results: RunResults, line: Headline, model: str) -> str:
    """`0.92 against 0.35 (+0.57 ± 0.04)`."""
    rows = [line.figures[name] for name in (model, results.baseline or "") if name in line.figures]
    decimals = decimals_for(rows)
    values = [f"{value:.{decimals}f}" for row in rows if (value := number(row.value)) is not None]
    return f"{' against '.join(values)} ({difference_text(line.differences[model], decimals)})"
