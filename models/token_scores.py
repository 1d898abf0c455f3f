"""From logits to scores: the log-probabilities of given tokens at given positions, summed; was each the best?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_POSITIONS_AT_ONCE = 512  # of full-vocabulary float32 work, so that a long text does not take a multiple of its logits


@dataclass(frozen=True)
class TokenScore:
    """The log-probability of one run of tokens, and whether each was the most probable."""

    logprob: float
    greedy: bool


@dataclass(frozen=True)
class Run:
    """Tokens to score, and the positions (in a list of such) that predict them."""

    spots: Sequence[int]
    targets: Sequence[int]


def run_scores(
    logits: torch.Tensor, positions: Sequence[tuple[int, int]], runs: Sequence[Run]
) -> list[TokenScore | None]:
    """The score of each run, None where logits are not finite.

    `positions` are (row, place) in `logits` [rows, places, vocabulary]; runs name them by their number in the list.
    Tokens' log-probabilities are summed in float64 (Python's own floats).
    """
    wanted = [pair for run in runs for pair in zip(run.spots, run.targets, strict=True)]
    logprobs, best = _token_logprobs(logits, positions, wanted)
    found: list[TokenScore | None] = []
    start = 0
    for run in runs:
        values = logprobs[start : start + len(run.targets)]
        start += len(run.targets)
        if any(map(math.isnan, values)):
            found.append(None)
        else:
            greedy = all(best[spot] == token for spot, token in zip(run.spots, run.targets, strict=True))
            found.append(TokenScore(math.fsum(values), greedy))
    return found


def _token_logprobs(
    logits: torch.Tensor, positions: Sequence[tuple[int, int]], wanted: Sequence[tuple[int, int]]
) -> tuple[list[float], list[int]]:
    """The log-probability of each wanted (position, token), and the most probable token of each position.

    Log-softmax in float32 over the whole vocabulary. A position whose logits are not finite gives NaN.
    """
    import torch

    rows, places = torch.tensor(positions, device=logits.device).unbind(dim=1)
    order = sorted(range(len(wanted)), key=lambda index: wanted[index][0])
    logprobs = [0.0] * len(wanted)
    best: list[int] = []
    at = 0
    for start in range(0, len(positions), _POSITIONS_AT_ONCE):
        end = min(start + _POSITIONS_AT_ONCE, len(positions))
        chunk = logits[rows[start:end], places[start:end]].float()
        best += chunk.argmax(dim=-1).tolist()
        chunk = torch.log_softmax(chunk, dim=-1)
        here = []
        while at < len(order) and wanted[order[at]][0] < end:
            here.append(order[at])
            at += 1
        spots = torch.tensor([wanted[index][0] - start for index in here], device=chunk.device)
        tokens = torch.tensor([wanted[index][1] for index in here], device=chunk.device)
        for index, value in zip(here, chunk[spots, tokens].tolist(), strict=True):
            logprobs[index] = value
    return logprobs, best
