"""The next token of each row from its logits: greedy, or drawn with the row's own random numbers.

A row's token depends on its own logits, settings and generator alone, never on the batch it is in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.requests import GenerationSettings

if TYPE_CHECKING:
    import torch


@dataclass
class RowChoice:
    """How one row chooses: its settings, its generator (None: greedy), and all its ids so far, prompt included."""

    settings: GenerationSettings
    generator: torch.Generator | None
    ids: list[int] = field(default_factory=list)


def row_generator(seed: int) -> torch.Generator:
    """A generator on the CPU, whatever the model's device, so that equal seeds draw equal numbers everywhere."""
    import torch

    return torch.Generator("cpu").manual_seed(seed)


def choose(logits: torch.Tensor, rows: Sequence[RowChoice]) -> list[int | None]:
    """The next token of each row; None where its logits are not finite. `logits`: [rows, vocabulary]."""
    import torch

    scores = _penalized(logits.float(), rows)
    best, tokens = scores.max(dim=-1)
    finite = torch.isfinite(best).tolist()
    chosen = tokens.tolist()
    groups: dict[tuple[float, ...], list[int]] = {}
    for place, row in enumerate(rows):
        if row.generator is not None and finite[place]:
            settings = row.settings
            key = (settings.temperature, settings.top_k, settings.top_p, settings.min_p)
            groups.setdefault(key, []).append(place)
    for places in groups.values():
        drawn = _draw(scores[places], [rows[place] for place in places])
        for place, token in zip(places, drawn, strict=True):
            chosen[place] = token
    return [token if good else None for token, good in zip(chosen, finite, strict=True)]


def _penalized(scores: torch.Tensor, rows: Sequence[RowChoice]) -> torch.Tensor:
    """Repetition penalty over prompt and answer, row by row: padding is no repetition."""
    import torch

    penalized = [place for place, row in enumerate(rows) if row.settings.repetition_penalty != 1.0]
    if not penalized:
        return scores
    from transformers import RepetitionPenaltyLogitsProcessor

    scores = scores.clone()
    for place in penalized:
        process = RepetitionPenaltyLogitsProcessor(rows[place].settings.repetition_penalty)
        ids = torch.tensor([rows[place].ids], device=scores.device)
        scores[place] = process(ids, scores[place : place + 1])[0]
    return scores


def _draw(scores: torch.Tensor, rows: Sequence[RowChoice]) -> list[int]:
    """One token a row: the inverse of the cumulative distribution at a uniform number, both in float64, so that
    rounding in a batch practically never moves a draw."""
    import torch

    probabilities = _probabilities(scores, rows[0].settings)
    if probabilities.device.type == "mps":  # which has no float64
        probabilities = probabilities.cpu()
    cumulative = probabilities.double().cumsum(dim=-1)
    uniform = torch.stack([torch.rand(1, dtype=torch.float64, generator=row.generator) for row in rows])
    target = uniform.to(cumulative.device) * cumulative[:, -1:]
    drawn: list[int] = torch.searchsorted(cumulative, target, right=True).squeeze(1).tolist()
    return drawn


def probabilities(logits: torch.Tensor, row: RowChoice) -> torch.Tensor:
    """What one sampling row's next token is drawn from. `logits` and the result: [1, vocabulary]."""
    return _probabilities(_penalized(logits.float(), [row]), row.settings)


def _probabilities(scores: torch.Tensor, settings: GenerationSettings) -> torch.Tensor:
    import torch

    ids = torch.zeros((len(scores), 1), dtype=torch.long, device=scores.device)
    for warp in _warpers(settings):
        scores = warp(ids, scores)
    return scores.softmax(dim=-1)


def _warpers(settings: GenerationSettings) -> list[Any]:
    """transformers' own definitions, in its order."""
    from transformers import MinPLogitsWarper, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    warpers: list[Any] = []
    if settings.temperature != 1.0:
        warpers.append(TemperatureLogitsWarper(settings.temperature))
    if settings.top_k > 0:
        warpers.append(TopKLogitsWarper(settings.top_k))
    if settings.top_p < 1.0:
        warpers.append(TopPLogitsWarper(settings.top_p))
    if settings.min_p > 0.0:
        warpers.append(MinPLogitsWarper(settings.min_p))
    return warpers
