"""Which documents are shown before a question: the samplers of lm-evaluation-harness, draw for draw.

A sampler must be asked for every document in order, asked about or not: its generator advances with each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from random import Random
from typing import Any, Literal, Protocol

from pipeline.errors import TaskError
from tasks.document_fields import Data
from tasks.task_code import CODE_ERRORS

# Whether the question itself may be in the pool. `apart`: no. `drawn`: one more is drawn, and the question taken out.
# `leaky`: the harness would show the question with its answer; the same is drawn here, and another shown instead.
Overlap = Literal["apart", "drawn", "leaky"]


class Sampler(Protocol):
    """Chooses the examples of one question."""

    def shots(self, question: Data) -> Sequence[Data]: ...


class RandomSampler:
    """`count` examples drawn by `random.Random(seed)`, one draw a question."""

    def __init__(self, pool: Sequence[Data], count: int, seed: int, overlap: Overlap, where: str) -> None:
        """Raises TaskError if the pool is too small."""
        _check_size(len(pool), count + (overlap != "apart"), where)
        self._pool = pool
        self._count = count
        self._random = Random(seed)
        self._overlap = overlap
        self._where = where

    def shots(self, question: Data) -> Sequence[Data]:
        if self._overlap != "drawn":
            drawn = self._random.sample(self._pool, self._count)
            return self._mended(drawn, question) if self._overlap == "leaky" else drawn
        drawn = self._random.sample(self._pool, self._count + 1)
        kept = [data for data in drawn if data != question][: self._count]
        if len(kept) == self._count:
            return kept
        others = [data for data in self._pool if data != question]  # the question stands more than once in the pool
        _check_size(len(others), self._count, self._where)
        return self._random.sample(others, self._count)

    def _mended(self, drawn: list[Data], question: Data) -> list[Data]:
        if question not in drawn:
            return drawn
        free = [data for data in self._pool if data != question and data not in drawn]
        _check_size(len(free), drawn.count(question), self._where)
        others = iter(free)
        return [next(others) if data == question else data for data in drawn]


class FirstSampler:
    """The first `count` documents of the pool, for tasks whose examples have an order of their own."""

    def __init__(self, pool: Sequence[Data], count: int, overlap: Overlap, where: str) -> None:
        """Raises TaskError if the pool is too small."""
        _check_size(len(pool), count, where)
        self._pool = pool
        self._count = count
        self._overlap = overlap
        self._where = where

    def shots(self, question: Data) -> Sequence[Data]:
        if self._overlap == "apart":
            return self._pool[: self._count]
        kept = list(islice((data for data in self._pool if data != question), self._count))
        _check_size(len(kept), self._count, self._where)
        return kept


class OwnSampler:
    """Examples chosen by a class of the task's own, which is made and asked as lm_eval does with a `ContextSampler`."""

    def __init__(
        self, kind: Callable[..., Any], pool: Sequence[Data], count: int, seed: int, overlap: Overlap, where: str
    ) -> None:
        """Raises TaskError where the class cannot be made into a sampler."""
        self._count = count
        self._excluding = overlap == "drawn"
        self._where = where
        try:
            self._sampler = kind(list(pool), rnd=seed)
        except CODE_ERRORS as error:
            what = f"the few-shot sampler cannot be made: {type(error).__name__}: {error}"
            raise TaskError(what, where=where, fix="It is called with (documents, rnd=seed).") from error

    def shots(self, question: Data) -> Sequence[Data]:
        try:
            drawn = list(self._sampler.sample(n=self._count, eval_doc=question if self._excluding else None))
        except CODE_ERRORS as error:
            what = f"the few-shot sampler fails: {type(error).__name__}: {error}"
            raise TaskError(what, where=self._where) from error
        if len(drawn) != self._count or not all(isinstance(one, Mapping) for one in drawn):
            what = f"the few-shot sampler must give {self._count} documents, and gives {drawn!r}"
            raise TaskError(what[:200], where=self._where)
        return drawn


def _check_size(size: int, needed: int, where: str) -> None:
    if size < needed:
        raise TaskError(
            f"the few-shot examples need {needed} documents, and their split has {size}",
            where=where,
            fix="Ask for fewer: num_fewshot in the run's YAML, or name a larger fewshot_split in the task's file.",
        )
