"""Step 4 in lm-evaluation-harness's layout: results_<time>.json and samples_<task>_<time>.jsonl of each model.

Written anew, under a time of their own, where something changed; earlier files stay, as the harness leaves them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from pipeline.config import Step4Settings
from pipeline.console import show
from pipeline.errors import InputError
from pipeline.fingerprint import digest
from pipeline.lock_file import Basis, LockFile
from pipeline.os_locks import locked
from pipeline.rows import to_plain
from pipeline.run_folder import VIEWS
from pipeline.views import ViewWriter, write_file
from reports.lm_eval_layout import (
    NOTHING,
    Evaluation,
    Figures,
    json_line,
    model_folder_name,
    predicted_figures,
    record_hashes,
    results_json,
    results_name,
    sample_record,
    samples_name,
    task_figures,
    time_stamp,
)
from steps.context import Context
from steps.manifest import Manifest
from steps.step4_figures import read_figures
from steps.step4_lm_eval_experiment import experiment, model_and_run, surroundings
from steps.step4_lm_eval_groups import group_figures, inner_first, outer_first
from steps.step4_lm_eval_run import ModelRun
from steps.step4_lm_eval_samples import Samples
from steps.step4_report_lock import report_reasons, write_report_lock
from tasks.harness_configuration import alias, harness_configuration, version
from tasks.task import Task, TaskSet

_VERSION = 1  # raised when the code of the layout changes what it says
_READ = ("step1", "step3", "step4")


def write_lm_eval_layout(settings: Step4Settings, context: Context, manifest: Manifest, tasks: TaskSet) -> None:
    """Write the files of every model for which they are not up to date, and say where. Raises EvaluationError.

    Only for runs whose settings name a folder for them.
    """
    assert settings.lm_eval_layout is not None
    root = Path(settings.lm_eval_layout)
    for model in manifest.models:
        lock = context.folder.layout_lock(model.name)
        with locked(context.folder.os_lock("layout", model.name)):
            writer = _Writer(settings, ModelRun.of(context, model, tasks.tasks), tasks, root)
            basis = writer.basis()
            if report_reasons(basis, context, lock):
                write_report_lock(context, basis, writer.write(), lock)
                show(f"lm_eval's layout: {writer.folder}")


def layout_reasons(settings: Step4Settings, context: Context, manifest: Manifest, tasks: TaskSet) -> Iterator[str]:
    """Why a model's files are not up to date, each with the model's name; none where they are."""
    for model in manifest.models:
        writer = _Writer(settings, ModelRun.of(context, model, tasks.tasks), tasks, Path(settings.lm_eval_layout or ""))
        reasons = report_reasons(writer.basis(), context, context.folder.layout_lock(model.name))
        yield from (f"{model.name}: {reason}" for reason in reasons)


@dataclass(frozen=True)
class _Writer:
    """One model's files below `root`."""

    settings: Step4Settings
    run: ModelRun
    tasks: TaskSet
    root: Path

    @property
    def folder(self) -> Path:
        return self.root / model_folder_name(self.run.name)

    @property
    def logs_samples(self) -> bool:
        """Predictions alone are nothing without their samples."""
        return self.settings.lm_eval_samples or self.settings.predict_only

    def basis(self) -> Basis:
        """What the files follow from; machine, versions and times are not among it."""
        folder, name = self.run.context.folder, self.run.model.name
        inputs = {}
        for step in _READ:
            entries = LockFile(folder, step, name).entries()
            for task in self.tasks.tasks:
                entry = entries.get(task.name)
                inputs[f"{task.name}/{VIEWS[step]}"] = entry.view.sha256 if entry and entry.view else ""
        return Basis(
            version=_VERSION,
            inputs=inputs,
            settings={
                "folder": str(self.folder),
                "samples": self.logs_samples,
                "predict_only": self.settings.predict_only,
                "run": digest(to_plain(model_and_run(self.run), "the model's description")),
                "configurations": {name: digest(to_plain(one, name)) for name, one in self._configurations().items()},
                "groups": {group.name: msgspec.to_builtins(group) for group in self.tasks.groups},
            },
        )

    def write(self) -> list[Path]:
        """The files written: samples first, so that results stand beside whole samples; all of them or none."""
        stamp = time_stamp(datetime.now())
        tasks = self.tasks.tasks if self.logs_samples else ()
        samples = {task.name: self.folder / samples_name(task.name, stamp) for task in tasks}
        try:
            hashes = {task.name: self._write_samples(task, samples[task.name]) for task in tasks}
            path = self.folder / results_name(stamp)
            write_file(path, results_json(self._evaluation(hashes)))
        except BaseException:
            for one in samples.values():
                one.unlink(missing_ok=True)
                one.with_name(f"{one.name}.partial").unlink(missing_ok=True)
            raise
        return [*samples.values(), path]

    def _write_samples(self, task: Task, path: Path) -> str:
        """The hash of the task's samples."""
        together = hashlib.sha256()
        with ViewWriter(path) as writer:
            for sample in self._samples(task).read():
                record = sample_record(sample)
                together.update(record_hashes(record).encode())
                writer.write(json_line(record))
            writer.commit()
        return together.hexdigest()

    def _samples(self, task: Task) -> Samples:
        run = self.run
        generation = run.generation(task)
        return Samples(run.context, run.model.name, task, generation, run.text, self.settings.predict_only)

    def _evaluation(self, hashes: Mapping[str, str]) -> Evaluation:
        results = {task.name: self._figures(task) for task in self.tasks.tasks}
        groups = self.tasks.groups
        for group in inner_first(groups):
            results[group.name] = group_figures(group, groups, results)
        return Evaluation(
            results=results,
            averaged_groups=[group.name for group in inner_first(groups) if group.metrics],
            subtasks={group.name: group.members for group in outer_first(groups)},
            configs=self._configurations(),
            versions={task.name: version(task) for task in self.tasks.tasks}
            | {group.name: group.version or NOTHING for group in groups},
            shots={task.name: task.num_fewshot for task in self.tasks.tasks},
            directions={task.name: self._directions(task) for task in self.tasks.tasks},
            counts={
                task.name: {"original": self._size(task), "effective": results[task.name]["sample_len"]}
                for task in self.tasks.tasks
            },
            config=model_and_run(self.run),
            surroundings=surroundings(self.run),
            task_hashes=hashes,
            experiment=experiment(self.run),
        )

    def _figures(self, task: Task) -> Figures:
        if not self.settings.predict_only:
            return task_figures(task.name, alias(task), read_figures(self.run.context, self.run.model.name, task.name))
        samples = self._samples(task)
        if task.output_type != "generate_until":
            return predicted_figures(task.name, alias(task), (), 0)
        return predicted_figures(task.name, alias(task), samples.filters(), samples.documents())

    def _directions(self, task: Task) -> dict[str, bool | None]:
        if self.settings.predict_only:
            return {"bypass": True}
        rows = read_figures(self.run.context, self.run.model.name, task.name)
        own = {metric.name for metric in task.metrics}  # a function of the task's may give values of other names too
        return {
            row.metric: row.higher_is_better
            for row in rows
            if row.slice is None and (task.process_results is None or row.metric in own)
        }

    def _configurations(self) -> dict[str, dict[str, Any]]:
        run, scored = self.run, not self.settings.predict_only
        return {
            task.name: harness_configuration(
                task, run.generation(task), run.arguments, run.context.hashes, scored=scored
            )
            for task in self.tasks.tasks
        }

    def _size(self, task: Task) -> int:
        """How many documents the task has; those that were asked about, where its data are no longer what they were."""
        asked = self.run.entries[task.name]
        rows = asked.counts.get("rows", 0)
        if asked.basis.settings.get("limit") is None and asked.basis.settings.get("samples") is None:
            return rows
        try:
            same = task.inputs().items() <= asked.basis.inputs.items()
            return task.count() if same else rows
        except InputError:
            return rows
