"""What can be known to be wrong about a task before any work: filters, metrics and code that its file names."""

from __future__ import annotations

from metrics.registry import all_names
from pipeline.errors import InputError, TaskError, gathered
from pipeline.near import did_you_mean
from steps.filter_checks import check_task_filters
from steps.step3_file_metrics import check_metrics
from steps.step3_task_code import check_code
from tasks.places import place
from tasks.task import Task


def check_task(task: Task, faults: list[InputError], *, scored: bool = True) -> None:
    """Put every fault into `faults`, with its line. What values the answers is loaded, where they are `scored`.

    A task that is refused whatever its code says has that one fault: harness files of such tasks load their scorer
    when imported, and fail in other ways besides.
    """
    if scored and task.unsafe_code:
        faults.append(_unsafe(task))
        return
    check_task_filters(task, faults)
    if scored:
        with gathered(faults):
            check_code(task)
        check_metrics(task, faults)
        with gathered(faults):
            _check_primary(task)


def _check_primary(task: Task) -> None:
    """Raises TaskError for a primary metric that neither the task nor a run can have.

    Code of the task's may give values of any name; of those step 4 tells.
    """
    if task.primary_metric is None or task.process_results is not None or task.scorer is not None:
        return
    known = all_names() | {metric.name for metric in task.metrics}
    by_function = any(metric.function is not None for metric in task.metrics)
    if by_function or task.primary_metric.partition(":")[0] in known:
        return
    own = f"The task's own: {', '.join(metric.name for metric in task.metrics)}."
    raise TaskError(
        f"no metric or value is called {task.primary_metric!r}",
        where=place(task, "primary_metric"),
        fix=did_you_mean(task.primary_metric, sorted(known), own),
    )


def _unsafe(task: Task) -> TaskError:
    return TaskError(
        f"{task.name} is scored by running what a model has written (`unsafe_code`), which is not done outside a "
        "sandbox, and there is none here",
        where=place(task, "unsafe_code"),
        fix="To generate answers without scoring: predict_only: true",
    )
