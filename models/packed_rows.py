"""Rows that begin alike as one input: each token of their tree once, with what it may look at. Knows no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain


@dataclass(frozen=True)
class PackedRows:
    """The tree of some rows behind a prefix, in the order in which a model computes it: scored tokens last.

    `ids` and `positions` (in its own row) of each token. Tokens are numbered as the rows are read one after the other;
    the numbers below the token of number n are those from n to `ends`: it is seen by these alone. `spots` has for each
    row the places, among the last `scored` tokens, of the row's own scored ones.
    """

    ids: list[int]
    positions: list[int]
    numbers: list[int]
    ends: list[int]
    spots: list[list[int]]
    scored: int


def packed_rows(
    rows: Sequence[Sequence[int]], shared: Sequence[int], lengths: Sequence[int], prefix: int
) -> PackedRows:
    """`rows` in sorted order without their first `prefix` tokens, of each the last `lengths` tokens scored.

    `shared[k]` is what row k has in common with row k - 1; `shared[0]` is `prefix`.
    """
    ids: list[int] = []
    positions: list[int] = []
    ends: list[int] = []
    tails: list[list[int]] = []
    path: list[int] = []  # the numbers of the present row's tokens
    for row, common, length in zip(rows, shared, lengths, strict=True):
        first = len(ids)
        for number in path[common - prefix :]:
            ends[number] = first
        ids += row[common:]
        positions += range(common, len(row))
        ends += [0] * (len(row) - common)
        path[common - prefix :] = range(first, len(ids))
        tails.append(path[len(path) - length :])
    for number in path:
        ends[number] = len(ids)
    scored = sorted(set(chain.from_iterable(tails)))
    last = set(scored)
    order = [number for number in range(len(ids)) if number not in last] + scored
    rank = {number: place for place, number in enumerate(scored)}
    return PackedRows(
        ids=[ids[number] for number in order],
        positions=[positions[number] for number in order],
        numbers=order,
        ends=[ends[number] for number in order],
        spots=[[rank[number] for number in tail] for tail in tails],
        scored=len(scored),
    )
