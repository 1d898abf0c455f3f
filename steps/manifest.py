"""What a run consists of: its models and task entries, written by step 1 and read by the steps after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pipeline.config import Step1Settings, TaskSettings
from pipeline.config_load import Loaded
from pipeline.errors import InputError, StorageError
from pipeline.fingerprint import FileHashes
from pipeline.run_folder import RunFolder
from pipeline.views import write_file
from tasks.loader import load_tasks
from tasks.seeds import Seeds
from tasks.task import TaskSet


class ModelRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One model of the run. `adapter` is its folder; `training_step` is what a learning curve has on its x axis."""

    name: str
    path: str
    adapter: str | None = None
    training_step: int | None = None


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The run's models and tasks, in the order of the configuration."""

    models: tuple[ModelRecord, ...]
    tasks: tuple[dict[str, Any], ...]
    include_path: tuple[str, ...] = ()
    trust_task_code: bool = False
    python_seed: int | None = Seeds.python
    numpy_seed: int | None = Seeds.numpy
    skipped: tuple[str, ...] = ()  # tasks of the entries that the run leaves out for want of data


def make_manifest(settings: Step1Settings, models: Sequence[ModelRecord], tasks: TaskSet) -> Manifest:
    """The manifest of a run; `tasks` is what its entries come to."""
    return Manifest(
        models=tuple(models),
        tasks=tuple(entry.model_dump(exclude_defaults=True) for entry in settings.tasks),
        include_path=tuple(settings.include_path),
        trust_task_code=settings.trust_task_code,
        python_seed=settings.python_seed,
        numpy_seed=settings.numpy_seed,
        skipped=tuple(name for names in tasks.skipped.values() for name in names),
    )


def write_manifest(folder: RunFolder, manifest: Manifest) -> None:
    content = msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"
    if not folder.manifest.exists() or folder.manifest.read_bytes() != content:
        write_file(folder.manifest, content)


def read_manifest(folder: RunFolder) -> Manifest:
    """The run's manifest. Raises InputError where step 1 has not run, StorageError for a broken file."""
    try:
        return msgspec.json.decode(folder.manifest.read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise InputError(
            "no run is here yet",
            where=str(folder.root),
            fix="Run step 1 with the same output_dir first: python main.py step1 <its YAML>",
        ) from None
    except msgspec.DecodeError as error:
        raise StorageError(
            f"this is not a readable manifest ({error})", where=str(folder.manifest), fix="Run step 1 again"
        ) from error


def untrusted_by(steps: Mapping[str, Loaded]) -> str:
    """The place of the setting by which the step 1 of a run's file trusts no task code; empty where it does.

    Empty as well for a file without a step 1, which has no say in it.
    """
    first = steps.get("step1")
    if first is None or not isinstance(first.settings, Step1Settings) or first.settings.trust_task_code:
        return ""
    return first.where("trust_task_code")


def read_run(folder: RunFolder, hashes: FileHashes, untrusted: str = "") -> tuple[Manifest, TaskSet]:
    """The run's manifest, and its tasks as their files define them now. Raises as `read_manifest`, and TaskError.

    `untrusted` as `untrusted_by` gives it: code that step 1 has run is refused where the run's file trusts it no more.
    """
    manifest = read_manifest(folder)
    entries = [TaskSettings(**entry) for entry in manifest.tasks]
    try:
        tasks = load_tasks(
            entries,
            manifest.include_path,
            manifest.trust_task_code and not untrusted,
            hashes,
            lambda number: f"{folder.manifest}: step1.tasks[{number}]",
            seeds=Seeds(manifest.python_seed, manifest.numpy_seed),
            find_data=False,
        )
    except InputError as error:
        error.where = error.where or str(folder.manifest)
        told = "Step 1 was run with these tasks: put back what is gone, or correct its YAML and run it again."
        if manifest.trust_task_code and untrusted:
            told = f"Step 1 was run with trust_task_code: true, and {untrusted} allows it no more."
        error.fix = f"{error.fix}\n  {told}" if error.fix else told
        raise
    return manifest, tasks.without(manifest.skipped)
