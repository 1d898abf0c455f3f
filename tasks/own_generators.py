"""Generators that a task's code makes for itself when it is loaded: `rng = random.Random(42)`.

Left alone they would run on with each use, and a task's documents would follow from what was read before them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

_noted: dict[int, tuple[Any, Any]] = {}  # by identity: the generator, and its state when its code was loaded


def note_generators(values: Mapping[str, Any]) -> None:
    """Remember the generators among a module's values as they are now, but for those that are known."""
    for value in values.values():
        if id(value) not in _noted and (state := _state(value)) is not None:
            _noted[id(value)] = value, state


def rewind_generators() -> None:
    """All that are known as they were when their code was loaded."""
    for generator, state in _noted.values():
        if isinstance(generator, random.Random):
            generator.setstate(state)
        elif hasattr(generator, "bit_generator"):
            generator.bit_generator.state = state
        else:
            generator.set_state(state)


def reseed_generators(number: int) -> None:
    """All that are known as if they had been made of `number`, which has 32 bits."""
    for generator, _ in _noted.values():
        if hasattr(generator, "bit_generator"):
            generator.bit_generator.state = type(generator.bit_generator)(number).state
        else:
            generator.seed(number)


def _state(value: Any) -> Any:
    """The state of a generator of Python's or numpy's that has one; None of anything else."""
    if isinstance(value, random.Random):
        return None if isinstance(value, random.SystemRandom) else value.getstate()
    if not type(value).__module__.startswith("numpy.random"):
        return None
    match type(value).__name__:
        case "Generator":
            return value.bit_generator.state
        case "RandomState":
            return value.get_state()
    return None
