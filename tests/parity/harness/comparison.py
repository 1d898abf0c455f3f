"""What differs between lm_eval's results of a task and this project's, in words; nothing where they agree."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.rows import restore
from tests.project import Project

Render = Callable[[Any], str]
# Figures that follow log-likelihoods themselves, not their order, and so carry the bound of these.
_FROM_LIKELIHOODS = frozenset(
    {"perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte", "brier_score", "likelihood_diff"}
)
_EXACT = 1e-6
# Intervals of means, whose standard errors are by lm_eval's formula; those of other figures, of perplexity too, it
# takes from a bootstrap.
_OF_MEANS = frozenset({"wilson", "student-t", "normal"})


@dataclass(frozen=True)
class Asked:
    """One request of a document with its answers: a text a sample, or (log-likelihood, greedy)."""

    prompt: str
    continuation: str | None
    answers: tuple[Any, ...]


@dataclass
class Views:
    """A task's rows of the four steps."""

    generated: dict[int, dict[str, Any]]
    filtered: dict[int, dict[str, Any]]
    scored: dict[tuple[int, str], dict[str, Any]]
    figures: dict[tuple[str, str], dict[str, Any]]


@dataclass
class Comparison:
    """Differences that are faults, and choices too close to call, which are none."""

    faults: list[str] = field(default_factory=list)
    ties: list[int] = field(default_factory=list)
    compared: int = 0

    def expect(self, ours: Any, theirs: Any, what: str, equal: bool | None = None) -> None:
        self.compared += 1
        if not (ours == theirs if equal is None else equal):
            self.faults.append(f"{what}\n    here:    {ours!r}\n    lm_eval: {theirs!r}")


def views(project: Project) -> dict[str, Views]:
    """The rows of each task and group, by document."""
    found: dict[str, Views] = {}
    for step in range(1, 5):
        for rows in project.views(step=step).values():
            task = found.setdefault(rows[0]["task"], Views({}, {}, {}, {}))
            if step == 4:
                task.figures = {(row["metric"], row["filter"]): row for row in rows if row["slice"] is None}
            elif step == 3:
                task.scored = {(row["index"], row["filter"]): row for row in rows}
            else:
                setattr(task, "generated" if step == 1 else "filtered", {row["index"]: row for row in rows})
    return found


def compare_task(
    theirs: Mapping[str, Any], task: str, found: Views, render: Render, chosen: Collection[int] | None = None
) -> Comparison:
    """Requests, answers, filtered answers, values and figures of one task; of `chosen` documents no figures."""
    comparison = Comparison()
    samples = [one for one in theirs["samples"][task] if chosen is None or one["doc_id"] in chosen]
    comparison.expect(sorted(found.generated), sorted({one["doc_id"] for one in samples}), "documents")
    seen: set[int] = set()
    for sample in samples:
        index = sample["doc_id"]
        if index not in found.generated:
            continue
        if index not in seen:
            seen.add(index)
            _compare_requests(comparison, sample, found.generated[index], render)
        _compare_filtered(comparison, sample, found.filtered[index])
        _compare_values(comparison, sample, found.scored.get((index, sample["filter"])))
    if chosen is None:
        _compare_figures(comparison, theirs["results"][task], found.figures, not comparison.ties)
    return comparison


def compare_group(theirs: Mapping[str, Any], group: str, found: Views) -> Comparison:
    """The figures of a group; of tasks that differ in size, its standard errors are by another formula there."""
    comparison = Comparison()
    sizes = {len(theirs["samples"][task]) for task in _tasks_of(group, theirs["group_subtasks"])}
    _compare_figures(comparison, theirs["groups"][group], found.figures, True, errors=len(sizes) == 1)
    return comparison


