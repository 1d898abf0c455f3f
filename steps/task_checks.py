"""What can be known to be wrong about a task before any work: filters, metrics and code that its file names."""

from __future__ import annotations

from pipeline.errors import InputError, TaskError, gathered
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


def _unsafe(task: Task) -> TaskError:
    return TaskError(
        f"{task.name} is scored by running what a model has written (`unsafe_code`), which is not done outside a "
        "sandbox, and there is none here",
        where=place(task, "unsafe_code"),
        fix="To generate answers without scoring: predict_only: true",
    )
