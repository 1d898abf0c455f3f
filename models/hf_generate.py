"""The decoding loop: a batch of prompts to their texts, each row with its own stops, settings and random numbers.

Finished rows leave the batch at once. Greedy rows give what transformers' `generate` gives for them alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from models.hf_forward import Forward, Input
from models.sampling import RowChoice, choose, row_generator
from models.stopping import StopCondition
from pipeline.requests import CallFailure, GenerateRequest, GenerateResult

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class GenerationJob:
    """One request as the loop needs it: the prompt's ids after truncation, the model's input, and when to stop."""

    request: GenerateRequest
    prompt: list[int]
    input: Input
    truncated: int
    stop: StopCondition


@dataclass
class _Row:
    """The state of one row while it grows."""

    job: GenerationJob
    choice: RowChoice
    answer: list[int] = field(default_factory=list)
    finish: Literal["stop", "length", "failed"] | None = None
    ended_by_id: bool = False

    def add(self, token: int | None) -> None:
        """Take the next token, None where the logits were not finite, and see whether the row ends with it."""
        if token is None:
            self.finish = "failed"
            return
        self.answer.append(token)
        self.choice.ids.append(token)
        if token in self.job.stop.end_ids:
            self.finish, self.ended_by_id = "stop", True
        elif self.job.stop.reached(self.answer) and self.job.stop.text(self.answer)[1]:
            self.finish = "stop"
        elif len(self.answer) >= self.job.request.generation.max_gen_toks:
            self.finish = "length"

    def result(self) -> GenerateResult | CallFailure:
        job = self.job
        if self.finish == "failed":
            return non_finite(job.request.key)
        text, cut = job.stop.text(self.answer[:-1] if self.ended_by_id else self.answer)
        return GenerateResult(
            key=job.request.key,
            text=text,
            finish_reason="stop" if cut or self.finish == "stop" else "length",
            prompt_tokens=len(job.prompt),
            completion_tokens=len(self.answer),
            truncated_tokens=job.truncated,
        )


def non_finite(key: str) -> CallFailure:
    """The failure of a request whose logits are NaN or infinite."""
    return CallFailure(
        key=key,
        type="NonFiniteLogits",
        message="the model's logits are not finite (NaN or infinite); float16 overflows with some models, "
        "dtype: bfloat16 or float32 does not",
        deterministic=True,
    )


def generate_batch(forward: Forward, jobs: list[GenerationJob]) -> list[GenerateResult | CallFailure]:
    """The results of one batch, in the order of `jobs`."""
    import torch

    rows = [_Row(job, _choice(job)) for job in jobs]
    with torch.inference_mode():
        _decode(forward, rows)
    return [row.result() for row in rows]


def _choice(job: GenerationJob) -> RowChoice:
    settings, seed = job.request.generation, job.request.seed
    generator = None if settings.greedy or seed is None else row_generator(seed)
    return RowChoice(settings, generator, list(job.input.ids))


def _decode(forward: Forward, rows: list[_Row]) -> None:
    new_tokens = max(row.job.request.generation.max_gen_toks for row in rows)
    decoding = forward.begin([row.job.input for row in rows], new_tokens)
    logits = decoding.logits()
    while True:
        _take_tokens(logits, rows)
        alive = [place for place, row in enumerate(rows) if row.finish is None]
        if not alive:
            return
        if len(alive) < len(rows) and decoding.can_drop:
            decoding.drop_all_but(alive)
            rows = [rows[place] for place in alive]
        logits = decoding.step([row.choice.ids[-1] for row in rows])


def _take_tokens(logits: torch.Tensor, rows: Sequence[_Row]) -> None:
    """Each growing row takes its next token. Finished rows that could not leave the batch take none."""
    growing = [place for place, row in enumerate(rows) if row.finish is None]
    if len(growing) < len(rows):
        logits = logits[growing]
    for place, token in zip(growing, choose(logits, [rows[place].choice for place in growing]), strict=True):
        rows[place].add(token)
