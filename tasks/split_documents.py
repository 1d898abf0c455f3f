"""The documents of a split as the task sees them: read from its source, then through the task's `process_docs`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pipeline.errors import TaskError
from tasks.datasets import DataSource, without_progress_bars
from tasks.seeds import Seeds
from tasks.task_code import CODE_ERRORS, loaded
from tasks.task_config import TaskConfig
from tasks.task_file import FunctionReference

ProcessDocs = Callable[[Any], Iterable[Mapping[str, Any]]]


class SplitDocuments:
    """Reads splits of one task's data."""

    def __init__(self, source: DataSource, config: TaskConfig, trusted: bool, seeds: Seeds) -> None:
        """Raises TaskError where `process_docs` is named and task code is not trusted."""
        self.source = source
        self._seeds = seeds
        self._process = config.process_docs
        self._own: ProcessDocs | None = loaded(config.process_docs, trusted)
        self._fewshot_process: FunctionReference | None = config.fewshot_config.get("process_docs", self._process)
        self._fewshot: ProcessDocs | None = loaded(self._fewshot_process, trusted)

    def read(self, split: str) -> Iterator[dict[str, Any]]:
        """The documents that are asked about."""
        return self._read(split, self._own, self._process)

    def read_fewshot(self, split: str) -> Iterator[dict[str, Any]]:
        """Documents of the split that the task names for few-shot examples."""
        return self._read(split, self._fewshot, self._fewshot_process)

    def _read(
        self, split: str, function: ProcessDocs | None, reference: FunctionReference | None
    ) -> Iterator[dict[str, Any]]:
        if function is None or reference is None:
            yield from (record.data for record in self.source.records(split))
            return
        table = self.source.table(split)
        self._seeds.sow()
        try:
            with without_progress_bars():
                processed = [dict(data) for data in function(table)]
        except CODE_ERRORS as error:
            what = f"process_docs fails on the split {split}: {type(error).__name__}: {error}"
            raise TaskError(what, where=reference.where) from error
        yield from processed
