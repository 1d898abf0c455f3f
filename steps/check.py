"""`check`: settings, tasks, files and names of a run, without loading a model; `--plan` adds what would be computed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from filters.registry import build_filter, build_pipeline
from metrics.registry import find_metric
from models.checkpoints import expand_adapters
from models.identity import adapter_config
from models.locate import is_hub_name, model_folder
from pipeline.config import Step1Settings, Step2Settings, Step3Settings
from pipeline.config_load import Loaded, load_all
from pipeline.console import show, warn
from pipeline.errors import ModelError
from pipeline.fingerprint import FileHashes
from pipeline.run_folder import run_folder
from steps.manifest import read_manifest
from steps.status import run_lines, summarised
from steps.step1_plan import make_plan
from steps.step2_postprocess import run_pipelines
from steps.step3_scoring import task_metrics
from tasks.task import TaskSet


def check(path: Path, overrides: Sequence[str], plan: bool) -> int:
    """Validate what `path` says; 0 where everything is in order. Raises InputError with what is wrong."""
    loaded = load_all(path, overrides)
    tasks = _tasks(loaded)
    _check_steps(loaded, tasks)
    show(f"{path}: {', '.join(loaded)} in order")
    if plan:
        for line in summarised(run_lines(loaded, path, overrides)):
            show(line)
    return 0


def _tasks(loaded: dict[str, Loaded]) -> TaskSet | None:
    """The run's tasks: those of its step 1, else those of a run that is there already."""
    first = loaded.get("step1")
    if first is not None and isinstance(first.settings, Step1Settings):
        plan = make_plan(first.settings, FileHashes(), lambda number: first.where("tasks", number))
        for task in plan.tasks.tasks:
            plan.generation(task)
        _check_models(first.settings)
        return plan.tasks
    settings = next(iter(loaded.values())).settings
    folder = run_folder(settings.output_dir, settings.memo_dir)
    return read_manifest(folder).task_set(FileHashes()) if folder.manifest.exists() else None


def _check_models(settings: Step1Settings) -> None:
    for adapter in expand_adapters(settings.adapters, settings.model.name):
        adapter_config(adapter.path)
    try:
        model_folder(settings.model.path, settings.model.revision, download=False)
    except ModelError:
        if not is_hub_name(settings.model.path):
            raise
        warn(f"{settings.model.path} is no folder here: step1 will fetch it from the hub")


def _check_steps(loaded: dict[str, Loaded], tasks: TaskSet | None) -> None:
    for task in tasks.tasks if tasks else ():
        for step in (step for pipeline in task.filters for step in pipeline.steps):
            build_filter(step.name, step.arguments, step.where)
    for one in loaded.values():
        match one.settings:
            case Step2Settings():
                for name, steps in run_pipelines(one.settings).items():
                    build_pipeline(steps, f"{one.where('filters', name)}")
            case Step3Settings():
                for number, metric in enumerate(one.settings.metrics):
                    find_metric(metric.name, metric.arguments, one.where("metrics", number))
                for task in tasks.tasks if tasks else ():
                    task_metrics(task, one.settings)
