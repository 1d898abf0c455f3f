"""Step 4's comparisons: each model against the baseline on the same documents, and what went wrong with its rows.

Reads step 3's views once, one model and task at a time; only the baseline's values stay beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from metrics.aggregation import find_aggregation
from pipeline.config import Step4Settings
from pipeline.rows import ErrorRecord, Status, restore
from pipeline.views import decode_line, read_lines
from reports.run_results import QUANTILES, Comparison, Distribution, Faults, Spread
from stats.distribution import histogram
from stats.objects import ObjectColumn, difference_of_objects
from stats.paired import KeyedColumn, KeyedHashes
from steps.context import Context
from steps.step4_aggregation import as_number
from steps.step4_faults import FaultCount
from steps.value_kinds import value_kind
from tasks.task import Task

_SEMANTIC = "semantic_similarity"


class _Scored(msgspec.Struct):
    """What this step reads of a `ScoredRow`."""

    doc_id: str
    status: Status
    error: ErrorRecord | None
    expansion: str | None
    cluster: str
    filter: str
    values: dict[str, Any]
    flags: dict[str, Any]
    prompt_hash: str


@dataclass
class TaskScores:
    """One model's values on one task, by filter and value name, the prompts asked, and the faults of its rows."""

    task: Task
    columns: dict[tuple[str, str], KeyedColumn | ObjectColumn] = field(default_factory=dict)
    faults: FaultCount = field(default_factory=FaultCount)
    prompts: KeyedHashes = field(default_factory=KeyedHashes)
    _first_filter: str | None = None

    def add(self, rows: Sequence[_Scored]) -> None:
        """Take a chunk of rows in."""
        by_filter: dict[str, list[_Scored]] = {}
        for row in rows:
            by_filter.setdefault(row.filter, []).append(row)
        for name, members in by_filter.items():
            self.faults.add(name, members)
            self._take(name, members)
            self._first_filter = self._first_filter or name
            if name == self._first_filter:  # every filter has each document
                sound = [row for row in members if row.status == "ok"]
                self.prompts.extend([hash(row.doc_id) for row in sound], [hash(row.prompt_hash) for row in sound])

    def _take(self, filter_name: str, rows: Sequence[_Scored]) -> None:
        for name in dict.fromkeys(name for row in rows for name in row.values):
            having = [row for row in rows if name in row.values]
            keys = [hash((row.doc_id, row.expansion)) for row in having]
            clusters = [hash(row.cluster) for row in having]
            column = self.columns.get((filter_name, name))
            if column is None:
                form = value_kind(self.task, name).form
                column = self.columns[filter_name, name] = ObjectColumn() if form == "objects" else KeyedColumn()
            read = restore if isinstance(column, ObjectColumn) else as_number
            column.extend(keys, clusters, [read(row.values[name]) for row in having])


@dataclass
class TaskComparison:
    """What a task's views say beyond the figures."""

    comparisons: list[Comparison] = field(default_factory=list)
    faults: list[Faults] = field(default_factory=list)
    distribution: Distribution | None = None


def compare_task(
    task: Task,
    models: Sequence[str],
    baseline: str | None,
    context: Context,
    settings: Step4Settings,
    before: Sequence[str] = (),
) -> TaskComparison:
    """All models on one task, the baseline read first; `before` as in `primary_metric`."""
    result = TaskComparison()
    drawn: dict[str, NDArray[np.float64]] = {}
    metric = ""
    base: TaskScores | None = None
    for model in sorted(models, key=lambda name: name != baseline):
        scores = read_scores(context, model, task)
        result.faults.append(scores.faults.faults(model, task.name))
        shown = _shown(scores, task, before)
        if shown is not None:
            metric, drawn[model] = shown[0], shown[1].values().ravel().copy()
        if model == baseline:
            base = scores
        elif base is not None:
            result.comparisons.extend(_comparisons(model, scores, base, settings))
    result.distribution = _distribution(task, metric, {model: drawn[model] for model in models if model in drawn})
    return result


def read_scores(context: Context, model: str, task: Task) -> TaskScores:
    """The values of one view of step 3."""
    scores = TaskScores(task)
    decoder = msgspec.json.Decoder(_Scored)
    source = context.folder.view("step3", model, task.name)
    place, remake = str(source), context.command("step3")
    for number, lines in read_lines(source):
        scores.add([decode_line(decoder, line, place, number + offset, remake) for offset, line in enumerate(lines)])
    return scores


def _comparisons(model: str, scores: TaskScores, base: TaskScores, settings: Step4Settings) -> Iterator[Comparison]:
    task, confidence = scores.task, settings.confidence
    other_prompts, documents = scores.prompts.differing(base.prompts)
    for (filter_name, name), column in scores.columns.items():
        other = base.columns.get((filter_name, name))
        kind = value_kind(task, name)
        if isinstance(column, ObjectColumn) and isinstance(other, ObjectColumn):
            assert kind.figure is not None
            difference = difference_of_objects(column, other, kind.figure, settings.task_code_resamples, confidence)
        elif isinstance(column, KeyedColumn) and isinstance(other, KeyedColumn):
            difference = find_aggregation(kind.aggregation).difference(column.pairs(other), confidence)
        else:
            continue
        fields = asdict(difference) | {"other_prompts": other_prompts, "documents": documents}
        yield Comparison(model, task.name, name, filter_name, **fields)


def primary_metric(task: Task, names: Iterable[str], before: Sequence[str] = ()) -> str | None:
    """The value that stands for the task: as its file says, else the first of `before` that is among `names`, else the
    first of its first metric, else the first."""
    known = list(names)
    named = [task.primary_metric, *(name for name in before if name in known), *(one.name for one in task.metrics)]
    wanted = next((name for name in named if name), None)
    if wanted in known:
        return wanted
    return next((name for name in known if value_kind(task, name).metric == wanted), known[0] if known else None)


def _shown(scores: TaskScores, task: Task, before: Sequence[str]) -> tuple[str, KeyedColumn] | None:
    """The metric whose distribution is drawn, semantic similarity or else the task's main one, and its values."""
    names = dict.fromkeys(name for _, name in scores.columns)
    wanted = _SEMANTIC if _SEMANTIC in names else primary_metric(task, names, before)
    if wanted is None or value_kind(task, wanted).form != "numbers":
        return None
    found = next(column for (_, name), column in scores.columns.items() if name == wanted)
    return (wanted, found) if isinstance(found, KeyedColumn) else None


def _distribution(task: Task, metric: str, samples: Mapping[str, NDArray[np.float64]]) -> Distribution | None:
    """None where the values are right or wrong and nothing between: a mean says it all."""
    if not any(len(np.unique(values)) > 2 for values in samples.values()):
        return None
    drawn = histogram(samples, QUANTILES)
    if drawn is None:
        return None
    spreads = {model: Spread(**asdict(spread)) for model, spread in drawn.spreads.items()}
    return Distribution(task.name, metric, drawn.edges, spreads)
