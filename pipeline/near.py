"""The known name that is nearest to one that is not known: how every message says "Did you mean …?"."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_CUTOFF = 0.6  # difflib's own; 1 is equality


def nearest(name: str, known: Iterable[str], cutoff: float = _CUTOFF) -> str | None:
    """The known name that is most like `name`; None where none is like it."""
    near = difflib.get_close_matches(name, list(known), 1, cutoff)
    return near[0] if near else None


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """`Did you mean X?` with the nearest known name, else `otherwise`."""
    near = nearest(name, known)
    return otherwise if near is None else f"Did you mean {near}?"
