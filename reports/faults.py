"""What went wrong in a run: lines for tables, the commonest first, and sentences. Tables are drawn elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reports.run_results import Faults, Reason

_NAMED = 3  # tasks or models of a sentence
_CAUSES = 10  # listed above a table that is folded


@dataclass(frozen=True)
class Lost:
    """A metric that failed on every row of one model's task, and why."""

    task: str
    model: str
    metric: str
    reason: str


@dataclass(frozen=True)
class FaultLine:
    """One model on one task. Counts with their share of the rows; empty where there are none."""

    task: str
    model: str
    documents: int
    errors: str
    truncated: str
    cut: str
    parse_failed: str
    missing: str
    reasons: tuple[str, ...]


def fault_lines(faults: Iterable[Faults]) -> list[FaultLine]:
    """A line for each model and task that has a fault, those first whose faults take most from the figures."""
    faulty = [one for one in faults if _weight(one) > (0, 0)]
    return [_line(one) for one in sorted(faulty, key=_weight, reverse=True)]


def lost_sentences(lost: Iterable[Lost]) -> list[str]:
    """`f1 failed on every row of xnli_de and xnli_fr (model: base): ValueError: …`, one for each metric and error.

    Without their full stops.
    """
    found: dict[tuple[str, str], list[Lost]] = {}
    for one in lost:
        found.setdefault((one.metric, one.reason.partition(":")[0]), []).append(one)
    sentences = []
    for (metric, _), same in found.items():
        places = _places((one.task, one.model) for one in same)
        sentences.append(f"{metric} failed on every row of {places}: {same[0].reason.rstrip('.')}")
    return sentences


def lost_metrics(faults: Iterable[Faults]) -> list[Lost]:
    """What failed on every row of a model's task."""
    return [Lost(one.task, one.model, *metric) for one in faults for metric in one.lost.items()]


def causes(faults: Iterable[Faults]) -> list[str]:
    """The commonest reasons over all tasks and models, each with where it came up."""
    found: dict[str, list[tuple[Faults, Reason]]] = {}
    for one in faults:
        for reason in one.reasons:
            found.setdefault(reason.what, []).append((one, reason))
    counts = Counter({what: sum(reason.count for _, reason in same) for what, same in found.items()})
    texts = []
    for what, count in counts.most_common(_CAUSES):
        reasons = [reason for _, reason in found[what]]
        alike = len({reason.message for reason in reasons}) == 1 and reasons[0].alike
        places = _places((one.task, one.model) for one, _ in found[what])
        texts.append(f"{reason_text(Reason(what, count, reasons[0].message, alike))} – {places}")
    return texts


def totals(faults: Sequence[Faults]) -> str:
    """What there is of each fault in the whole run: `12 errors, 40 answers cut at the token limit`."""
    counts = {
        "errors": sum(one.errors for one in faults),
        "prompts truncated": sum(one.truncated for one in faults),
        "answers cut at the token limit": sum(one.cut for one in faults),
        "answers not parsed": sum(sum(one.parse_failed.values()) for one in faults),
        "missing values": sum(one.missing for one in faults),
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def reason_text(reason: Reason) -> str:
    """`3 × ContextTooLong: 5012 tokens …`; one of several messages is called an example."""
    link = ": " if reason.alike else ", such as: "
    return f"{reason.count} × {reason.what}" + (f"{link}{reason.message}" if reason.message else "")


def listed(names: Iterable[str], noun: str) -> str:
    """`a`, `a and b`, or `a, b, c and 4 more tasks`, where `noun` is `task`."""
    known = list(dict.fromkeys(names))
    rest = len(known) - _NAMED
    if rest > 0:
        return f"{', '.join(known[:_NAMED])} and {rest} more {noun}{'s' * (rest != 1)}"
    return " and ".join(part for part in (", ".join(known[:-1]), known[-1]) if part)


def _places(places: Iterable[tuple[str, str]]) -> str:
    """Of which tasks and models."""
    known = list(places)
    models = dict.fromkeys(model for _, model in known)
    return f"{listed((task for task, _ in known), 'task')} (model{'s' * (len(models) != 1)}: {listed(models, 'model')})"


def _weight(one: Faults) -> tuple[int, int]:
    """What is left out of the figures, then what counts as it stands."""
    left_out = one.errors + one.missing + sum(reason.count for reason in one.reasons)
    return left_out, one.truncated + one.cut + sum(one.parse_failed.values())


def _line(one: Faults) -> FaultLine:
    return FaultLine(
        task=one.task,
        model=one.model,
        documents=one.documents,
        errors=_share(one.errors, one.documents),
        truncated=_share(one.truncated, one.documents),
        cut=_share(one.cut, one.documents),
        parse_failed=_by_filter(one.parse_failed, one.documents),
        missing=str(one.missing or ""),
        reasons=tuple(map(reason_text, one.reasons)),
    )


def _by_filter(counts: Mapping[str, int], documents: int) -> str:
    return "; ".join(
        f"{name} {_share(count, documents)}" if len(counts) > 1 else _share(count, documents)
        for name, count in counts.items()
    )


def _share(count: int, documents: int) -> str:
    return f"{count} ({100 * count / documents:.0f}%)" if count and documents else ""
