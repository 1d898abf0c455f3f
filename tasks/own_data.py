"""A test set of one's own as a task, without any task file: one generation a record, scored as the run says.

How a record is read is `formats.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import tee
from pathlib import PurePath
from typing import Any

from pipeline.config import ColumnSettings, TaskSettings
from pipeline.errors import DataError
from pipeline.fingerprint import FileHashes
from tasks.data_readers import ReadOptions, Record
from tasks.datasets import LocalData
from tasks.documents import number_documents, selected
from tasks.formats import FORMS
from tasks.seeds import Seeds
from tasks.task import (
    ClassScorer,
    Document,
    Example,
    Expansion,
    FilterPipeline,
    FilterSpec,
    MetricSpec,
    PromptSettings,
    RequestSpec,
    TaskCode,
)

_SPLIT = "test"
_GENERATION = {"until": [], "max_gen_toks": 512}
_SUFFIXES = {
    "json": (".json", ".jsonl"),  # either may hold either
    "jsonl": (".jsonl", ".json"),
    "csv": (".csv",),
    "tsv": (".tsv",),
    "parquet": (".parquet",),
}


class OwnDataTask:
    """See `tasks.task.Task`. Documents are the records as read; prompts are messages."""

    version = ""
    output_type = "generate_until"
    repeats = 1
    filters: Sequence[FilterPipeline] = (FilterPipeline("none", (FilterSpec("take_first"),)),)
    metrics: Sequence[MetricSpec] = (MetricSpec("exact_match"),)
    primary_metric: str | None = None
    slices: Sequence[str] = ()
    slice_groups: Mapping[str, Mapping[str, Sequence[str]]] = {}
    expand: Expansion | None = None
    cluster: str | None = None
    num_fewshot = 0
    code: Mapping[str, TaskCode] = {}
    process_results: str | None = None
    unsafe_code = False
    seeds = Seeds()
    scorer: ClassScorer | None = None

    def __init__(self, settings: TaskSettings, file: str, where: str, file_hashes: FileHashes) -> None:
        """`file` holds the records; it is read when they are first asked for."""
        self.name = settings.name
        self.generation_kwargs: Mapping[str, Any] = {**_GENERATION, **settings.generation_kwargs}
        self.limit = settings.limit
        self._columns: ColumnSettings = settings.columns
        self._format = settings.format
        self._file = file
        self._where = where
        self._source = LocalData(None, where, files=file, options=ReadOptions(field=settings.field))
        self._file_hashes = file_hashes

    def request_basis(self) -> dict[str, Any]:
        named = self._columns.model_dump(exclude_none=True)
        request = self._request() | ({"columns": named} if named else {})
        below = {"field": self._source.options.field} if self._source.options.field is not None else {}
        return request | below

    def _request(self) -> dict[str, Any]:
        return {"format": self._format, "generation_kwargs": dict(self.generation_kwargs)}

    def locate(self) -> None:
        """Raises DataError if the file is not there, or not of the form that it is said to have."""
        self._source.locate(_SPLIT)
        fits = _SUFFIXES.get(self._format or "")
        suffix = PurePath(self._file).suffix.lower()
        if fits and suffix not in (*fits, ".zip"):
            what = f"the file {self._file} does not fit its `format: {self._format}`"
            raise DataError(what, where=self._where, fix=f"Write format: {suffix[1:]}")

    def inputs(self) -> dict[str, str]:
        return self._source.hashes(_SPLIT, self._file_hashes)

    def count(self) -> int:
        return sum(1 for _ in self._source.records(_SPLIT))

    def examples(
        self, settings: PromptSettings, limit: int | float | None = None, samples: Sequence[int] | None = None
    ) -> Iterator[Example]:
        """The documents in order. Raises DataError, with the place, for one that lacks a field."""
        places, contents = tee(self._source.records(_SPLIT))
        documents = number_documents(self._document(record) for record in contents)
        for (record, document), asked in selected(zip(places, documents, strict=True), limit, samples):
            if asked:
                yield self._example(record, document, settings)

    def _document(self, record: Record) -> dict[str, Any]:
        return record.data

    def _example(self, record: Record, document: Document, settings: PromptSettings) -> Example:
        assert self._format is not None
        messages, target = FORMS[self._format](record, self._columns, settings.system_instruction)
        return Example(document, messages, (RequestSpec("generate_until", messages),), target)
