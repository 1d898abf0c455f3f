"""The same task of this project: its requests about the same documents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.config import TaskSettings
from pipeline.errors import EvaluationError
from pipeline.fingerprint import FileHashes
from tasks.loader import load_tasks
from tasks.task import Example, Task
from tests.parity.harness_prompts.reference import Prompts, Splits
from tests.project import write_lines

_LENGTH = 256  # of an answer where nothing else is said, which lm_eval writes out where a task says nothing at all


def write_splits(folder: Path, splits: Splits) -> dict[str, str]:
    """A file of JSON lines for each split."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for number, (name, records) in enumerate(splits.items()):
        file = folder / f"{number}.jsonl"
        write_lines(file, records)
        files[name] = str(file)
    return files


def build(files: Mapping[str, dict[str, str]], hashes: FileHashes) -> dict[str, Task | str]:
    """By name each task, or why it is refused; together, since an index is looked through for each call."""
    entries = [TaskSettings(name=f"lm_eval:{name}", data_files=dict(given)) for name, given in files.items()]
    try:
        return {task.name: task for task in load_tasks(entries, [], True, hashes).tasks}
    except EvaluationError as error:
        names = list(files)
        if len(names) == 1:
            return {names[0]: str(error)}
        halves = names[: len(names) // 2], names[len(names) // 2 :]
        first, second = ({name: files[name] for name in half} for half in halves)
        return build(first, hashes) | build(second, hashes)


def requests(task: Task, examples: list[Example]) -> dict[int, Prompts]:
    """(context, continuation or settings …) of each document, in lm_eval's form."""
    return {example.document.index: _of_document(task, example) for example in examples}


def _of_document(task: Task, example: Example) -> Prompts:
    found: Prompts = []
    for request in example.requests:
        context = request.prompt if isinstance(request.prompt, str) else json.dumps(request.prompt)
        if request.type == "generate_until":
            found.append((context, {"max_gen_toks": _LENGTH, **task.generation_kwargs}))
        elif request.type == "loglikelihood_rolling":
            found.append((context,))
        found += [(context, continuation) for continuation in request.continuations]
    return found


def plain(value: Any) -> Any:
    """Tuples as lists, so that values of both sides can be compared."""
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, (list, tuple)) else value
