"""What a task file's settings mean to each step: requests, filters, metrics, apart from one another.

A changed metric must not make step 1 out of date, and a changed prompt must.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pipeline.fingerprint import FileHashes
from tasks.task import FilterPipeline, FilterSpec, MetricSpec, Task, TaskCode
from tasks.task_code import evaluate_code, task_code
from tasks.task_config import TaskConfig
from tasks.task_file import FunctionReference, with_functions

# The keys that no request follows from: names for display, where documents lie (which the data's own description says),
# and what becomes of the answers. Any other key's change makes step 1 out of date.
_NOT_ASKED = frozenset(
    {
        *("file", "task", "task_alias", "metadata", "python_class"),
        *("dataset_path", "dataset_name", "dataset_kwargs", "local_kwargs"),
        *("filter_list", "metric_list", "process_results", "expand", "cluster", "slices", "slice_groups"),
        *("primary_metric", "higher_is_better", "unsafe_code"),
        *("should_decontaminate", "doc_to_decontamination_query"),
    }
)
EVALUATE = "evaluate:"  # in keys of code, before the name of a metric of Hugging Face's package of that name
_TAKE_FIRST = FilterPipeline("none", (FilterSpec("take_first"),))


class CodeTable:
    """The functions that a task's filters, metrics and aggregations name, each under a key of its own."""

    def __init__(self, trusted: bool, file_hashes: FileHashes) -> None:
        self._trusted = trusted
        self._file_hashes = file_hashes
        self.code: dict[str, TaskCode] = {}

    def key(self, reference: FunctionReference) -> str:
        """Raises TaskError where the code is not trusted, or is not there."""
        code = task_code(reference, self._trusted, self._file_hashes)
        return self._put(f"!function {reference.reference}", code)

    def evaluated(self, reference: FunctionReference) -> str:
        """The key of a metric of Hugging Face's `evaluate`. Raises TaskError as `key` does."""
        code = evaluate_code(reference, self._trusted, self._file_hashes)
        return self._put(f"{EVALUATE}{reference.reference}", code)

    def _put(self, name: str, code: TaskCode) -> str:
        key, number = name, 1
        while key in self.code and self.code[key].path != code.path:  # another folder's function of that name
            number += 1
            key = f"{name}#{number}"
        self.code[key] = code
        return key


def filter_pipelines(config: TaskConfig, table: CodeTable) -> tuple[FilterPipeline, ...]:
    """The task's filter pipelines; the first response as it is, where it has none."""
    if not config.filter_list:
        return (_TAKE_FIRST,)
    return tuple(
        FilterPipeline(
            entry["name"],
            tuple(
                _filter(step, config.file.where("filter_list", number, "filter", position), table)
                for position, step in enumerate(entry["filter"])
            ),
        )
        for number, entry in enumerate(config.filter_list)
    )


def _filter(step: Mapping[str, Any], where: str, table: CodeTable) -> FilterSpec:
    name, arguments = _named(step, "function")
    plain = {
        key: table.key(value) if isinstance(value, FunctionReference) else value for key, value in arguments.items()
    }
    return FilterSpec(table.key(name) if isinstance(name, FunctionReference) else name, plain, where)


def metric_specs(config: TaskConfig, table: CodeTable) -> tuple[MetricSpec, ...]:
    """The task's metrics with the arguments that are not about aggregation."""
    return tuple(
        _metric(entry, config, config.file.where("metric_list", number), table)
        for number, entry in enumerate(config.metric_list)
    )


def _metric(entry: Mapping[str, Any], config: TaskConfig, where: str, table: CodeTable) -> MetricSpec:
    named, arguments = _named(entry, "metric")
    evaluated = arguments.pop("hf_evaluate", None) is True
    aggregation = arguments.pop("aggregation", None)
    own = arguments.pop("higher_is_better", None)
    function = None
    if config.process_results is not None:
        arguments = {}  # the function has none: the entry is about the aggregation of a value
    elif isinstance(named, FunctionReference):
        function = table.key(named)
    elif evaluated and config.output_type == "generate_until":
        function = table.evaluated(FunctionReference(named, config.file.folder("metric_list"), where))
    name = named.reference.rpartition(".")[2] if isinstance(named, FunctionReference) else named
    directions = config.higher_is_better
    general = directions.get(name) if isinstance(directions, Mapping) else directions
    return MetricSpec(
        name,
        arguments,
        table.key(aggregation) if isinstance(aggregation, FunctionReference) else aggregation,
        own if own is not None else general,
        where,
        function=function,
    )


def _named(entry: Mapping[str, Any], key: str) -> tuple[Any, dict[str, Any]]:
    return entry[key], {name: value for name, value in entry.items() if name != key}


def asked_settings(config: TaskConfig) -> dict[str, Any]:
    """The settings that the requests follow from, functions as references; without those that are not set."""
    asked = {one.name: getattr(config, one.name) for one in fields(config) if one.name not in _NOT_ASKED}
    return {name: value for name, value in asked.items() if value is not None}


def with_content(settings: Mapping[str, Any], file_hashes: FileHashes) -> dict[str, Any]:
    """The same with functions as names and content of their code. Raises TaskError where that is not there."""

    def described(reference: FunctionReference) -> dict[str, str]:
        return {"function": reference.reference, "code": task_code(reference, True, file_hashes).content}

    return {name: with_functions(value, described) for name, value in settings.items()}


def scoring_settings(task: Task) -> dict[str, Any]:
    """The filters and metrics of a task as its file would say them, for people."""
    metrics = [
        {"metric": one.name, "aggregation": one.aggregation, "higher_is_better": one.higher_is_better, **one.arguments}
        for one in task.metrics
    ]
    return {
        "filter_list": [
            {"name": pipeline.name, "filter": [{"function": step.name, **step.arguments} for step in pipeline.steps]}
            for pipeline in task.filters
        ],
        "metric_list": [{key: value for key, value in one.items() if value is not None} for one in metrics],
    }
