"""Log-probabilities of given tokens after given tokens, in batches; what inputs have in common is computed once.

A question is a request reduced to ids; what requests mean in ids is `score_requests.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

from models.batching import TokenBudget, in_batches
from models.hf_forward import Forward, Input
from models.hf_generate import non_finite
from models.packed_forward import PackedForward
from models.packed_rows import packed_rows
from models.prefix_tree import PACK, Group, Pack, plan
from models.token_scores import Run, TokenScore, run_scores
from pipeline.requests import CallFailure, ScoreResult

_ENOUGH = 1024  # tokens of a pass above which padding costs more than another pass
_Scores = list[TokenScore | None]  # of all that is asked about one row


@dataclass(frozen=True)
class Part:
    """One run of tokens to score: the model's whole input, whose last `len(targets)` positions predict `targets`.

    `source` is what an encoder reads; a causal model has none.
    """

    ids: tuple[int, ...]
    targets: tuple[int, ...]
    source: tuple[int, ...] = ()


@dataclass(frozen=True)
class Question:
    """One request: its parts, and how their scores make its result."""

    key: str
    parts: tuple[Part, ...]
    assemble: Callable[[list[TokenScore]], ScoreResult]


@dataclass
class _Row:
    """One input of the model with all that is asked about it: (question, part, targets)."""

    input: Input
    asked: list[tuple[int, int, tuple[int, ...]]] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Tokens at the end of the row whose logits are needed."""
        return max(len(targets) for _, _, targets in self.asked)

    def runs(self, spots: Sequence[int]) -> list[Run]:
        """What is asked, at the last of `spots`: the positions of the row's last `length` tokens."""
        return [Run(spots[len(spots) - len(targets) :], targets) for _, _, targets in self.asked]


class _Collector:
    """Puts the parts of each question together; a question fails once, with its first part that fails."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self._questions = questions
        self._scores: list[dict[int, TokenScore]] = [{} for _ in questions]
        self._failed: set[int] = set()

    def take(self, number: int, place: int, found: TokenScore | CallFailure) -> ScoreResult | CallFailure | None:
        """The question's result if this part was the last one missing."""
        question, scores = self._questions[number], self._scores[number]
        if number in self._failed:
            return None
        if isinstance(found, CallFailure):
            self._failed.add(number)
            return found
        scores[place] = found
        if len(scores) < len(question.parts):
            return None
        return question.assemble([scores[index] for index in range(len(question.parts))])


def score(forward: Forward, questions: Sequence[Question], budget: TokenBudget) -> Iterator[ScoreResult | CallFailure]:
    """The questions' results, each as soon as its last part is scored.

    Where the budget allows one row at a time alone, each is computed by itself; else rows that begin alike share work.
    """
    rows: dict[Input, _Row] = {}
    collector = _Collector(questions)
    for number, question in enumerate(questions):
        if not question.parts:
            yield question.assemble([])
        for place, part in enumerate(question.parts):
            if part.targets:
                one = Input(part.ids, part.source)
                rows.setdefault(one, _Row(one)).asked.append((number, place, part.targets))
            elif (result := collector.take(number, place, TokenScore(0.0, True))) is not None:
                yield result
    for row, scores in _row_scores(forward, list(rows.values()), budget):
        for at, (number, place, _) in enumerate(row.asked):
            key = questions[number].key
            found = out_of_memory(key, row.input.width) if scores is None else scores[at] or non_finite(key)
            result = collector.take(number, place, found)
            if result is not None:
                yield result


def out_of_memory(key: str, tokens: int) -> CallFailure:
    """The failure of a request that does not fit into memory even alone."""
    return CallFailure(key=key, type="OutOfMemory", message=f"memory ran out on this request of {tokens} tokens alone")


def _row_scores(forward: Forward, rows: list[_Row], budget: TokenBudget) -> Iterator[tuple[_Row, _Scores | None]]:
    """Each row with the scores of what is asked about it; no scores where memory ran out on it alone."""
    packed = forward.packed() if budget.max_rows > 1 else None
    left = rows if packed is None else (yield from _packed_scores(packed, rows, budget))
    compute = partial(_score_rows, forward)
    for batch in in_batches(left, lambda row: row.input.width, compute, budget, enough=_ENOUGH):
        yield from batch


def _packed_scores(
    packed: PackedForward, rows: list[_Row], budget: TokenBudget
) -> Generator[tuple[_Row, _Scores], None, list[_Row]]:
    """The scores of rows that share work, longest packs first; returns the rows that are left to compute alone.

    What is not finite in one row of a pack spreads over it, and memory may run out: such packs are left too, so that
    rows fail by themselves.
    """
    short = [row for row in rows if row.input.width <= packed.longest]
    size = max(1, min(PACK, budget.tokens // 2))
    sharing = plan([row.input.ids for row in short], [row.input.width - row.length for row in short], size)
    if not sharing.groups or not packed.works():
        return rows
    left = [row for row in rows if row.input.width > packed.longest] + [short[place] for place in sharing.plain]
    for group in sharing.groups:
        scorer = _GroupScorer(packed, short, group)
        for batch in in_batches(group.packs, scorer.width, scorer, budget):
            for pack, scores in batch:
                members = [short[place] for place in pack.rows]
                if scores is None or any(one is None for some in scores for one in some):
                    left += members
                else:
                    yield from zip(members, scores, strict=True)
    return left


class _GroupScorer:
    """Scores packs of one group; their prefix is computed with the first, and its keys and values go with this."""

    def __init__(self, packed: PackedForward, rows: Sequence[_Row], group: Group) -> None:
        self._packed = packed
        self._rows = rows
        self._prefix = rows[group.packs[0].rows[0]].input.ids[: group.prefix]
        self._cache: Any = None

    def width(self, pack: Pack) -> int:
        """Tokens that the pack takes in a pass: its prefix's keys and values are repeated beside it."""
        return len(self._prefix) + pack.tokens

    def __call__(self, packs: list[Pack]) -> list[list[_Scores]]:
        """For each pack the scores of its rows."""
        import torch

        members = [[self._rows[place] for place in pack.rows] for pack in packs]
        trees = [
            packed_rows([row.input.ids for row in some], pack.shared, [row.length for row in some], len(self._prefix))
            for pack, some in zip(packs, members, strict=True)
        ]
        positions: list[tuple[int, int]] = []
        runs: list[Run] = []
        with torch.inference_mode():
            if self._cache is None:
                self._cache = self._packed.prefix(self._prefix)
            logits, starts = self._packed.logits(trees, self._cache)
            for number, (some, tree, start) in enumerate(zip(members, trees, starts, strict=True)):
                first = len(positions)
                positions += [(number, start + at) for at in range(tree.scored)]
                for row, spots in zip(some, tree.spots, strict=True):
                    runs += row.runs([first + spot for spot in spots])
            scores = iter(run_scores(logits, positions, runs))
        return [[list(islice(scores, len(row.asked))) for row in some] for some in members]


def _score_rows(forward: Forward, rows: list[_Row]) -> list[_Scores]:
    """For each row the score of each thing asked about it, None where logits are not finite."""
    import torch

    positions: list[tuple[int, int]] = []
    runs: list[Run] = []
    with torch.inference_mode():
        logits, starts = forward.logits([row.input for row in rows], [row.length for row in rows])
        for number, (row, start) in enumerate(zip(rows, starts, strict=True)):
            first = len(positions)
            positions += [(number, start + at) for at in range(row.length)]
            runs += row.runs(range(first, first + row.length))
        scores = iter(run_scores(logits, positions, runs))
    return [list(islice(scores, len(row.asked))) for row in rows]
