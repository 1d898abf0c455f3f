"""Batches by a token budget, longest first, halved when memory runs out. Knows no model: `compute` does the work."""

from __future__ import annotations

import gc
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from pipeline.errors import EngineError

T = TypeVar("T")
R = TypeVar("R")

_NARROW = 0.85  # of a batch's width: narrower items leave too much of it to padding


class TokenBudget:
    """How many rows go into one forward pass. Shrinks for good when memory runs out.

    `tokens` counts padding too; `max_rows` bounds the rows, 1 for results that are the same to the bit whatever else
    is asked.
    """

    def __init__(self, tokens: int, max_rows: int) -> None:
        self.tokens = tokens
        self.max_rows = max_rows

    def rows(self, width: int) -> int:
        """Rows of `width` tokens that go into one pass, at least one."""
        return max(1, min(self.max_rows, self.tokens // max(width, 1)))

    def halve(self, rows: int, width: int) -> None:
        """Never again as much as `rows` rows of `width` tokens, for which memory ran out: half of it."""
        self.tokens = max(1, rows // 2) * max(width, 1)


def in_batches(
    items: Iterable[T],
    width: Callable[[T], int],
    compute: Callable[[list[T]], list[R]],
    budget: TokenBudget,
    *,
    enough: int | None = None,
) -> Iterator[list[tuple[T, R | None]]]:
    """Each batch's items with their results, as the batch is done, longest items first.

    The longest come first so that memory runs out early, where it does. A batch that does not fit is tried again in
    halves; the result of an item that does not even fit alone is None. A batch that has `enough` tokens takes no
    items much narrower than its first, which would be padding; else batches are as large as the budget allows.
    """
    waiting = deque(sorted(items, key=width, reverse=True))
    while waiting:
        widest = width(waiting[0])
        rows = min(budget.rows(widest), len(waiting))
        if enough is not None:
            rows = next((at for at in range(-(-enough // widest), rows) if width(waiting[at]) < _NARROW * widest), rows)
        batch = [waiting.popleft() for _ in range(rows)]
        results = _attempt(compute, batch)
        if results is not None:
            yield list(zip(batch, results, strict=True))
        elif len(batch) == 1:
            yield [(batch[0], None)]
        else:
            budget.halve(len(batch), widest)
            waiting.extendleft(reversed(batch))


def _attempt(compute: Callable[[list[T]], list[R]], batch: list[T]) -> list[R] | None:
    """The batch's results, or None where memory ran out. Raises EngineError for any other failure of torch."""
    try:
        return compute(batch)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise EngineError(f"the model's forward pass failed: {error}") from error
    release_memory()  # outside the handler: the error's traceback holds the batch's tensors
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch, on any device, or Python could not have the memory it asked for."""
    if isinstance(error, MemoryError) or type(error).__name__ in {"OutOfMemoryError", "AcceleratorOutOfMemoryError"}:
        return True
    text = str(error).lower()
    return "out of memory" in text or "not enough memory" in text or "can't allocate memory" in text


def release_memory() -> None:
    """Give memory that nothing uses any more back to the device."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def windows(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """`items` in lists of `size`: sorting happens within a list, so that an endless iterable can be worked on."""
    iterator = iter(items)
    while window := list(islice(iterator, size)):
        yield window
