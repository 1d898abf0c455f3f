"""Test sets of one's own in a known form, without any task file: Alpaca (instruction, input, output, history).

Documents become messages; what the answers are scored by is the run's choice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import tee
from typing import Any

from pipeline.config import TaskSettings
from pipeline.errors import DataError
from pipeline.fingerprint import FileHashes
from pipeline.requests import Message
from tasks.data_readers import Record
from tasks.datasets import LocalData
from tasks.definition import scoring_sections
from tasks.documents import number_documents, selected
from tasks.task import Example, FilterPipeline, FilterSpec, MetricSpec, PromptSettings, RequestSpec

_SPLIT = "test"
_GENERATION = {"until": [], "max_gen_toks": 512}
_NEEDED = ("instruction", "output")


class AlpacaTask:
    """See `tasks.task.Task`. One user turn a document, behind its history; the target is `output`."""

    version = ""
    output_type = "generate_until"
    repeats = 1
    filters: Sequence[FilterPipeline] = (FilterPipeline("none", (FilterSpec("take_first"),)),)
    metrics: Sequence[MetricSpec] = (MetricSpec("exact_match"),)
    primary_metric: str | None = None
    slices: Sequence[str] = ()
    cluster: str | None = None
    num_fewshot = 0

    def __init__(self, settings: TaskSettings, where: str, file_hashes: FileHashes) -> None:
        assert settings.data is not None
        self.name = settings.name
        self.generation_kwargs: Mapping[str, Any] = {**_GENERATION, **settings.generation_kwargs}
        self._source = LocalData(None, where, files=settings.data)
        self.limit = settings.limit
        self._file_hashes = file_hashes

    def definition(self) -> dict[str, Any]:
        """Sections as of `HarnessTask.definition`."""
        request = {"format": "alpaca", "generation_kwargs": dict(self.generation_kwargs)}
        return {"request": request, **scoring_sections(self.filters, self.metrics, None)}

    def locate(self) -> None:
        """Raises DataError if the file is not there."""
        self._source.locate(_SPLIT)

    def inputs(self) -> dict[str, str]:
        return self._source.hashes(_SPLIT, self._file_hashes)

    def examples(
        self, settings: PromptSettings, limit: int | float | None = None, samples: Sequence[int] | None = None
    ) -> Iterator[Example]:
        """The documents in order. Raises DataError, with the place, for one that lacks a field."""
        places, contents = tee(self._source.records(_SPLIT))
        documents = number_documents(record.data for record in contents)
        for (record, document), asked in selected(zip(places, documents, strict=True), limit, samples):
            if asked:
                messages, target = alpaca_messages(record, settings.system_instruction)
                yield Example(document, messages, (RequestSpec("generate_until", messages),), target)


def alpaca_messages(record: Record, system_instruction: str | None) -> tuple[list[Message], str]:
    """Messages and target of one record; its own `system` goes before the run's instruction."""
    data = record.data
    for name in _NEEDED:
        if not isinstance(data.get(name), str):
            raise _missing(record, name)
    messages: list[Message] = []
    system = _text(record, "system") or system_instruction
    if system:
        messages.append({"role": "system", "content": system})
    for question, answer in _history(record):
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    asked = _text(record, "input")
    content = f"{data['instruction']}\n{asked}" if asked else data["instruction"]
    messages.append({"role": "user", "content": content})
    return messages, data["output"]


def _text(record: Record, name: str) -> str:
    value = record.data.get(name) or ""
    if not isinstance(value, str):
        raise DataError(f"the field {name} must be text, and is {value!r}"[:200], where=record.where)
    return value


def _history(record: Record) -> list[tuple[str, str]]:
    history = record.data.get("history") or []
    pairs = [tuple(turn) for turn in history if isinstance(turn, list)] if isinstance(history, list) else []
    whole = len(pairs) == len(history) and all(len(pair) == 2 for pair in pairs)
    if not whole or not all(isinstance(text, str) for pair in pairs for text in pair):
        raise DataError("the field history must be a list of [question, answer]", where=record.where)
    return [(question, answer) for question, answer in pairs]


def _missing(record: Record, name: str) -> DataError:
    fields = ", ".join(map(str, record.data))
    if name in record.data:
        return DataError(f"the field {name} must be text, and is {record.data[name]!r}"[:200], where=record.where)
    return DataError(
        f"the record has no field {name!r}",
        where=record.where,
        fix=f"Its fields are {fields or 'none'}. The Alpaca form has instruction, input, output, history, system.",
    )
