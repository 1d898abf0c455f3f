"""Plain training of a causal model on texts: which tokens are learnt, batches of like length, the loop.

Seeded and on one thread, so that the same machine gives the same weights again.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from demo.corpus import Text

if TYPE_CHECKING:
    import torch

THREADS = 1  # two models are trained at a time, and threads that wait for each other's core are slow
_NOT_LEARNT = -100  # the label that torch's cross-entropy leaves out


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: optimizer steps, the highest learning rate, tokens of a text batch (with padding)."""

    steps: int
    learning_rate: float
    batch_tokens: int = 0
    warmup: int = 20
    seed: int = 0

    def rate(self, step: int) -> float:
        """The learning rate of a step: up in a line, then down to a tenth in half a cosine."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.learning_rate * (0.1 + 0.45 * (1 + math.cos(math.pi * done)))


Encoded = tuple[list[int], list[int]]  # token ids, and the ids again where they are learnt


def encode(tokenizer: Any, text: Text) -> Encoded:
    """The tokens of a text and their labels; the pieces are cut where the tasks cut prompt from answer."""
    ids: list[int] = []
    labels: list[int] = []
    for piece, learnt in text.pieces:
        tokens = tokenizer(piece, add_special_tokens=False)["input_ids"]
        ids += tokens
        labels += tokens if learnt else [_NOT_LEARNT] * len(tokens)
    return ids, labels


def seed_everything(seed: int) -> None:
    """Weights and batches drawn from `seed`, sums always in the same order."""
    import torch

    torch.manual_seed(seed)
    torch.set_num_threads(THREADS)


def batches(lengths: Sequence[int], batch_tokens: int, seed: int) -> Iterator[list[int]]:
    """Indices in batches of like length, round after round without end; each round holds each index once."""
    random_order = random.Random(seed)
    while True:
        order = sorted(range(len(lengths)), key=lambda index: (lengths[index], random_order.random()))
        found: list[list[int]] = [[]]
        for index in order:
            if (len(found[-1]) + 1) * lengths[index] > batch_tokens and found[-1]:
                found.append([])
            found[-1].append(index)
        random_order.shuffle(found)
        yield from found


def train(
    model: Any, tokenizer: Any, texts: Sequence[Text], schedule: Schedule, after: Callable[[int, float], None]
) -> None:
    """Train what of `model` asks for gradients; `after(step, loss)` is called behind each optimizer step, from 1."""
    encoded = [encode(tokenizer, text) for text in texts]
    drawn = batches([len(ids) for ids, _ in encoded], schedule.batch_tokens, schedule.seed)

    def loss_of(indices: list[int]) -> torch.Tensor:
        ids, labels = padded([encoded[index] for index in indices], tokenizer.pad_token_id)
        # No mask: padding stands on the right, where no token of a causal model sees it.
        loss: torch.Tensor = model(input_ids=ids, labels=labels).loss
        return loss

    optimize(model, schedule, lambda: loss_of(next(drawn)), after)


def optimize(
    model: Any, schedule: Schedule, next_loss: Callable[[], torch.Tensor], after: Callable[[int, float], None]
) -> None:
    """AdamW down the losses that `next_loss` gives, one a step."""
    import torch

    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=schedule.learning_rate, weight_decay=0.01, betas=(0.9, 0.98), fused=True
    )
    model.train()
    for step in range(schedule.steps):
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(step)
        loss = next_loss()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        after(step + 1, float(loss.detach()))
    model.eval()


def padded(rows: Sequence[Encoded], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and labels of rows as two tensors [rows, longest], filled up on the right."""
    import torch

    longest = max(len(ids) for ids, _ in rows)
    ids = [row + [pad_id] * (longest - len(row)) for row, _ in rows]
    labels = [row + [_NOT_LEARNT] * (longest - len(row)) for _, row in rows]
    return torch.tensor(ids), torch.tensor(labels)
