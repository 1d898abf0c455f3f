"""Which documents few-shot examples are drawn from: the harness's rule, and whether the question is among them."""

from __future__ import annotations

from typing import Any

from pipeline.errors import TaskError
from tasks.fewshot import FirstSampler, Overlap, OwnSampler, RandomSampler, Sampler
from tasks.split_documents import SplitDocuments
from tasks.task_code import CODE_ERRORS, loaded
from tasks.task_config import TaskConfig


class FewshotPool:
    """The pool of one task; read once, when a sampler is first wanted."""

    def __init__(self, config: TaskConfig, documents: SplitDocuments, trusted: bool) -> None:
        self._config = config
        self._documents = documents
        self._where = config.file.where("num_fewshot" if config.num_fewshot else "task")
        self._kind = config.fewshot_config.get("sampler", "default")
        self._named: str | None = config.fewshot_config.get("split", config.fewshot_split)
        self._samples = loaded(config.fewshot_config.get("samples"), trusted)
        self._own_sampler = loaded(self._kind, trusted)
        self._pool: list[dict[str, Any]] | None = None

    @property
    def split(self) -> str | None:
        """The split named for it, else training, validation, test; None where the task brings its own examples."""
        if self._named is not None:
            return self._named
        if self._samples is not None:
            return None
        return self._config.training_split or self._config.validation_split or self._config.test_split

    def locate(self) -> None:
        """Raises DataError if it can be seen without reading that the pool's split is not there."""
        if self.split is not None:
            self._documents.source.locate(self.split)

    def sampler(self, count: int, seed: int) -> Sampler:
        """A sampler at its beginning. Raises TaskError if there are fewer than `count` documents."""
        pool = self._documents_of_pool()
        if callable(self._own_sampler):
            where = self._config.file.where("fewshot_config", "sampler")
            return OwnSampler(self._own_sampler, pool, count, seed, self._overlap(), where)
        if self._kind == "first_n":
            return FirstSampler(pool, count, self._overlap(), self._where)
        return RandomSampler(pool, count, seed, self._overlap(), self._where)

    def _overlap(self) -> Overlap:
        # The harness compares the names of two settings, each of which may be absent: a task evaluated on validation
        # that names no few-shot split is thereby safe, one that names validation itself is not.
        if self._named == self._config.test_split:
            return "drawn"
        if self.split is not None and self._documents.source.same(self.split, self._config.eval_split):
            return "leaky"
        return "apart"

    def _documents_of_pool(self) -> list[dict[str, Any]]:
        if self._pool is None:
            self._pool = self._read()
        return self._pool

    def _read(self) -> list[dict[str, Any]]:
        if self.split is not None:
            read = self._documents.read_fewshot if self._named is not None else self._documents.read
            return list(read(self.split))
        where = self._config.file.where("fewshot_config", "samples")
        try:
            samples = self._samples() if callable(self._samples) else self._samples
        except CODE_ERRORS as error:
            raise TaskError(f"`samples` fails: {type(error).__name__}: {error}", where=where) from error
        if not isinstance(samples, list) or not all(isinstance(one, dict) for one in samples):
            raise TaskError("`samples` of fewshot_config must be a list of documents", where=where)
        return samples
