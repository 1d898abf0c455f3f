"""A task as lm-evaluation-harness's result files describe it: its configuration key by key, alias, version, target.

The same for people to read, as YAML, is `configuration.py`.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pipeline.fingerprint import FileHashes
from tasks.definition import scoring_settings
from tasks.document_fields import TargetField
from tasks.harness_task import HarnessTask
from tasks.python_task import PythonTask
from tasks.task import Task
from tasks.task_code import task_code
from tasks.task_config import TaskConfig
from tasks.task_file import FunctionReference, with_functions

# In the harness's order. What a task leaves open is left out, but for those that have a default there.
_KEYS = (
    "task", "task_alias", "custom_dataset", "dataset_path", "dataset_name", "dataset_kwargs", "training_split",
    "validation_split", "test_split", "fewshot_split", "process_docs", "doc_to_text", "doc_to_target", "unsafe_code",
    "doc_to_choice", "process_results", "description", "target_delimiter", "fewshot_delimiter", "fewshot_config",
    "num_fewshot", "metric_list", "output_type", "generation_kwargs", "repeats", "filter_list",
    "should_decontaminate", "doc_to_decontamination_query", "gen_prefix", "metadata",
)  # fmt: skip
_FEWSHOT_KEYS = (
    "sampler", "split", "process_docs", "fewshot_indices", "samples", "doc_to_text", "doc_to_choice", "doc_to_target",
    "gen_prefix", "fewshot_delimiter", "target_delimiter",
)  # fmt: skip
_NO_VERSION = "Yaml"


def harness_configuration(
    task: Task, generation: Mapping[str, Any], metadata: Mapping[str, Any], hashes: FileHashes, *, scored: bool = True
) -> dict[str, Any]:
    """The configuration of `task` in the harness's keys, functions by their source; this project's own keys follow.

    `generation` are the settings that a generating task ran under, `metadata` what the run adds to the task's own. A
    task that is not `scored` has the metric `bypass` there, instead of its own.
    """
    if not isinstance(task, HarnessTask):
        own: dict[str, Any] = {"task": task.name, "output_type": task.output_type, "metadata": dict(metadata)}
        return own | task.request_basis() | scoring_settings(task)
    config = task.config
    values = {name: getattr(config, name) for name in _KEYS}
    values |= {
        "fewshot_config": _fewshot(config),
        "num_fewshot": task.num_fewshot,
        "metric_list": config.file.values.get("metric_list"),
        "generation_kwargs": dict(generation) if config.output_type == "generate_until" else None,
        "dataset_kwargs": config.dataset_kwargs or None,
        "metadata": {**_own_metadata(config), **metadata, "config_source": str(config.file.path)},
    }
    if not scored:
        values |= {"metric_list": [{"metric": "bypass"}], "process_results": "process_results"}
    values |= _extensions(config)

    def source(reference: FunctionReference) -> str:
        return _source(reference, hashes)

    return {name: with_functions(value, source) for name, value in values.items() if value is not None}


def alias(task: Task) -> str | None:
    """What tables call the task, where its file says so."""
    return task.config.task_alias if isinstance(task, HarnessTask) else None


def version(task: Task) -> Any:
    """The version that the task's metadata give, as they give it, or its class."""
    if isinstance(task, PythonTask):
        return _own_metadata(task.config).get("version", task.class_version())
    return _own_metadata(task.config).get("version", _NO_VERSION) if isinstance(task, HarnessTask) else _NO_VERSION


def written_target(task: Task, document: Mapping[str, Any], target: Any) -> Any:
    """The gold answer as the task's file gives it, where `target` is what was made of it: the text of a choice, say."""
    if not isinstance(task, HarnessTask):
        return target
    config = task.config
    where = config.file.where("doc_to_target")
    field = TargetField(config.doc_to_target, where, True, config.doc_to_choice is not None, free=True)
    return field.target(document, "a document of step 1")


def _own_metadata(config: TaskConfig) -> Mapping[str, Any]:
    metadata = config.metadata or {}
    return metadata if isinstance(metadata, Mapping) else {"_metadata": metadata}


def _fewshot(config: TaskConfig) -> dict[str, Any]:
    """The few-shot settings, with the task's own where they are silent."""
    inherited = {name: getattr(config, name, None) for name in _FEWSHOT_KEYS}
    inherited |= {"sampler": "default", "split": config.fewshot_split}
    return inherited | {name: value for name, value in config.fewshot_config.items() if name in _FEWSHOT_KEYS}


def _extensions(config: TaskConfig) -> dict[str, Any]:
    """Keys that the harness does not know, where the task's file sets them."""
    own = {one.name for one in fields(config)} - {*_KEYS, "file", "python_class"}
    return {name: getattr(config, name) for name in config.file.values if name in own}


def _source(reference: FunctionReference, hashes: FileHashes) -> str:
    """The function's own lines; its name where it is not a function of that file. It is read and not run."""
    code = task_code(reference, True, hashes)
    text = code.path.read_text(encoding="utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == code.name:
            first = min((one.lineno for one in node.decorator_list), default=node.lineno)
            return "".join(text.splitlines(keepends=True)[first - 1 : node.end_lineno])
    return reference.reference
