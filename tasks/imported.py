"""Tasks whose answers another tool has given: predictions with their gold answers, and letters for a known task.

Their examples bear the answers; step 1 writes them down and asks no model.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline.errors import DataError
from pipeline.fingerprint import FileHashes
from tasks.data_readers import Record
from tasks.datasets import DataSource
from tasks.formats import column, target_column
from tasks.harness_task import HarnessTask
from tasks.own_data import OwnDataTask
from tasks.seeds import Seeds
from tasks.task import Document, Example, PromptSettings, RequestSpec
from tasks.task_config import TaskConfig

Letters = Mapping[str, Mapping[str, str]]  # subject -> index as text -> letter


class PredictedTask(OwnDataTask):
    """A file of predictions: columns for the answer, the gold answer and, if there is one, the prompt.

    A document is its prompt and gold answer alone, so that files of several models pair up.
    """

    def _request(self) -> dict[str, Any]:
        return {"predictions": True}

    def _document(self, record: Record) -> dict[str, Any]:
        names = {"prompt": self._prompt_name(record), "target": self._columns.target or "label"}
        return {name: column(record, name, setting) for setting, name in names.items() if name is not None}

    def _prompt_name(self, record: Record) -> str | None:
        """The column of the prompt; None where none is named and the usual one is not there."""
        if self._columns.prompt is not None:
            return self._columns.prompt
        return "prompt" if "prompt" in record.data else None

    def _example(self, record: Record, document: Document, settings: PromptSettings) -> Example:
        answer_name = self._columns.response or "predict"
        answer = column(record, answer_name, "response")
        if answer is not None and not isinstance(answer, str):
            what = f"the column {answer_name} must be text, and is {answer!r}"
            raise DataError(what[:200], where=record.where)
        name = self._prompt_name(record)
        prompt = column(record, name, "prompt") if name is not None else ""
        if not isinstance(prompt, (str, list)):
            raise DataError(f"the column {name} must be text, and is {prompt!r}"[:200], where=record.where)
        target = target_column(record, self._columns.target or "label")
        return Example(document, prompt, (RequestSpec("generate_until", prompt),), target, answer=answer)


class LettersTask(HarnessTask):
    """A choice task answered by letters {subject: {index: letter}}, as llm_evaluation's results.json has them.

    The subject is the task's `dataset_name`, the index the question's place in its split, from 0. What the other
    tool has asked is not known: prompts are those that this task would send.
    """

    def __init__(
        self,
        config: TaskConfig,
        source: DataSource,
        *,
        trusted: bool,
        file_hashes: FileHashes,
        limit: float | None,
        seeds: Seeds,
        letters: Path,
        where: str,
    ) -> None:
        super().__init__(config, source, trusted=trusted, file_hashes=file_hashes, limit=limit, seeds=seeds)
        self._letters = letters
        self._where = where

    def request_basis(self) -> dict[str, Any]:
        return super().request_basis() | {"predictions": True}

    def locate(self) -> None:
        """Raises DataError also if the file has no answers for this subject."""
        super().locate()
        self._answers()

    def inputs(self) -> dict[str, str]:
        return super().inputs() | {"predictions": self._file_hashes(self._letters)}

    def examples(
        self, settings: PromptSettings, limit: int | float | None = None, samples: Sequence[int] | None = None
    ) -> Iterator[Example]:
        """The documents with their letters. Raises DataError for letters of questions that are not there."""
        answers, size = self._answers(), self.count()
        beyond = sorted(set(answers) - {str(number) for number in range(size)})
        if beyond:
            fix = "The letters are of another version or split of the data; give the questions that were asked."
            what = f"there is an answer to question {beyond[0]} of {self._subject}, which has {size} questions"
            raise DataError(what, where=str(self._letters), fix=fix)
        for example in super().examples(settings, limit, samples):
            yield replace(example, answer=answers.get(str(example.document.index)))

    @property
    def _subject(self) -> str:
        return self.config.dataset_name or self.name

    def _answers(self) -> Mapping[str, str]:
        if not self._letters.is_file():
            raise DataError(f"no such predictions file: {self._letters}", where=self._where)
        letters = read_letters(self._letters, self._file_hashes(self._letters))
        if self._subject not in letters:
            there = ", ".join(list(letters)[:5])
            fix = f"There are {len(letters)} subjects: {there} … Name the tasks that were asked."
            raise DataError(f"there are no answers for the subject {self._subject}", where=str(self._letters), fix=fix)
        return letters[self._subject]


@lru_cache(maxsize=8)
def read_letters(path: Path, _content: str) -> Letters:
    """The answers in `path`; `_content` is the file's hash, by which a changed file is read again. Raises DataError."""
    try:
        letters = json.loads(path.read_text("utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"this is not JSON: {error}", where=str(path)) from error
    sound = isinstance(letters, dict) and all(
        isinstance(answers, dict) and all(isinstance(letter, str) for letter in answers.values())
        for answers in letters.values()
    )
    if not sound:
        raise DataError("the letters must be {subject: {index: letter}}", where=str(path))
    return letters  # type: ignore[no-any-return]
