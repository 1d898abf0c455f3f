"""Documents numbered and named: each content's hash, and a number for each further copy of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from pipeline.fingerprint import digest
from pipeline.rows import to_plain
from tasks.task import Document

Item = TypeVar("Item")


def number_documents(items: Iterable[dict[str, Any]]) -> Iterator[Document]:
    """`items` in order as documents. Equal contents get equal ids but for `#2`, `#3` … after the first."""
    seen: Counter[str] = Counter()
    for index, data in enumerate(items):
        content = digest(to_plain(data, f"document {index}"))[:16]
        seen[content] += 1
        copy = seen[content]
        yield Document(index, content if copy == 1 else f"{content}#{copy}", data)


def selected(
    items: Iterable[Item], limit: int | float | None, samples: Iterable[int] | None
) -> Iterator[tuple[Item, bool]]:
    """As many items as must be read, each with whether it is asked about.

    `samples` are chosen positions and go before `limit`: a count, or below 1 a fraction of all, rounded up.
    """
    if samples is not None:
        chosen = frozenset(samples)
        end = max(chosen, default=-1) + 1
        for position, item in enumerate(islice(items, end)):
            yield item, position in chosen
        return
    if limit is not None and limit < 1:
        items = list(items)
        limit = math.ceil(len(items) * limit)
    yield from ((item, True) for item in islice(items, None if limit is None else int(limit)))
