"""What a value that rows of step 3 bear is: how a task's column of them is kept and becomes a figure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from metrics.aggregation import find_aggregation
from metrics.raw_values import aggregate_raw, passed_through, statistic_of
from metrics.registry import Output, find_output, gives_values
from pipeline.errors import TaskError
from pipeline.rows import to_plain
from stats.objects import Figure
from steps.task_functions import TaskFunctions, task_functions
from tasks.seeds import Seeds
from tasks.task import ClassScorer, MetricSpec, Task
from tasks.task_code import CODE_ERRORS

DEFAULT_AGGREGATION = "mean"  # of values that a task's code gives without saying how they are aggregated
Form = Literal["numbers", "counts", "objects"]


@dataclass(frozen=True)
class ValueKind:
    """`metric` gives the value. A column of the form `objects` is aggregated by `figure`, others by `aggregation`."""

    metric: str
    aggregation: str
    higher_is_better: bool
    maximum: float | None
    form: Form
    figure: Figure | None = None


def value_kind(task: Task, name: str) -> ValueKind:
    """The kind of the values called `name` in the rows of `task`. Raises TaskError where nothing gives such values."""
    if task.scorer is not None:
        return _of_class(task.scorer, name)
    spec, output = _spec(task, name), _output(task, name)
    metric, known = output or (spec.name if spec else name, Output())
    aggregation = (spec.aggregation if spec else None) or known.aggregation
    direction = spec.higher_is_better if spec and spec.higher_is_better is not None else known.higher_is_better
    functions = task_functions(task)
    if aggregation in functions:
        figure = _by_code(functions, aggregation, task.seeds)
        return ValueKind(metric, aggregation, direction, known.maximum, "objects", figure)
    raw = spec is not None and valued_by_code(task, spec)
    return _registered(metric, aggregation, direction, known.maximum, raw=raw)


def _of_class(scorer: ClassScorer, name: str) -> ValueKind:
    """The kind of values that a Python class gives."""
    aggregation, direction = scorer.aggregation(name), scorer.higher_is_better(name)
    known = find_output(name)[1] if gives_values(name) else Output()
    if aggregation is None:
        return ValueKind(name, "its own", direction, known.maximum, "objects", partial(scorer.figure, name))
    return _registered(name, aggregation, direction, known.maximum, raw=True)


def _registered(metric: str, aggregation: str, direction: bool, maximum: float | None, *, raw: bool) -> ValueKind:
    """Values under an aggregation of this project's; `raw`: made by code, and so kept as given where that must be."""
    if raw and statistic_of(aggregation) is None:
        return ValueKind(metric, aggregation, direction, None, "objects", partial(aggregate_raw, aggregation))
    form: Form = "numbers" if find_aggregation(aggregation).form == "numbers" else "counts"
    return ValueKind(metric, aggregation, direction, maximum, form)


def stored(name: str, value: Any, aggregation: str | None) -> Any:
    """What a row keeps of a value made by code; `aggregation`: the registered one of that name, None where it is code.

    Raises TypeError for a value that JSON cannot hold.
    """
    statistic = statistic_of(aggregation) if aggregation is not None else None
    return to_plain(value if statistic is None else statistic(value), f"the value {name}")


def valued_by_code(task: Task, metric: MetricSpec) -> bool:
    """Whether the metric's values are not a registered metric's, but what a function of the task's gives or takes."""
    if task.process_results is not None or metric.function is not None:
        return True
    texts = task.output_type == "generate_until"
    return metric.aggregation in task.code and passed_through(metric.name, texts) is not None


def _spec(task: Task, name: str) -> MetricSpec | None:
    """The task's own entry about the value. One function may give several values, none under its own name."""
    by_name = {metric.name: metric for metric in task.metrics}
    if name in by_name:
        return by_name[name]
    several = [metric for metric in task.metrics if metric.function is not None]
    if several and not gives_values(name) and len({metric.aggregation for metric in several}) == 1:
        return several[0]
    return by_name.get(find_output(name)[0]) if gives_values(name) else None


def _output(task: Task, name: str) -> tuple[str, Output] | None:
    """What is registered of the value; None for a name that the task's code alone knows."""
    if gives_values(name):
        return find_output(name)
    if task.process_results is None and not any(metric.function for metric in task.metrics):
        find_output(name)  # raises
    return None


def _by_code(functions: TaskFunctions, key: str, seeds: Seeds) -> Figure:
    def figure(values: list[Any]) -> float:
        seeds.sow()
        try:
            return float(functions[key](values))
        except TaskError:
            raise
        except CODE_ERRORS as error:
            what = f"the aggregation {key} fails: {type(error).__name__}: {error}"
            raise TaskError(what, where=functions.where(key)) from error

    return figure
