"""The registered metrics that a task's own file names: which of them value its rows, and with which arguments.

Metrics that are code of the task's are `step3_task_code.py`; those that the run adds are `step3_scoring.py`.
"""

from __future__ import annotations

from dataclasses import replace

from metrics.aggregation import check_aggregation
from metrics.raw_values import statistic_of
from metrics.registry import Metric, check_values, find_metric
from pipeline.console import warn_once
from pipeline.errors import InputError, MetricError, TaskError, gathered
from steps.value_kinds import valued_by_code
from tasks.task import MetricSpec, Task

SCORED_BY_LIKELIHOOD = frozenset({"multiple_choice", "loglikelihood", "loglikelihood_rolling", "next_token"})
# What a task may ask for, as in lm_eval, though a run that adds the metric means generated answers alone.
_ALSO_VALUED = frozenset({("exact_match", "multiple_choice")})


def own_metrics(task: Task) -> dict[str, MetricSpec]:
    """By name; of two entries of one name the last counts, as in lm_eval. Raises TaskError at the entry's line."""
    chosen = {}
    for metric in task.metrics:
        fitting = None if valued_by_code(task, metric) else _fitting(metric, task)
        if fitting is not None:
            chosen[metric.name] = fitting
    return chosen


def check_metrics(task: Task, faults: list[InputError]) -> None:
    """Put into `faults` what is wrong with the metrics and aggregations that the task's file names."""
    for metric in task.metrics:
        with gathered(faults):
            if valued_by_code(task, metric):
                _check_code_aggregation(task, metric)
            elif (fitting := _fitting(metric, task)) is not None:
                known = find_metric(fitting.name, fitting.arguments, fitting.where)
                if fitting.arguments:
                    check_values(known, fitting.arguments, fitting.where)
                if metric.aggregation not in task.code:
                    check_aggregation(known, metric.aggregation, metric.where)


def _check_code_aggregation(task: Task, metric: MetricSpec) -> None:
    """Values of the task's code are aggregated by code too, or by an aggregation that takes such values."""
    if metric.aggregation is None or metric.aggregation in task.code:
        return
    try:
        statistic_of(metric.aggregation)
    except (TaskError, MetricError) as error:
        raise TaskError(error.what, where=metric.where, fix=error.fix) from error


def _fitting(metric: MetricSpec, task: Task) -> MetricSpec | None:
    """The metric with the arguments that it takes; None where it is of no effect.

    lm_eval computes its own metrics of log-likelihoods, without arguments, and no others. Of generated answers it calls
    whatever a task names.
    """
    known = _known(metric, task)
    by_likelihood = task.output_type in SCORED_BY_LIKELIHOOD
    if not can_value(known, task.output_type):
        kinds = ", ".join(sorted(known.output_types))
        if by_likelihood:
            warn_once(f"{metric.where}: {metric.name} is for {kinds}, and has no effect on {task.output_type}")
            return None
        fix = "Measure generated answers by exact_match, say, or by a `process_results` of the task's own."
        raise TaskError(f"{metric.name} is for {kinds}, not for {task.output_type}", where=metric.where, fix=fix)
    if not by_likelihood or not metric.arguments:
        return metric
    taken = {name: value for name, value in metric.arguments.items() if name in known.argument_names()}
    if idle := ", ".join(name for name in metric.arguments if name not in taken):
        warn_once(f"{metric.where}: {metric.name} takes no {idle}: without effect on a task of {task.output_type}")
    return replace(metric, arguments=taken)


def _known(metric: MetricSpec, task: Task) -> Metric:
    try:
        return find_metric(metric.name, where=metric.where)
    except TaskError as error:
        if task.output_type == "generate_until":
            hint = "A metric of Hugging Face's package `evaluate` is named with `hf_evaluate: true`."
            error.fix = f"{error.fix.rstrip('.')}{'' if error.fix.endswith('?') else '.'} {hint}"
        raise


def can_value(metric: Metric, output_type: str) -> bool:
    """Whether the metric makes sense of a task's answers, where it is asked for by name."""
    kinds = metric.output_types
    return not kinds or output_type in kinds or (metric.name, output_type) in _ALSO_VALUED
