"""What can be known to be wrong before any work begins: names, files and folders, all faults at once.

Loads no model and reads no weights beyond their headers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import filters  # noqa: F401  # registers them all
import metrics  # noqa: F401  # registers them all
from metrics.aggregation import check_aggregation
from metrics.registry import check_values, find_metric
from models.adapters import check_adapter
from models.chat_templates import chosen_template
from models.identity import adapter_config, adapter_weights, model_weights
from models.locate import is_hub_name, model_folder, nearest_folder
from models.packages import check_packages
from models.properties import model_config
from pipeline.config import Step1Settings, Step2Settings, Step3Settings
from pipeline.config_load import Loaded
from pipeline.console import warn
from pipeline.errors import InputError, ModelError, blamed_on, gathered, raise_all
from pipeline.fingerprint import FileHashes
from pipeline.near import did_you_mean, listed
from pipeline.run_folder import run_folder
from steps.filter_checks import check_run_filters
from steps.manifest import read_run
from steps.step1_import import import_plan
from steps.step1_plan import Step1Plan, make_plan
from steps.step3_models import check_model
from steps.step3_run_metrics import check_fit, task_metrics
from steps.task_checks import check_task
from tasks.task import MetricSpec, TaskSet


def preflight(loaded: Mapping[str, Loaded], hashes: FileHashes, untrusted: str = "") -> None:
    """Check the steps of a run as far as that can be done without working. Raises InputError with every fault.

    `untrusted` as for `read_run`, where the run's step 1 is not among the steps.
    """
    faults: list[InputError] = []
    tasks = None
    with gathered(faults):
        tasks = _tasks(loaded, hashes, untrusted, faults)
    for one in loaded.values():
        match one.settings:
            case Step2Settings() as settings:
                check_run_filters(settings, one.where, tasks.tasks if tasks else (), faults)
            case Step3Settings() as settings:
                _check_run_metrics(settings, one, tasks, faults)
    if tasks is not None:
        scored = not any(one.settings.predict_only for one in loaded.values())
        for task in tasks.tasks:
            check_task(task, faults, scored=scored)
    raise_all(faults)


def _tasks(
    loaded: Mapping[str, Loaded], hashes: FileHashes, untrusted: str, faults: list[InputError]
) -> TaskSet | None:
    """The run's tasks: those of its step 1, else those of a run that is there already."""
    first = loaded.get("step1")
    if first is None or not isinstance(first.settings, Step1Settings):
        settings = next(iter(loaded.values())).settings
        folder = run_folder(settings.output_dir, settings.memo_dir)
        return read_run(folder, hashes, untrusted)[1] if folder.manifest.exists() else None
    if first.settings.imports:
        imported = import_plan(first.settings, hashes, first.where).tasks
        _say_skipped(imported, first)
        return imported
    base: Path | None = None
    with gathered(faults):
        base = _base_at_hand(first.settings, first)
    if base is not None:
        with gathered(faults), blamed_on(first.where("engine")):
            check_packages(first.settings.engine, model_config(base))
    plan = make_plan(first.settings, hashes, first.where)
    _say_skipped(plan.tasks, first)
    _check_plan(plan, base, faults)
    return plan.tasks


def _say_skipped(tasks: TaskSet, loaded: Loaded) -> None:
    for entry, names in tasks.skipped.items():
        short = ", ".join(name.removeprefix(f"{entry}_") for name in names)
        warn(f"{loaded.where('tasks')}: {entry} runs without {len(names)} tasks that have no data: {short}")


def _check_plan(plan: Step1Plan, base: Path | None, faults: list[InputError]) -> None:
    for task in plan.tasks.tasks:
        with gathered(faults):
            plan.generation(task, of_model=base is not None)
    names = [task.name for task in plan.tasks.tasks]
    chosen = plan.settings.samples or {}
    faults += [_no_task(name, names, plan.where("samples", name)) for name in chosen if name not in names]
    with gathered(faults):
        _check_template(plan, base)
    with gathered(faults):
        _check_adapters(plan, base)


def _check_template(plan: Step1Plan, base: Path | None) -> None:
    """The tokenizer has the template that the run names, as far as it is at hand."""
    named = plan.settings.model.tokenizer
    folder = Path(named).expanduser() if named else base
    if plan.template_name is not None and folder is not None and folder.is_dir():
        with blamed_on(plan.where("apply_chat_template")):
            chosen_template(folder, plan.template_name)


def _base_at_hand(settings: Step1Settings, loaded: Loaded) -> Path | None:
    """The folder of the base model; None where the hub may have it. Raises ModelError for one that is no model."""
    path = settings.model.path
    with blamed_on(loaded.where("model")):
        try:
            folder = model_folder(path, settings.model.revision, download=False)
        except ModelError:
            if not is_hub_name(path):
                raise
        else:
            model_weights(folder)
            return folder
    near = nearest_folder(Path(path))
    hint = f"; {near[0].lower()}{near[1:]}" if near.startswith("Did you mean") else ""
    warn(f"{loaded.where('model')}: {path} is not a local folder, and will be fetched from the hub{hint}")
    return None


def _check_adapters(plan: Step1Plan, base: Path | None) -> None:
    """Each adapter is whole, and fits its base where that is at hand."""
    for adapter in plan.adapters:
        with blamed_on(plan.blame(adapter)):
            adapter_config(adapter.path)
            adapter_weights(adapter.path)
            if base is not None:
                check_adapter(adapter.path, base)


def _check_run_metrics(
    settings: Step3Settings, loaded: Loaded, tasks: TaskSet | None, faults: list[InputError]
) -> None:
    before = len(faults)
    names = [task.name for task in tasks.tasks] if tasks else []
    for number, metric in enumerate(settings.metrics):
        where = loaded.where("metrics", number)
        with gathered(faults):
            known = find_metric(metric.name, metric.arguments, where)
            check_values(known, metric.arguments, where)
            check_aggregation(known, None, where)
            if tasks and not settings.predict_only:
                check_fit(metric, tasks.tasks, where)
        faults += [_no_task(name, names, where) for name in metric.tasks or () if tasks and name not in names]
    if len(faults) == before:
        asked: dict[tuple[str, Any], tuple[str, MetricSpec]] = {}
        for task in tasks.tasks if tasks else ():
            with gathered(faults):
                for spec in task_metrics(task, settings, lambda number: loaded.where("metrics", number)):
                    asked.setdefault((spec.name, spec.arguments.get("model")), (task.name, spec))
        valued = {name for name, _ in asked}
        for number, metric in enumerate(settings.metrics):
            if tasks and len(faults) == before and metric.name not in valued:
                warn(f"{loaded.where('metrics', number)}: no task of this run has answers that {metric.name} can value")
        for name, spec in asked.values():
            with gathered(faults), blamed_on(f"{loaded.where('metrics')}: {spec.name} of {name}"):
                check_model(spec)


def _no_task(name: str, names: Iterable[str], where: str) -> InputError:
    known = list(names)
    fix = did_you_mean(name, known, f"There are {listed(known)}.")
    return InputError(f"this run has no task {name!r}", where=where, fix=fix)
