"""The registered metrics that value a task's rows: its file's own, and those that the run adds to them.

What is known of a metric of the task's file is `step3_file_metrics.py`; valuing rows is `step3_scoring.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from metrics.registry import find_metric, metrics_for
from pipeline.config import MetricSettings, Step3Settings
from pipeline.errors import ConfigError, Problem, TaskError
from steps.step3_file_metrics import SCORED_BY_LIKELIHOOD, can_value, own_metrics
from steps.value_kinds import valued_by_code
from tasks.task import MetricSpec, Task


def _setting(number: int) -> str:
    return f"step3.metrics[{number}]"


def task_metrics(task: Task, settings: Step3Settings, where: Callable[[int], str] = _setting) -> list[MetricSpec]:
    """The registered metrics that value the task's rows: its own, then those that the run adds.

    A metric of the task that the run asks for too has the task's arguments with the run's over them; under several
    labels it is valued several times, and without a label no more. `where` gives the place of an entry of
    `step3.metrics`. Raises ConfigError for two of one name and label.
    """
    if settings.predict_only:
        return []
    own = own_metrics(task)
    by_code = {metric.name for metric in task.metrics if valued_by_code(task, metric)} - set(own)
    chosen: dict[tuple[str, str | None], MetricSpec] = {(name, None): metric for name, metric in own.items()}
    asked_for: set[tuple[str, str | None]] = set()
    for number, asked in enumerate(settings.metrics):
        if not _applies(asked, task, where(number)):
            continue
        key = (asked.name, asked.label)
        if key in asked_for:
            message = f"the metric {asked.name} is asked for twice for {task.name}; tell them apart by `label:`"
            raise ConfigError([Problem(where(number), message)])
        if asked.name in by_code and asked.label is None:
            message = f"{task.name} has values called {asked.name} by its own code; tell them apart by `label:`"
            raise ConfigError([Problem(where(number), message)])
        asked_for.add(key)
        if asked.name in own and (asked.name, None) not in asked_for:
            chosen.pop((asked.name, None), None)
        known = own.get(asked.name, MetricSpec(asked.name))
        chosen[key] = replace(known, arguments=known.arguments | asked.arguments, label=asked.label)
    for metric in chosen.values():
        find_metric(metric.name, metric.arguments, metric.where or "step3.metrics")
    return list(chosen.values())


def _applies(asked: MetricSettings, task: Task, where: str) -> bool:
    if asked.tasks is not None:
        return task.name in asked.tasks
    if task.scorer is not None:
        return False
    metric = find_metric(asked.name, asked.arguments, where)
    if not metric.output_types:
        return task.output_type not in SCORED_BY_LIKELIHOOD
    return task.output_type in metric.output_types


def check_fit(asked: MetricSettings, tasks: Sequence[Task], where: str) -> None:
    """Raises TaskError, at `where`, for a metric whose `tasks` name some that it cannot value."""
    metric = find_metric(asked.name)
    named = [task for task in tasks if task.name in (asked.tasks or ())]
    if by_class := ", ".join(task.name for task in named if task.scorer is not None):
        what = f"{asked.name} cannot value {by_class}: a class makes the requests and values their answers"
        raise TaskError(what, where=where, fix=f"Leave {by_class} out of this metric's `tasks`.")
    unfit = [task for task in named if not can_value(metric, task.output_type)]
    if not unfit:
        return
    names, kinds = ", ".join(task.name for task in unfit), ", ".join(sorted({task.output_type for task in unfit}))
    what = f"{asked.name} is for {', '.join(sorted(metric.output_types))}, and cannot value {names} ({kinds})"
    fit = [f"For {kind} there are {', '.join(metrics_for(kind))}." for kind in kinds.split(", ")]
    raise TaskError(what, where=where, fix=" ".join([f"Leave {names} out of this metric's `tasks`.", *fit]))
