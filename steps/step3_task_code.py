"""Step 3's values by functions of the task's own: `process_results`, or metrics that its file names as code.

What such a function gives becomes what the aggregation of that name sums; where that is code too, it is kept as given.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from metrics.raw_values import passed_through
from metrics.registry import Likelihood, MetricInput
from metrics.targets import target_texts
from pipeline.console import warn_once
from pipeline.errors import MetricError
from pipeline.execution import Spec
from pipeline.rows import ScoredRow, to_plain
from steps.task_functions import task_functions, unpacked
from steps.value_kinds import DEFAULT_AGGREGATION, stored, value_kind, valued_by_code
from tasks.definition import EVALUATE
from tasks.seeds import Seeds
from tasks.task import MetricSpec, Task
from tasks.task_code import CODE_ERRORS


def scoring_code(task: Task) -> dict[str, Any]:
    """`{"scoring": …}` for a task that values its rows by code: all that the values follow from."""
    metrics = [] if task.process_results else [metric for metric in task.metrics if valued_by_code(task, metric)]
    if task.process_results is None and not metrics:
        return {}
    if task.output_type != "generate_until":
        metrics = [metric for metric in metrics if _has_effect(metric, task)]
    declared = task.metrics if task.process_results else metrics
    return {
        "scoring": {
            "process_results": task.process_results,
            "metrics": [[metric.name, metric.function, metric.arguments] for metric in metrics],
            "aggregations": {metric.name: value_kind(task, metric.name).aggregation for metric in declared},
            "rolling": task.output_type == "loglikelihood_rolling",
            "code": {key: code.content for key, code in task.code.items()},
            "seeds": vars(task.seeds),
        }
    }


def code_packages(task: Task) -> set[str]:
    """The packages that the values follow from, besides the task's own code."""
    return {"evaluate"} if any(key.startswith(EVALUATE) for key in task.code) else set()


class TaskCodeValues:
    """The values of rows under a spec that `scoring_code` is part of. Raises TaskError for code that cannot load."""

    def __init__(self, spec: Spec) -> None:
        scoring, functions = spec["scoring"], unpacked(spec["functions"])
        self._aggregations: dict[str, str | None] = scoring["aggregations"]
        self._functions = functions
        self._seeds = Seeds(**spec["seeds"])
        self._rolling: bool = scoring["rolling"]
        self._likelihoods: bool = spec["likelihoods"]
        key = scoring["process_results"]
        self._process_results = functions[key] if key else None
        self._metrics = [(name, self._metric(name, key, arguments)) for name, key, arguments in scoring["metrics"]]

    def put_into(self, rows: Iterable[tuple[ScoredRow, MetricInput]]) -> None:
        """Add the values to their rows; a row that the code fails on has None, and the reason among its flags."""
        for row, item in rows:
            self._seeds.sow_for(row.doc_id)
            if self._process_results is not None:
                self._put(row, "process_results", self._by_process_results, item, self._aggregations)
            for name, valued in self._metrics:
                self._put(row, name, valued, item, [name])

    def _metric(
        self, name: str, key: str | None, arguments: Mapping[str, Any]
    ) -> Callable[[MetricInput], dict[str, Any]]:
        """A function of the task's own; without a key a registered metric, as the harness hands it to aggregations."""
        if key is not None:
            return partial(self._by_metric, name, _of_pair(self._functions[key], arguments))
        of_row = passed_through(name, texts=not self._likelihoods)
        assert of_row is not None
        return lambda item: {name: to_plain(of_row(item), f"the value {name}")}

    def _put(
        self,
        row: ScoredRow,
        source: str,
        function: Callable[[MetricInput], dict[str, Any]],
        item: MetricInput,
        expected: Iterable[str],
    ) -> None:
        try:
            row.values |= function(item)
        except CODE_ERRORS as error:  # the row boundary: the instrument failed, so the value is missing, not 0
            row.flags.setdefault("metric_errors", {})[source] = f"{type(error).__name__}: {error}"
            row.values |= dict.fromkeys(expected)

    def _by_process_results(self, item: MetricInput) -> dict[str, Any]:
        assert self._process_results is not None
        named = self._process_results(dict(item.document), self._results(item))
        if not isinstance(named, Mapping):
            raise MetricError(f"process_results must give values by name, and gives {named!r}"[:200])
        return {str(name): self._stored(str(name), value) for name, value in named.items()}

    def _results(self, item: MetricInput) -> list[Any]:
        """What the harness calls the results of a document: one a request."""
        if not _is_scored(item.response):
            return [item.response]
        scores = [(one.logprob, one.greedy) for one in [*item.response, *(item.unconditional or ())]]
        return [logprob for logprob, _ in scores] if self._rolling else list(scores)

    def _by_metric(self, name: str, valued: Callable[[Any, Any], Any], item: MetricInput) -> dict[str, Any]:
        """A text's value; of several right answers, 1 where any has a value that is not 0."""
        golds = target_texts(item)
        if not isinstance(item.target, (list, tuple)):
            return self._named(name, valued(golds[0] if golds else item.target, item.response))
        scores = [valued(gold, item.response) for gold in golds]
        if any(isinstance(score, Mapping) and name not in score for score in scores):
            raise MetricError(f"of several right answers the metric must give a value called {name}, and gives others")
        plain = [score[name] if isinstance(score, Mapping) else score for score in scores]
        return self._named(name, float(any(plain)))

    def _named(self, name: str, value: Any) -> dict[str, Any]:
        """A metric's function may give one value, or several by name, all of the metric's aggregation."""
        if not isinstance(value, Mapping):
            return {name: self._stored(name, value)}
        return {str(key): self._stored(str(key), one, name) for key, one in value.items()}

    def _stored(self, name: str, value: Any, metric: str | None = None) -> Any:
        aggregation = self._aggregations.get(metric or name) or DEFAULT_AGGREGATION
        return stored(name, value, None if aggregation in self._functions else aggregation)


def _has_effect(metric: MetricSpec, task: Task) -> bool:
    """Whether the harness would call it: on log-likelihoods it knows its own metrics alone."""
    if metric.function is not None:
        warn_once(f"{metric.where}: {metric.name} is for generated texts, and has no effect on {task.output_type}")
    return metric.function is None


def _is_scored(response: Any) -> bool:
    return isinstance(response, list) and bool(response) and isinstance(response[0], Likelihood)


def _of_pair(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Callable[[Any, Any], Any]:
    """A metric of a right answer and a text; as in the harness the function takes keywords, or else the pair."""
    try:
        inspect.signature(function).bind(references=[], predictions=[], **arguments)
    except (TypeError, ValueError):  # what is written in C may have no signature
        return lambda gold, text: function([gold, text])
    return lambda gold, text: function(references=[gold], predictions=[text], **arguments)


def check_code(task: Task) -> None:
    """Load what values the task's rows and aggregates the values. Raises TaskError where that cannot be done."""
    if task.scorer is not None:
        task.scorer.check()
    functions = task_functions(task)
    named = [task.process_results, *(key for metric in task.metrics for key in (metric.function, metric.aggregation))]
    for key in named:
        if key is not None and key in functions:
            functions[key]
