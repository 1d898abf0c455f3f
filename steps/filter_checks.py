"""What can be known to be wrong about filters before any work: those of a task's file, and those that the run adds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from filters.registry import build_filter
from filters.select import first_lacking_samples
from pipeline.config import Step2Settings
from pipeline.errors import InputError, TaskError, gathered
from pipeline.near import listed
from steps.step2_whole_task import WholePipeline, is_own
from steps.step3_file_metrics import SCORED_BY_LIKELIHOOD
from steps.task_functions import task_functions
from tasks.places import place
from tasks.task import Task

Where = Callable[..., str]  # the place in the run's file of the setting at a path
_Steps = Sequence[tuple[str, Mapping[str, Any]]]


def check_task_filters(task: Task, faults: list[InputError]) -> None:
    """Put into `faults` what is wrong with the filters that the task's file names."""
    functions = task_functions(task)
    for pipeline in task.filters:
        before = len(faults)
        for step in pipeline.steps:
            with gathered(faults):
                if is_own(step.name, functions):
                    WholePipeline([(step.name, step.arguments)], functions)
                else:
                    build_filter(step.name, step.arguments, step.where)
        if len(faults) == before:
            steps = [(step.name, step.arguments) for step in pipeline.steps]
            faults += _lacking(task, steps, [step.where for step in pipeline.steps])


def check_run_filters(settings: Step2Settings, where: Where, tasks: Sequence[Task], faults: list[InputError]) -> None:
    """Put into `faults` what is wrong with the filters that the run adds, by themselves and with its tasks."""
    for name, entries in settings.filters.items():
        before = len(faults)
        places = [where("filters", name, number) for number in range(len(entries))]
        steps = []
        for entry, entry_place in zip(entries, places, strict=True):
            with gathered(faults):
                steps.append(_built(entry, entry_place))
        if len(faults) == before:
            few = [task for task in tasks if first_lacking_samples(steps, _samples(task))]
            faults += _lacking(few[0], steps, places, f" of {_shown(few)}") if few else []
        faults += _same_name(name, tasks, where("filters", name))


def _built(entry: Mapping[str, Any], where: str) -> tuple[str, Mapping[str, Any]]:
    """A filter's name and arguments, tried. Raises InputError."""
    arguments = dict(entry)
    function = arguments.pop("function", None)
    if not isinstance(function, str):
        raise InputError("a filter needs its `function:`, such as {function: strip}", where=where)
    build_filter(function, arguments, where)
    return function, arguments


def _lacking(task: Task, steps: _Steps, places: Sequence[str], whose: str = "") -> list[InputError]:
    """An error where a `take_first_k` cannot get its samples from any document of the task, whatever the answers."""
    found = first_lacking_samples(steps, _samples(task))
    if found is None:
        return []
    number, there = found
    wanted = steps[number][1]["k"]
    what = f"take_first_k takes {wanted} samples of each document, and gets {there}{whose}"
    repeats = f"Set `repeats: {wanted}` or more in the task's file, or a smaller k."
    fix = repeats if there == task.repeats else "Set a smaller k."
    return [TaskError(what, where=places[number], fix=fix)]


def _samples(task: Task) -> int:
    """How many answers there are to each request: choices are scored once, whatever the file says."""
    return 1 if task.output_type in SCORED_BY_LIKELIHOOD else task.repeats


def _same_name(name: str, tasks: Sequence[Task], where: str) -> list[InputError]:
    """An error where some tasks have filters of that name, which the run's would replace without a word."""
    own = [(task, number) for task in tasks for number, pipeline in enumerate(task.filters) if pipeline.name == name]
    if not own:
        return []
    task, number = own[0]
    in_file = any(step.where for step in task.filters[number].steps)
    stands = f"at {place(task, 'filter_list', number, 'name')}" if in_file else "as a task without `filter_list` does"
    having = _shown([task for task, _ in own])
    what = f"{having} {'have' if len(own) > 1 else 'has'} filters called {name!r} already, {stands}"
    fix = "Give these another name: a run's filters stand beside the tasks' own, and replace none."
    return [InputError(what, where=where, fix=fix)]


def _shown(tasks: Sequence[Task]) -> str:
    return listed([task.name for task in tasks], 1, "task")
