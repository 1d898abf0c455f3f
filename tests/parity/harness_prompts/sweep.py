"""Compares what lm_eval and this project make of lm_eval's bundled tasks over made-up documents: a program of its own.

It imports the code of the tasks, which says and registers what it likes. Reads names of tasks as JSON, and writes what
became of each as JSON: `equal`, `differs` or `left out`, with the reason.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

from pipeline.config import Shared
from pipeline.errors import EvaluationError
from pipeline.execution import Workers
from pipeline.fingerprint import FileHashes
from steps.context import open_context
from tasks.index import TaskIndex
from tasks.task import Example, PromptSettings, Task
from tests.parity.harness_prompts import ours
from tests.parity.harness_prompts.discovery import NoDataError, find_data
from tests.parity.harness_prompts.reference import Reference, read_config
from tests.parity.harness_prompts.scoring import Steps

_TOGETHER = 50  # how many tasks are built by one call
_RESAMPLES = (0.95, 10)  # confidence and number, of ROUGE in task code: a thousand take a second a value
SETTINGS = {
    "zero-shot": PromptSettings(num_fewshot=0),
    "as its file says": PromptSettings(),
    "two shots": PromptSettings(num_fewshot=2),
    "chat": PromptSettings(num_fewshot=2, chat=True, system_instruction="Be brief."),
    "chat in turns": PromptSettings(num_fewshot=2, chat=True, fewshot_as_multiturn=True),
}


@dataclass(frozen=True)
class Outcome:
    """What became of one task. `kind`: of a task that is left out, why; of one that differs, in what."""

    status: str
    kind: str = ""
    detail: str = ""


def sweep(names: Sequence[str], folder: Path, steps: Steps) -> Iterator[tuple[str, Outcome]]:
    hashes = FileHashes()
    for start in range(0, len(names), _TOGETHER):
        references: dict[str, Reference] = {}
        files = {}
        for name in names[start : start + _TOGETHER]:
            found = _reference(name)
            if isinstance(found, Outcome):
                yield name, found
                continue
            splits, references[name] = found
            files[name] = ours.write_splits(folder / name.replace("/", "_"), splits)
        built = ours.build(files, hashes) if files else {}
        for name, reference in references.items():
            task = built.get(name, "it is not among the tasks that were built")
            yield (
                name,
                Outcome("left out", "refused", task) if isinstance(task, str) else _compared(task, reference, steps),
            )


def _reference(name: str) -> Any:
    try:
        config = read_config(harness_index().definitions[name][0].path)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - task code may raise anything when imported
        return Outcome("left out", "code cannot be imported", f"{type(error).__name__}: {error}"[:200])
    if "class" in config:
        return Outcome("left out", "Python class")
    if config.get("unsafe_code"):
        return Outcome("left out", "unsafe code")
    if callable(config.get("custom_dataset")):
        return Outcome("left out", "documents made by code")
    if any(config.get(key) for key in ("doc_to_image", "doc_to_audio")):
        return Outcome("left out", "images or sounds")
    try:
        return find_data(config)
    except NoDataError as error:
        return Outcome("left out", "no documents found", str(error))


def _compared(task: Task, reference: Reference, steps: Steps) -> Outcome:
    for label, settings in SETTINGS.items():
        try:
            theirs, shown = reference.requests(settings)
        except Exception as error:  # noqa: BLE001 - lm_eval cannot ask the task so
            if label == "zero-shot":
                return Outcome("left out", "lm_eval fails", f"{label}: {type(error).__name__}: {error}"[:300])
            continue
        try:
            examples = list(task.examples(settings))
            found = ours.requests(task, examples)
        except EvaluationError as error:
            if shown:  # too few documents, where lm_eval shows questions with their answers
                continue
            return Outcome("differs", "error", f"{label}: {error}")
        if found.keys() != theirs.keys():
            return Outcome("differs", "documents", f"{label}: {sorted(found)} here, {sorted(theirs)} there")
        for index in found.keys() - shown:
            if ours.plain(found[index]) != ours.plain(theirs[index]):
                return Outcome(
                    "differs", "requests", f"{label}, document {index}:\n  {found[index]}\n  {theirs[index]}"
                )
        if label == "zero-shot":
            scored = _scored(task, reference, examples, steps)
    return scored


def _scored(task: Task, reference: Reference, examples: list[Example], steps: Steps) -> Outcome:
    generator = Random(f"answers to {task.name}")
    try:
        answers = reference.answer(generator)
        theirs = reference.scored()
    except Exception as error:  # noqa: BLE001 - lm_eval or the task's code cannot score the made-up answers
        return Outcome("equal", "not scored", f"{type(error).__name__}: {error}"[:300])
    try:
        found = list(steps.differences(task, examples, answers, theirs))
    except EvaluationError as error:
        return Outcome("differs", "error in scoring", str(error))
    return Outcome("differs", "scores", "\n".join(found[:8])) if found else Outcome("equal", "scored")


def _steps(folder: Path) -> Steps:
    settings = Shared(output_dir=str(folder / "output"))
    with Workers(1) as workers:
        return Steps(open_context(settings, folder / "run.yaml", (), workers, whole_run=True))


@cache
def harness_index() -> TaskIndex:
    return TaskIndex.of_harness()


def main() -> None:
    import datasets
    import lm_eval  # noqa: F401 - which sets up its logging
    from rouge_score.scoring import BootstrapAggregator

    logging.disable(logging.CRITICAL)
    BootstrapAggregator.__init__.__defaults__ = _RESAMPLES
    datasets.disable_progress_bars()
    index = harness_index()
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(TaskIndex, "of_harness", return_value=index):
        found = {
            name: asdict(outcome) for name, outcome in sweep(json.load(sys.stdin), Path(folder), _steps(Path(folder)))
        }
    Path(sys.argv[1]).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
