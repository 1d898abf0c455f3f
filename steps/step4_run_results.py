"""Step 4's figures, comparisons, distributions and faults, gathered for the reports."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.config import Step4Settings
from pipeline.console import warn
from pipeline.lock_file import LockFile
from pipeline.near import listed
from pipeline.rows import AggregateRow
from reports.run_results import Comparison, ReportedModel, RunResults
from stats.estimate import Estimate
from stats.groups import group_mean
from steps.chained import now
from steps.context import Context
from steps.manifest import Manifest, ModelRecord
from steps.step4_comparison import compare_task, primary_metric
from steps.step4_groups import averages, leaf_tasks
from steps.value_kinds import value_kind
from tasks.task import Group, TaskSet

_GRADED = ("semantic_similarity", "rouge-l")
_Differences = dict[str, dict[tuple[str, str], Comparison]]  # of one model: task -> (metric, filter) -> it


def run_results(
    settings: Step4Settings, context: Context, manifest: Manifest, tasks: TaskSet, rows: Sequence[AggregateRow]
) -> RunResults:
    """What the reports show. The baseline is the run's base model, where others stand beside it."""
    names = [model.name for model in manifest.models]
    base = next((model.name for model in manifest.models if model.adapter is None), None)
    baseline = base if len(names) > 1 else None
    own = own_tasks(manifest)
    compared = [
        compare_task(task, names, baseline, context, settings, _GRADED if task.name in own else ())
        for task in tasks.tasks
    ]
    comparisons = [comparison for one in compared for comparison in one.comparisons]
    return RunResults(
        title=context.folder.root.name,
        created=now(),
        models=[_reported(model) for model in manifest.models],
        rows=rows,
        groups={group.name: group.members for group in tasks.groups},
        primary=_primary(tasks, rows, own),
        baseline=baseline,
        confidence=settings.confidence,
        comparisons=[*comparisons, *_group_comparisons(tasks.groups, comparisons, names, settings.confidence)],
        distributions=[one.distribution for one in compared if one.distribution is not None],
        other_tokenizers=[name for name in names if baseline and _other_tokenizer(name, baseline, tasks, context)],
        faults=[faults for one in compared for faults in one.faults],
        skipped=manifest.skipped,
    )


def _other_tokenizer(model: str, baseline: str, tasks: TaskSet, context: Context) -> bool:
    """Whether requests of some task went through another tokenizer or chat template than the baseline's."""
    own, others = (LockFile(context.folder, "step1", name).entries() for name in (model, baseline))
    both = [(own[task.name], others[task.name]) for task in tasks.tasks if task.name in own and task.name in others]
    return any(one.basis.settings.get("tokenizer") != other.basis.settings.get("tokenizer") for one, other in both)


def _reported(model: ModelRecord) -> ReportedModel:
    series = str(Path(model.adapter).parent) if model.adapter else ""
    return ReportedModel(model.name, model.training_step, series)


def own_tasks(manifest: Manifest) -> frozenset[str]:
    """The tasks of the user's own data: a test set, or predictions with their gold answers."""
    return frozenset(
        entry["name"]
        for entry in manifest.tasks
        if "data" in entry or ("predictions" in entry and entry.get("format") != "llme_letters")
    )


def _primary(tasks: TaskSet, rows: Sequence[AggregateRow], own: Container[str]) -> Mapping[str, str]:
    """The metric that stands for each task, and for each group, whose first task with the same metric decides.

    Free answers to one's own questions are seldom exactly the expected ones: what the run adds stands for them.
    """
    metrics: dict[str, dict[str, None]] = {}
    for row in rows:
        metrics.setdefault(row.task, {})[row.metric] = None
    primary = {
        task.name: chosen
        for task in tasks.tasks
        if (chosen := primary_metric(task, metrics.get(task.name, ()), _GRADED if task.name in own else ()))
    }
    _warn_of_others(tasks, primary)
    for group, leaves in leaf_tasks(tasks.groups).items():
        known = metrics.get(group, {})
        wanted = [primary[name] for name in leaves if primary.get(name) in known]
        if known:
            primary[group] = wanted[0] if wanted else next(iter(known))
    return primary


def _warn_of_others(tasks: TaskSet, primary: Mapping[str, str]) -> None:
    """Say which tasks have no values of the metric that their file calls primary."""
    others: dict[tuple[str, str], list[str]] = {}
    for task in tasks.tasks:
        chosen, wanted = primary.get(task.name), task.primary_metric
        if chosen and wanted and wanted not in (chosen, value_kind(task, chosen).metric):
            others.setdefault((wanted, chosen), []).append(task.name)
    for (wanted, chosen), names in others.items():
        warn(f"{listed(names)}: there are no values of the primary_metric {wanted}; {chosen} stands for it")


def _group_comparisons(
    groups: Sequence[Group], comparisons: Sequence[Comparison], models: Sequence[str], confidence: float
) -> Iterator[Comparison]:
    """The differences of groups: means of their tasks' differences, as the groups' figures are means of theirs."""
    leaves = leaf_tasks(groups)
    for model in models:
        known: _Differences = {}
        for one in comparisons:
            if one.model == model:
                known.setdefault(one.task, {})[one.metric, one.filter] = one
        for group in groups:
            tasks = {name: known[name] for name in leaves[group.name] if name in known}
            for (metric, filter_name), average in averages(group, tasks).items():
                parts = [tasks[name][metric, filter_name] for name in average.tasks]
                mean = _mean_difference(parts, average.weighted, confidence)
                yield Comparison(model, group.name, metric, filter_name, **mean)


def _mean_difference(members: Sequence[Comparison], weighted: bool, confidence: float) -> dict[str, Any]:
    mean = group_mean([Estimate(member.value, member.n, 0, member.se) for member in members], weighted, confidence)
    return {
        "value": mean.value,
        "n": mean.n,
        "se": mean.se,
        "low": mean.low,
        "high": mean.high,
        "method": mean.method,
        "lost": sum(member.lost for member in members),
        "lost_baseline": sum(member.lost_baseline for member in members),
        "other_prompts": sum(member.other_prompts for member in members),
        "documents": sum(member.documents for member in members),
    }