def _tasks_of(group: str, members: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for member in members[group]:
        if member in members:
            yield from _tasks_of(member, members)
        else:
            yield member


def close(ours: float, theirs: float) -> bool:
    """The bound of log-likelihoods in float32."""
    return ours == theirs or abs(ours - theirs) <= 2e-4 + 1e-6 * abs(theirs)


def _compare_requests(
    comparison: Comparison, sample: Mapping[str, Any], row: Mapping[str, Any], render: Render
) -> None:
    label = f"document {row['index']}"
    ours, theirs = list(_asked(row, render)), list(_asked_there(sample))
    comparison.expect(row["status"], "ok", f"{label}: {row['error']}")
    comparison.expect(
        [(one.prompt, one.continuation) for one in ours],
        [(one.prompt, one.continuation) for one in theirs],
        f"{label}: prompts",
    )
    for here, there in zip(ours, theirs, strict=False):
        if here.continuation is None and isinstance(there.answers[0], str):
            comparison.expect(here.answers, there.answers, f"{label}: generated texts")
            continue
        for one, other in zip(here.answers, there.answers, strict=True):
            comparison.expect(
                one[0], other[0], f"{label}: log-likelihood of {here.continuation!r}", close(one[0], other[0])
            )
            if there.continuation is not None:
                comparison.expect(one[1], other[1], f"{label}: greedy flag of {here.continuation!r}")
    if len(ours) > 1 and _tied([one.answers[0][0] for one in ours]):
        comparison.ties.append(row["index"])


def _asked(row: Mapping[str, Any], render: Render) -> Iterator[Asked]:
    texts: dict[str, list[str]] = defaultdict(list)
    for request in row["requests"]:
        prompt = render(row["prompt"] if request["prompt"] is None else request["prompt"])
        if request["type"] == "generate_until":
            texts[prompt].append(request["text"])
            continue
        answers = zip(map(restore, request["logprobs"]), request["greedy"], strict=True)
        for continuation, answer in zip(request["continuations"] or [None], answers, strict=True):
            yield Asked(prompt, continuation, (answer,))
    yield from (Asked(prompt, None, tuple(answers)) for prompt, answers in texts.items())


def _asked_there(sample: Mapping[str, Any]) -> Iterator[Asked]:
    for arguments, answers in zip(sample["arguments"], sample["resps"], strict=True):
        continuation = arguments[1] if len(arguments) > 1 and isinstance(arguments[1], str) else None
        if continuation is None and not isinstance(answers[0], (str, tuple)):
            answers = [(float(answer), None) for answer in answers]
        yield Asked(arguments[0], continuation, tuple(answers))


def _tied(logprobs: Sequence[float]) -> bool:
    """Whether the two best are closer than the bound."""
    best, second = sorted(logprobs, reverse=True)[:2]
    return close(best, second)


def _compare_filtered(comparison: Comparison, sample: Mapping[str, Any], row: Mapping[str, Any]) -> None:
    name = sample["filter"]
    comparison.expect(name in row["filtered"], True, f"document {row['index']}: the filter {name}")
    theirs = sample["filtered_resps"]
    if len(theirs) == 1 and not isinstance(theirs[0], tuple) and not isinstance(theirs[0], float):
        ours = restore(row["filtered"].get(name))
        one_a_request = isinstance(ours, list) and not isinstance(theirs[0], list)  # of tasks that are Python classes
        comparison.expect(ours[0] if one_a_request else ours, theirs[0], f"document {row['index']}: filtered by {name}")


def _compare_values(comparison: Comparison, sample: Mapping[str, Any], row: Mapping[str, Any] | None) -> None:
    if row is None:
        comparison.faults.append(f"document {sample['doc_id']}: no row of values under {sample['filter']}")
        return
    for metric in sample["metrics"]:
        theirs, ours = sample[metric], restore(row["values"].get(metric))
        statistic = isinstance(ours, (list, tuple))  # as step 4 sums it, where the harness has a form of its own
        if isinstance(theirs, (bool, int, float)) and not statistic and row["index"] not in comparison.ties:
            equal = _equal(ours, float(theirs), metric)
            comparison.expect(ours, theirs, f"document {row['index']}: {metric} under {row['filter']}", equal)


def _compare_figures(
    comparison: Comparison,
    theirs: Mapping[str, Any],
    figures: Mapping[tuple[str, str], Mapping[str, Any]],
    decided: bool,
    errors: bool = True,
) -> None:
    for key, value in theirs.items():
        metric, _, filter_name = key.partition(",")
        if not filter_name or metric.endswith("_stderr"):
            continue
        row = figures.get((metric, filter_name))
        if row is None:
            comparison.faults.append(f"there is no figure {key}; there are {sorted(figures)}")
            continue
        if not decided:
            continue
        comparison.expect(restore(row["value"]), value, key, _equal(restore(row["value"]), value, metric))
        their_error = theirs.get(f"{metric}_stderr,{filter_name}")
        if errors and row["method"] in _OF_MEANS and metric != "perplexity" and isinstance(their_error, float):
            ours = restore(row["se"])
            comparison.expect(ours, their_error, f"standard error of {key}", _equal(ours, their_error, metric))


def _equal(ours: Any, theirs: float, metric: str) -> bool:
    if not isinstance(ours, (int, float)):
        return False
    if math.isnan(theirs) or math.isnan(ours) or math.isinf(theirs):
        return str(float(ours)) == str(float(theirs))
    bound = 1e-4 * max(1.0, abs(theirs)) if metric in _FROM_LIKELIHOODS else _EXACT
    return abs(ours - theirs) <= bound
