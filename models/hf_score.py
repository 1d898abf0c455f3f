"""Log-probabilities of given tokens after given tokens, in batches; identical inputs share one forward pass.

A question is a request reduced to ids; what requests mean in ids is `score_requests.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from models.batching import TokenBudget, in_batches
from models.hf_forward import Forward, Input
from models.hf_generate import non_finite
from pipeline.requests import CallFailure, ScoreResult

if TYPE_CHECKING:
    import torch

_POSITIONS_AT_ONCE = 512  # of full-vocabulary float32 work, so that a long text does not take a multiple of its logits


@dataclass(frozen=True)
class TokenScore:
    """The log-probability of one run of tokens, and whether each was the most probable."""

    logprob: float
    greedy: bool


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
    """The questions' results, each as soon as its last part is scored."""
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
    for batch in in_batches(
        rows.values(), lambda row: row.input.width, lambda waiting: _score_rows(forward, waiting), budget
    ):
        for row, scores in batch:
            for at, (number, place, _) in enumerate(row.asked):
                key = questions[number].key
                found = out_of_memory(key, row.input.width) if scores is None else scores[at] or non_finite(key)
                result = collector.take(number, place, found)
                if result is not None:
                    yield result


def out_of_memory(key: str, tokens: int) -> CallFailure:
    """The failure of a request that does not fit into memory even alone."""
    return CallFailure(key=key, type="OutOfMemory", message=f"memory ran out on this request of {tokens} tokens alone")


def _score_rows(forward: Forward, rows: list[_Row]) -> list[list[TokenScore | None]]:
    """For each row the score of each thing asked about it, None where logits are not finite."""
    import torch

    with torch.inference_mode():
        lengths = [max(len(targets) for _, _, targets in row.asked) for row in rows]
        logits, starts = forward.logits([row.input for row in rows], lengths)
        # Every scored position once, row after row.
        flat_rows = torch.tensor([place for place, length in enumerate(lengths) for _ in range(length)])
        flat_places = torch.tensor(
            [start + at for start, length in zip(starts, lengths, strict=True) for at in range(length)]
        )
        wanted = _wanted(rows, lengths)
        logprobs, best = _token_logprobs(logits, flat_rows.to(logits.device), flat_places.to(logits.device), wanted)
    return _sums(rows, lengths, logprobs, best)


def _wanted(rows: Sequence[_Row], lengths: Sequence[int]) -> list[tuple[int, int]]:
    """(flat position, token) of every token asked about, in the order of rows, askers and tokens."""
    wanted: list[tuple[int, int]] = []
    start = 0
    for row, length in zip(rows, lengths, strict=True):
        for _, _, targets in row.asked:
            first = start + length - len(targets)
            wanted += [(first + at, token) for at, token in enumerate(targets)]
        start += length
    return wanted


def _token_logprobs(
    logits: torch.Tensor, rows: torch.Tensor, places: torch.Tensor, wanted: Sequence[tuple[int, int]]
) -> tuple[list[float], list[int]]:
    """The log-probability of each wanted token, and the most probable token of each flat position.

    Log-softmax in float32 over the whole vocabulary; the sums over tokens are the caller's, in float64. A position
    whose logits are not finite gives NaN.
    """
    import torch

    order = sorted(range(len(wanted)), key=lambda index: wanted[index][0])
    logprobs = [0.0] * len(wanted)
    best: list[int] = []
    at = 0
    for start in range(0, len(rows), _POSITIONS_AT_ONCE):
        end = min(start + _POSITIONS_AT_ONCE, len(rows))
        chunk = logits[rows[start:end], places[start:end]].float()
        best += chunk.argmax(dim=-1).tolist()
        chunk = torch.log_softmax(chunk, dim=-1)
        here = []
        while at < len(order) and wanted[order[at]][0] < end:
            here.append(order[at])
            at += 1
        positions = torch.tensor([wanted[index][0] - start for index in here], device=chunk.device)
        tokens = torch.tensor([wanted[index][1] for index in here], device=chunk.device)
        for index, value in zip(here, chunk[positions, tokens].tolist(), strict=True):
            logprobs[index] = value
    return logprobs, best


def _sums(
    rows: Sequence[_Row], lengths: Sequence[int], logprobs: Sequence[float], best: Sequence[int]
) -> list[list[TokenScore | None]]:
    """Tokens' log-probabilities summed in float64 (Python's own floats) for everything asked about each row."""
    found: list[list[TokenScore | None]] = []
    token, start = 0, 0
    for row, length in zip(rows, lengths, strict=True):
        found.append([])
        for _, _, targets in row.asked:
            values = logprobs[token : token + len(targets)]
            token += len(targets)
            most_probable = best[start + length - len(targets) : start + length]
            total = math.fsum(values) if not any(map(math.isnan, values)) else math.nan
            good = not math.isnan(total)
            found[-1].append(TokenScore(total, list(targets) == most_probable) if good else None)
        start += length
    return found
