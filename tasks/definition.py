"""What of a task's settings each step depends on: request, filters, metrics, aggregation, apart from one another.

A changed metric must not make step 1 out of date; so each setting stands in the one section that it decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.fingerprint import FileHashes
from tasks.task import FilterPipeline, FilterSpec, MetricSpec, TaskCode
from tasks.task_code import code_hash, evaluate_code, task_code
from tasks.task_config import TaskConfig
from tasks.task_file import FunctionReference

_REQUEST_KEYS = (
    "output_type",
    "training_split",
    "validation_split",
    "test_split",
    "fewshot_split",
    "process_docs",
    "doc_to_text",
    "doc_to_messages",
    "doc_to_target",
    "doc_to_choice",
    "description",
    "target_delimiter",
    "fewshot_delimiter",
    "gen_prefix",
    "prompt_form",
    "description_role",
    "candidate_rule",
    "num_fewshot",
    "fewshot_config",
    "generation_kwargs",
    "repeats",
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


def task_definition(
    config: TaskConfig,
    filters: Sequence[FilterPipeline],
    metrics: Sequence[MetricSpec],
    code: Mapping[str, TaskCode],
    file_hashes: FileHashes,
) -> dict[str, Any]:
    """The four sections, functions with the hash of their code."""
    settings = {key: _plain(getattr(config, key), file_hashes) for key in _REQUEST_KEYS}
    if config.custom_dataset is not None:
        settings["custom_dataset"] = _plain(config.custom_dataset, file_hashes)
    sections = scoring_sections(filters, metrics, config)
    sections["aggregation"]["code"] = {key: one.content for key, one in code.items()}
    if config.process_results is not None:
        sections["metrics"].append({"process_results": config.process_results.reference})
    return {"request": settings, **sections}


def scoring_sections(
    filters: Sequence[FilterPipeline], metrics: Sequence[MetricSpec], config: TaskConfig | None
) -> dict[str, Any]:
    """The sections of steps 2 to 4."""
    rows: dict[str, Any] = {"cluster": None, "slices": []}
    if config:
        rows = {"cluster": config.cluster, "slices": list(config.slices)}
    return {
        "filters": [
            {"name": pipeline.name, "filter": [{"function": step.name, **step.arguments} for step in pipeline.steps]}
            for pipeline in filters
        ],
        "expand": dict(config.expand) if config and config.expand else None,
        "metrics": [*({"metric": metric.name, **metric.arguments} for metric in metrics), rows],
        "aggregation": {
            "metrics": {metric.name: [metric.aggregation, metric.higher_is_better] for metric in metrics},
            "primary_metric": config.primary_metric if config else None,
            "metadata": config.metadata if config else None,
            "slice_groups": dict(config.slice_groups) if config else {},
        },
    }


def _plain(value: Any, file_hashes: FileHashes) -> Any:
    if isinstance(value, FunctionReference):
        return {"function": value.reference, "code": code_hash(value, file_hashes)}
    if isinstance(value, Mapping):
        return {name: _plain(one, file_hashes) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one, file_hashes) for one in value]
    return value
