"""Step 3's values by a task's Python class: what its `process_results` gives for the answers to its requests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from metrics.registry import MetricInput
from pipeline.errors import InputError
from pipeline.execution import Spec
from pipeline.rows import ScoredRow
from steps.value_kinds import stored
from tasks.class_scorer import unpacked_scorer
from tasks.seeds import Seeds
from tasks.task import Task
from tasks.task_code import CODE_ERRORS

_SOURCE = "process_results"  # under which a row's flags say why it has no values


def class_scoring(task: Task) -> dict[str, Any]:
    """`{"class": …}` for a task of a Python class: all that an object of it, and so its values, follow from."""
    return {"class": task.request_basis()} if task.scorer is not None else {}


class ClassValues:
    """The values of rows under a spec that `class_scoring` is part of. Raises TaskError for code that cannot load."""

    def __init__(self, spec: Spec) -> None:
        self._scorer = unpacked_scorer(spec["scorer"])
        self._scorer.check()
        self._seeds = Seeds(**spec["seeds"])

    def put_into(self, rows: Iterable[tuple[ScoredRow, MetricInput]]) -> None:
        """Add the values to their rows; a row that the class fails on has none, and the reason among its flags."""
        for row, item in rows:
            self._seeds.sow_for(row.doc_id)
            try:
                row.values |= self._values(item)
            except InputError:
                raise
            except CODE_ERRORS as error:  # the row boundary: the instrument failed, so the values are missing, not 0
                row.flags.setdefault("metric_errors", {})[_SOURCE] = f"{type(error).__name__}: {error}"
                row.values |= dict.fromkeys(self._scorer.names())

    def _values(self, item: MetricInput) -> dict[str, Any]:
        named = self._scorer.values(item.document, item.response)
        return {str(name): stored(str(name), value, self._scorer.aggregation(name)) for name, value in named.items()}
