"""A task's resolved configuration, for people: every key that has a value, as YAML, includes and overrides applied.

The harness's own form of it, which its result files hold, is `harness_configuration.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import yaml

from pipeline.errors import TaskError
from pipeline.rows import to_plain
from tasks.definition import scoring_settings
from tasks.entries import Resolver
from tasks.harness_task import HarnessTask
from tasks.index import TaskIndex
from tasks.task import Group, Task
from tasks.task_config import TaskConfig, read_config
from tasks.task_file import FunctionReference, shown


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, functions by their names."""


def show_configurations(name: str | None, include_path: Sequence[str]) -> int:
    """Print what `name` resolves to, a YAML document a task or group; 0. Raises TaskError and ConfigError.

    Nothing of a task's own code is loaded.
    """
    if name is None:
        raise TaskError("--show needs the name of a task or group", fix="List all: python main.py tasks")
    found = Resolver(TaskIndex(include_path)).resolve(name, "")
    groups = [f"# a group\n{_yaml(_group(group))}" for group in found.groups.values()]
    tasks = [f"# {shown(file.path)}\n{_yaml(_settings(read_config(file)))}" for file in found.files.values()]
    print("---\n".join((*groups, *tasks)), end="")
    return 0


def configuration_yaml(task: Task) -> str:
    """The configuration that `task` runs under, the run's own settings for it and its data included."""
    if isinstance(task, HarnessTask):
        return _yaml(_settings(task.config) | {"dataset": task.request_basis()["dataset"]})
    return _yaml({"task": task.name, **task.request_basis(), **scoring_settings(task)})


def _settings(config: TaskConfig) -> dict[str, Any]:
    """In the order of `TaskConfig`, `class` under the name that files give it."""
    found = {one.name: getattr(config, one.name) for one in fields(config) if one.name != "file"}
    named = {"class" if name == "python_class" else name: value for name, value in found.items()}
    return {name: value for name, value in named.items() if value is not None and value != {} and value != []}


def _group(group: Group) -> dict[str, Any]:
    settings: dict[str, Any] = {"group": group.name, "group_alias": group.alias, "task": list(group.members)}
    settings["aggregate_metric_list"] = [dict(metric) for metric in group.metrics]
    return {name: value for name, value in settings.items() if value}


def _yaml(values: Mapping[str, Any]) -> str:
    text: str = yaml.dump(_plain(values), Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=120)
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value if isinstance(value, FunctionReference) else to_plain(value, "a setting")


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = None if "\n" not in value else "|" if "\n" in value.strip() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _function(dumper: yaml.SafeDumper, value: FunctionReference) -> yaml.ScalarNode:
    return dumper.represent_scalar("!function", value.reference)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(FunctionReference, _function)
