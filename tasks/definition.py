"""What of a task's settings each step depends on: request, filters, metrics, aggregation, apart from one another.

A changed metric must not make step 1 out of date; so each setting stands in the one section that it decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.fingerprint import FileHashes
from tasks.task import FilterPipeline, FilterSpec, MetricSpec
from tasks.task_code import code_hash
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
_TAKE_FIRST = FilterPipeline("none", (FilterSpec("take_first"),))


def filter_pipelines(config: TaskConfig) -> tuple[FilterPipeline, ...]:
    """The task's filter pipelines; the first response as it is, where it has none."""
    if not config.filter_list:
        return (_TAKE_FIRST,)
    return tuple(
        FilterPipeline(
            entry["name"],
            tuple(
                FilterSpec(*_named(step, "function"), config.file.where("filter_list", number, "filter", position))
                for position, step in enumerate(entry["filter"])
            ),
        )
        for number, entry in enumerate(config.filter_list)
    )


def metric_specs(config: TaskConfig) -> tuple[MetricSpec, ...]:
    """The task's metrics with the arguments that are not about aggregation."""
    return tuple(
        _metric(entry, config.higher_is_better, config.file.where("metric_list", number))
        for number, entry in enumerate(config.metric_list)
    )


def _metric(entry: Mapping[str, Any], directions: bool | Mapping[str, bool] | None, where: str) -> MetricSpec:
    name, arguments = _named(entry, "metric")
    arguments.pop("hf_evaluate", None)
    aggregation = arguments.pop("aggregation", None)
    own = arguments.pop("higher_is_better", None)
    general = directions.get(name) if isinstance(directions, Mapping) else directions
    return MetricSpec(name, arguments, aggregation, own if own is not None else general, where)


def _named(entry: Mapping[str, Any], key: str) -> tuple[str, dict[str, Any]]:
    return entry[key], {name: value for name, value in entry.items() if name != key}


def task_definition(config: TaskConfig, file_hashes: FileHashes) -> dict[str, Any]:
    """The four sections, functions with the hash of their code."""
    settings = {key: _plain(getattr(config, key), file_hashes) for key in _REQUEST_KEYS}
    return {"request": settings, **scoring_sections(filter_pipelines(config), metric_specs(config), config)}


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
