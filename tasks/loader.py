"""From the run's task entries to tasks: names resolved, task files read and checked, data files found but not read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config import TaskSettings
from pipeline.errors import DataError, InputError, TaskError, gathered, raise_all
from pipeline.fingerprint import FileHashes
from pipeline.near import listed
from tasks import character_eval
from tasks.class_data import LocalSettings
from tasks.custom_dataset import CustomData
from tasks.datasets import DataSource, open_source
from tasks.entries import Resolver
from tasks.harness_task import HarnessTask
from tasks.imported import LettersTask, PredictedTask
from tasks.index import TaskIndex
from tasks.own_data import OwnDataTask
from tasks.python_task import EntrySettings, PythonTask
from tasks.seeds import Seeds
from tasks.task import Group, TaskSet
from tasks.task_config import TaskConfig, read_config
from tasks.task_file import TaskFile, shown

# What of a task its figures follow from, besides its requests.
_SCORING = (
    *("filters", "metrics", "process_results", "code", "primary_metric"),
    *("expand", "cluster", "slices", "slice_groups"),
)
LoadedTask = HarnessTask | PythonTask | OwnDataTask


def load_tasks(
    entries: Sequence[TaskSettings],
    include_path: Sequence[str],
    trust_task_code: bool,
    file_hashes: FileHashes,
    where: Callable[[int], str] | None = None,
    *,
    seeds: Seeds | None = None,
    find_data: bool = True,
) -> TaskSet:
    """The tasks and groups of a run, in the order of its entries; `where` gives an entry's place in the run's file.

    A task that several entries name alike stands once. `find_data=False` is for steps that read no data: theirs may
    have moved since, and nothing is left out for want of it. Raises TaskError, ConfigError or DataError: unknown names,
    faults of task files, code that is not trusted, local data that are not there.
    """
    index = TaskIndex(include_path)
    resolver = Resolver(index)
    build = _Builder(trust_task_code, file_hashes, seeds or Seeds())
    tasks: dict[str, tuple[LoadedTask, TaskSettings]] = {}
    groups: dict[str, Group] = {}
    skipped: dict[str, tuple[str, ...]] = {}
    faults: list[InputError] = []
    for number, entry in enumerate(entries):
        place = where(number) if where else f"step1.tasks[{number}]"
        with gathered(faults):
            loaded, found = _load_entry(entry, place, index, resolver, build)
            if find_data:
                missing = _without_data(loaded, entry, place)
                skipped |= {entry.name: tuple(missing)} if missing else {}
            for task in loaded:
                known = tasks.get(task.name)
                if known is None:
                    tasks[task.name] = (task, entry)
                elif not _same_question(known, (task, entry)):
                    raise TaskError(f"the task {task.name} is asked for twice, with different settings", where=place)
            groups |= found
    raise_all(faults)
    found_tasks = TaskSet(tuple(task for task, _ in tasks.values()), tuple(groups.values()), skipped)
    return found_tasks.without({name for names in skipped.values() for name in names})


def _same_question(one: tuple[LoadedTask, TaskSettings], two: tuple[LoadedTask, TaskSettings]) -> bool:
    """Whether two entries ask the same, whatever group or pattern each found the task by."""
    entries_equal = one[1].model_copy(update={"name": two[1].name}) == two[1]
    return entries_equal and _meaning(one[0]) == _meaning(two[0])


def _meaning(task: LoadedTask) -> tuple[Any, ...]:
    return task.request_basis(), *(getattr(task, name) for name in _SCORING)


def _load_entry(
    entry: TaskSettings, where: str, index: TaskIndex, resolver: Resolver, build: _Builder
) -> tuple[list[LoadedTask], dict[str, Group]]:
    if entry.data is None and (entry.predictions is None or entry.format == "llme_letters"):
        resolved = resolver.resolve(entry.name, where)
        return [build.harness_task(file, entry, where) for file in resolved.files.values()], resolved.groups
    known = index.find(entry.name, where)
    if known is not None:
        fix = f"Give your data another name; {shown(known.path)} defines that one."
        raise TaskError(f"{entry.name} is the name of a {known.kind}", where=where, fix=fix)
    return [build.own_task(entry, where)], {}


def predictions_file(entry: TaskSettings) -> str:
    """The entry's predictions; of those of several models the first's, which have the same task."""
    assert entry.predictions
    return entry.predictions if isinstance(entry.predictions, str) else next(iter(entry.predictions.values()))


@dataclass(frozen=True)
class _Builder:
    """Makes tasks of files and entries, under what the run says about code."""

    trusted: bool
    file_hashes: FileHashes
    seeds: Seeds

    def own_task(self, entry: TaskSettings, where: str) -> OwnDataTask:
        if entry.data is not None:
            return OwnDataTask(entry, entry.data, where, self.file_hashes)
        return PredictedTask(entry, predictions_file(entry), where, self.file_hashes)

    def harness_task(self, file: TaskFile, entry: TaskSettings, where: str) -> HarnessTask | PythonTask:
        config = read_config(file.overridden(_entry_overrides(file, entry), {}))
        if config.python_class is not None:
            return self._python_task(config, entry, where)
        source = self._source(config, entry, where)
        common: dict[str, Any] = {
            "trusted": self.trusted,
            "file_hashes": self.file_hashes,
            "limit": entry.limit,
            "seeds": self.seeds,
        }
        if entry.predictions is None:
            return HarnessTask(config, source, **common)
        letters = Path(predictions_file(entry)).expanduser()
        return LettersTask(config, source, letters=letters, where=where, **common)

    def _python_task(self, config: TaskConfig, entry: TaskSettings, where: str) -> PythonTask:
        if entry.predictions is not None:
            raise TaskError(f"{config.task} has a `class`, and takes no predictions of other tools", where=where)
        local = LocalSettings(entry.data_dir, entry.data_files, _local_arguments(config, entry), where)
        return PythonTask(
            config,
            local,
            trusted=self.trusted,
            file_hashes=self.file_hashes,
            entry=EntrySettings(entry.num_fewshot, entry.limit, entry.generation_kwargs),
            seeds=self.seeds,
        )

    def _source(self, config: TaskConfig, entry: TaskSettings, where: str) -> DataSource:
        local = entry.data_dir is not None or entry.data_files is not None
        if config.dataset_path == character_eval.DATASET:
            folder = Path(entry.data_dir).expanduser() if entry.data_dir else None
            return character_eval.CharacterEvalData(folder, where)
        if config.custom_dataset is not None and not local:
            function, arguments = config.custom_dataset, config.dataset_kwargs
            return CustomData(function, config.metadata, arguments, self.trusted, self.seeds)
        return open_source(
            config.dataset_path,
            config.dataset_name,
            config.dataset_kwargs,
            data_dir=entry.data_dir,
            data_files=entry.data_files,
            local_arguments=_local_arguments(config, entry),
            task_folder=config.file.path.parent,
            where=where if local else config.file.where("dataset_path"),
        )


def _local_arguments(config: TaskConfig, entry: TaskSettings) -> dict[str, Any]:
    """How files that the run names are to be read."""
    return {**config.local_kwargs, **({"field": entry.field} if entry.field is not None else {})}


def _entry_overrides(file: TaskFile, entry: TaskSettings) -> dict[str, Any]:
    overrides: dict[str, Any] = {}
    if entry.num_fewshot is not None:
        overrides["num_fewshot"] = entry.num_fewshot
    if entry.generation_kwargs:
        overrides["generation_kwargs"] = {**(file.values.get("generation_kwargs") or {}), **entry.generation_kwargs}
    if entry.metadata:
        known = file.values.get("metadata")
        overrides["metadata"] = {**(known if isinstance(known, dict) else {}), **entry.metadata}
    return overrides


def _without_data(tasks: Sequence[LoadedTask], entry: TaskSettings, where: str) -> list[str]:
    """The tasks whose local data are not there, where the entry allows that; an error for all together, where not."""
    missing: list[tuple[str, DataError]] = []
    for task in tasks:
        try:
            task.locate()
        except DataError as error:
            missing.append((task.name, error))
    names = [name for name, _ in missing]
    if not missing or (entry.missing_data == "skip" and len(names) < len(tasks)):
        return names
    if len(tasks) == 1 or entry.data_dir is None or not Path(entry.data_dir).exists():
        raise missing[0][1]
    there = [task.name for task in tasks if task.name not in names]
    fix = f"Add the files, or run those that there are by `missing_data: skip`: {', '.join(there)}."
    if not there:
        fix = f"For the first: {missing[0][1].what}. {missing[0][1].fix}"
    raise DataError(
        f"{entry.data_dir} has no data for {len(names)} of the {len(tasks)} tasks of {entry.name}: {listed(names)}",
        where=where,
        fix=fix,
    )
