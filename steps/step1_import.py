"""Step 1 of a run of predictions: what another tool has generated becomes step 1's views; no model is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from pipeline.config import Step1Settings
from pipeline.errors import DataError, InputError
from pipeline.fingerprint import FileHashes, digest
from pipeline.lock_file import Basis
from pipeline.os_locks import one_configuration
from pipeline.rows import ErrorRecord, GenerationRow, RequestRecord, encode_row, to_plain
from pipeline.views import ViewWriter
from steps.chained import Computed, make_view, say_end, view_reasons
from steps.context import Context
from steps.line_step import Failures, count_in
from steps.manifest import Manifest, ModelRecord, make_manifest, write_manifest
from steps.step1_plan import Where, run_tasks
from steps.step1_rows import generation_row
from steps.units import Unit, claim
from steps.write_out import as_json, show_tasks
from tasks.task import Example, PromptSettings, TaskSet

VERSION = 1


@dataclass(frozen=True)
class ImportPlan:
    """Whose predictions there are, and for each model the tasks with its answers."""

    settings: Step1Settings
    by_model: Mapping[str, TaskSet]

    @property
    def tasks(self) -> TaskSet:
        """The run's tasks, which are the same for all models but for the answers."""
        return next(iter(self.by_model.values()))

    @property
    def units(self) -> list[Unit]:
        """Every model on every task; task by task, so that models can be compared early."""
        every = [[Unit(model, task) for task in tasks.tasks] for model, tasks in self.by_model.items()]
        return [unit for units in zip(*every, strict=True) for unit in units]

    def manifest(self) -> Manifest:
        return make_manifest(self.settings, [ModelRecord(name=name, path="") for name in self.by_model], self.tasks)

    def configuration(self) -> dict[str, Any]:
        """What all processes that share this run must agree on."""
        return {f"{unit.model}~{unit.task.name}": self.basis(unit) for unit in self.units}

    def basis(self, unit: Unit) -> Basis:
        """What the unit's view follows from: the files, predictions among them, and how they are read."""
        settings = self.settings
        return Basis(
            version=VERSION,
            inputs=unit.task.inputs(),
            settings={
                "task": to_plain(unit.task.request_basis(), f"the definition of {unit.task.name}"),
                "prompt": to_plain(vars(_prompts(settings)), "the prompt settings"),
                "limit": unit.task.limit,
                "samples": settings.samples_of(unit.task.name),
            },
        )


def import_plan(settings: Step1Settings, hashes: FileHashes, where: Where) -> ImportPlan:
    """The plan of a run of predictions. Raises InputError for files, tasks or settings that cannot be used."""
    found: dict[str, TaskSet] = {}
    for model in _models(settings, where):
        entries = [
            entry.model_copy(update={"predictions": entry.predictions[model]})
            if isinstance(entry.predictions, Mapping)
            else entry
            for entry in settings.tasks
        ]
        found[model] = run_tasks(settings.model_copy(update={"tasks": entries}), hashes, where)[1]
    skipped = {entry: names for tasks in found.values() for entry, names in tasks.skipped.items()}
    gone = {name for tasks in found.values() for names in tasks.skipped.values() for name in names}
    if gone:
        found = {model: tasks.without(gone, skipped) for model, tasks in found.items()}
    return ImportPlan(settings, found)


def _models(settings: Step1Settings, where: Where) -> list[str]:
    """The models whose predictions there are; the same for each task."""
    named = [
        list(entry.predictions) if isinstance(entry.predictions, Mapping) else [settings.model.name]
        for entry in settings.tasks
    ]
    for number, names in enumerate(named):
        if set(names) != set(named[0]):
            what = f"these are predictions of {', '.join(names)}, and the first task's are of {', '.join(named[0])}"
            fix = "Give each task predictions of the same models: predictions: {<model>: <file>, …}"
            raise InputError(what, where=where("tasks", number), fix=fix)
    return named[0]


def import_predictions(plan: ImportPlan, context: Context) -> int:
    """Bring the views of step 1 up to date; the number of error rows in them. Raises EvaluationError."""

    def reasons(unit: Unit) -> list[str]:
        return view_reasons("step1", unit, plan.basis(unit), context)

    def write(unit: Unit, _basis: Basis) -> Computed:
        return _write(unit, plan.settings, context)

    with one_configuration(context.folder.os_lock("step1"), digest(plan.configuration()), context.about()):
        write_manifest(context.folder, plan.manifest())
        show_tasks(plan.tasks.tasks, plan.settings, _prompts(plan.settings), as_json)
        with closing(claim(context.folder, "step1", plan.units, reasons)) as units:
            for unit in units:
                make_view("step1", unit, plan.basis(unit), context, write)
    return say_end("step1", plan.units, context)


def _write(unit: Unit, settings: Step1Settings, context: Context) -> Computed:
    counts: Counter[str] = Counter()
    errors: Failures = {}
    with ViewWriter(context.folder.view("step1", unit.model, unit.task.name)) as writer:
        for row in _rows(unit, settings):
            writer.write(encode_row(row))
            counts["rows"] += 1
            if row.error is not None:
                counts["errors"] += 1
                count_in(errors, {row.error.type: (1, row.error.message)})
        if not counts["rows"]:
            raise DataError(f"the predictions of {unit.model} for {unit.task.name} hold no answer at all")
        return Computed(writer.commit(), dict(counts), failed={}, errors=errors)


def _rows(unit: Unit, settings: Step1Settings) -> Iterator[GenerationRow]:
    task = unit.task
    for example in task.examples(_prompts(settings), task.limit, settings.samples_of(task.name)):
        yield _row(unit, example)


def _row(unit: Unit, example: Example) -> GenerationRow:
    """The row of one document; an error row where the other tool has no answer to it: that is missing, not wrong."""
    error = None
    if example.answer is None:
        error = ErrorRecord(type="NotAnswered", message="the predictions hold no answer to this document")
    record = RequestRecord(type=example.requests[0].type, text=example.answer, error=error, imported=True)
    return generation_row(unit.model, unit.task.name, example, [record])


def _prompts(settings: Step1Settings) -> PromptSettings:
    return PromptSettings(fewshot_seed=settings.fewshot_seed, system_instruction=settings.system_instruction)
