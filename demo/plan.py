"""Which models the demo has, how long each is trained, and how each is made: a table and one function."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from demo.train import Schedule


@dataclass(frozen=True)
class Plan:
    """Training of each model; `save_steps` are the checkpoints of the LoRA."""

    base: Schedule
    adapters: Schedule
    save_steps: tuple[int, ...]
    embedding: Schedule
    reward: Schedule


FULL = Plan(
    base=Schedule(steps=1000, learning_rate=3e-3, batch_tokens=1024),
    adapters=Schedule(steps=300, learning_rate=1.5e-3, batch_tokens=1024, warmup=60),
    save_steps=(100, 200, 300),
    embedding=Schedule(steps=300, learning_rate=2e-3),
    reward=Schedule(steps=200, learning_rate=5e-4),
)
QUICK = Plan(
    base=Schedule(steps=40, learning_rate=3e-3, batch_tokens=512),
    adapters=Schedule(steps=6, learning_rate=1e-3, batch_tokens=512, warmup=2),
    save_steps=(2, 4, 6),
    embedding=Schedule(steps=4, learning_rate=2e-3),
    reward=Schedule(steps=4, learning_rate=5e-4),
)
# Each model's folder, and the one that it starts from.
PARTS: dict[str, str | None] = {"base": None, "embedding": None, "adapters": "base", "reward": "base"}


def make_part(name: str, folder: Path, base: Path, plan: Plan) -> None:
    """Train the model `name` into `folder`; `base` is the finished base, for those that start from it."""
    schedule: Schedule = getattr(plan, name)
    after = _progress(name, schedule.steps)
    match name:
        case "base":
            from demo.base import make_base

            make_base(folder, schedule, after)
        case "embedding":
            from demo.embedding import make_embedding

            make_embedding(folder, schedule, after)
        case "adapters":
            from demo.adapter import make_checkpoints

            make_checkpoints(base, folder / "sft", schedule, plan.save_steps, after)
        case "reward":
            from demo.reward import make_reward

            make_reward(base, folder, schedule, after)


def _progress(name: str, steps: int) -> Callable[[int, float], None]:
    """Prints a line each fifth of the way."""
    started = time.monotonic()
    every = max(1, steps // 5)

    def after(step: int, loss: float) -> None:
        if step % every == 0:
            seconds = time.monotonic() - started
            print(f"{name:<9}  step {step:>4} of {steps}   loss {loss:6.3f}   {seconds:4.0f} s", flush=True)

    return after
