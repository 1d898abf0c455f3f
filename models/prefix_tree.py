"""Which rows of token ids are computed together because they begin alike: a plan, in rows and tokens alone.

Sorted rows are a tree of common beginnings. A pack is a run of sorted rows whose tree is one input of the model; a
group is packs that follow one long beginning, computed once before them. What a pass does with them is
`packed_forward.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np

Ids = tuple[int, ...]

PACK = 512  # tokens that a pack aims at: attention over its other rows stays small beside the linear layers
_LEAST_PREFIX = 16  # tokens below which a beginning gets no pass of its own
_PASS = 128  # what a pass of its own costs, in tokens
_PLAIN = 0.8  # what a token of a plain row costs: it needs no mask and attends to its own row alone


@dataclass(frozen=True)
class Pack:
    """Rows (their places in what was given) in sorted order.

    `shared` holds for each row the tokens that it has in common with the one before it, for the first the group's
    prefix; `tokens` is what there is to compute.
    """

    rows: tuple[int, ...]
    shared: tuple[int, ...]
    tokens: int


@dataclass(frozen=True)
class Group:
    """Packs that follow one prefix of `prefix` tokens; 0 is none."""

    prefix: int
    packs: tuple[Pack, ...]


@dataclass(frozen=True)
class Plan:
    """All rows: those that share work, and those that are computed as they are."""

    groups: tuple[Group, ...]
    plain: tuple[int, ...]


@dataclass
class _Node:
    """The sorted rows [start, end) have their first `depth` tokens in common; `tokens` stand below these.

    `free` is the longest beginning in which no row has anything to score. `ends_a_row`: the first row is all of it.
    """

    depth: int
    start: int
    end: int
    free: int
    ends_a_row: bool = False
    tokens: int = 0
    cost: float = 0.0
    choice: Literal["split", "pack", "group"] = "split"
    children: list[_Node] = field(default_factory=list)


@dataclass(frozen=True)
class _Sorted:
    """The rows in the order of their ids: their places, lengths, free beginnings, and what each has in common with the
    one before."""

    places: list[int]
    lengths: list[int]
    free: list[int]
    shared: list[int]


def plan(rows: Sequence[Ids], free: Sequence[int], size: int = PACK) -> Plan:
    """How to compute `rows`, which are distinct, with the fewest tokens.

    `free` has for each row the number of tokens at its beginning whose logits are not needed. Packs aim at `size`
    tokens and end at twice as many, unless one row alone has more.
    """
    ordered = _sorted(rows, free)
    if sum(ordered.shared) <= (1 - _PLAIN) * sum(ordered.lengths):  # all that could be saved at best
        return Plan((), tuple(range(len(rows))))
    plain: list[int] = []
    loose: list[int] = []
    groups: list[Group] = []
    for node in _chosen(_tree(ordered, size)):
        if node.choice == "group":
            groups.append(_group(ordered, range(node.start, node.end), min(node.depth, node.free), size))
        elif node.choice == "pack":
            loose += range(node.start, node.end)
        else:
            plain.append(ordered.places[node.start])  # the row that ends here; the others are its children's
    if loose:
        groups.append(_group(ordered, loose, 0, size))
    groups.sort(key=lambda group: group.prefix + max(pack.tokens for pack in group.packs), reverse=True)
    return Plan(tuple(groups), tuple(plain))


def _sorted(rows: Sequence[Ids], free: Sequence[int]) -> _Sorted:
    keys = [np.array(ids, dtype=">u4").tobytes() for ids in rows]  # big-endian: bytes sort as the numbers do
    places = sorted(range(len(rows)), key=keys.__getitem__)
    shared = [0] * min(1, len(rows))
    for one, other in pairwise(places):
        width = min(len(keys[one]), len(keys[other]))
        first, second = (np.frombuffer(keys[place][:width], dtype=">u4") for place in (one, other))
        differing = first != second
        shared.append(int(differing.argmax()) if differing.any() else len(differing))
    return _Sorted(places, [len(rows[place]) for place in places], [free[place] for place in places], shared)


def _tree(ordered: _Sorted, size: int) -> _Node:
    """The tree of common beginnings; each node has its cheapest choice."""
    root = _Node(0, 0, len(ordered.lengths), ordered.free[0])
    open_nodes = [root]
    for at, (length, free) in enumerate(zip(ordered.lengths, ordered.free, strict=True)):
        _close(open_nodes, ordered.shared[at], at, size)
        open_nodes.append(_Node(length, at, at + 1, free, ends_a_row=True))
    _close(open_nodes, 0, len(ordered.lengths), size)
    _choose(root, size)
    return root


def _close(open_nodes: list[_Node], depth: int, end: int, size: int) -> None:
    """Finish the nodes deeper than `depth`; what is left of the last of them hangs below a node at that depth."""
    while open_nodes[-1].depth > depth:
        node = open_nodes.pop()
        node.end = end
        _choose(node, size)
        if open_nodes[-1].depth < depth:
            open_nodes.append(_Node(depth, node.start, end, node.free))
        open_nodes[-1].children.append(node)


def _choose(node: _Node, size: int) -> None:
    """Set the node's choice: its rows apart ("split"), as one pack, or as a group that follows the beginning."""
    node.free = min([node.free, *(child.free for child in node.children)])
    node.tokens = sum(child.tokens + child.depth - node.depth for child in node.children)
    node.cost = sum(child.cost for child in node.children) + (_PLAIN * node.depth if node.ends_a_row else 0.0)
    whole = node.depth + node.tokens
    if whole <= 2 * size and whole < node.cost:
        node.choice, node.cost = "pack", whole
    prefix = min(node.depth, node.free)
    if whole <= size or prefix < _LEAST_PREFIX:
        return
    # A child of several packs has its own beginning in each.
    again = sum((child.tokens // size) * (child.depth - node.depth) for child in node.children)
    again += (node.tokens // size) * (node.depth - prefix)
    if whole + _PASS + again < node.cost:
        node.choice, node.cost = "group", whole + _PASS + again


def _chosen(root: _Node) -> Iterator[_Node]:
    """The nodes whose choices make the plan: of a node that is split, the row that ends there, and its children."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.choice != "split":
            yield node
            continue
        if node.ends_a_row:
            yield node
        waiting += reversed(node.children)


def _group(ordered: _Sorted, members: Sequence[int], prefix: int, size: int) -> Group:
    """The rows at the sorted places `members`, cut into packs behind `prefix` tokens."""
    common = [prefix]  # with the member before, which may have stood further away
    common += [min(ordered.shared[before + 1 : at + 1]) for before, at in pairwise(members)]
    lengths = [ordered.lengths[at] for at in members]
    packs = []
    for start, end in _cuts(lengths, common, prefix, size):
        shared = (prefix, *common[start + 1 : end])
        places = tuple(ordered.places[at] for at in members[start:end])
        packs.append(Pack(places, shared, sum(lengths[start:end]) - sum(shared)))
    return Group(prefix, tuple(packs))


def _cuts(lengths: Sequence[int], common: Sequence[int], prefix: int, size: int) -> Iterator[tuple[int, int]]:
    """Where packs begin and end: near `size` tokens, between the rows that have least in common.

    A pack grows further where its rows would lose more than a quarter of `size` by being parted.
    """
    start = at = tokens = 0
    best: int | None = None
    while at < len(lengths):
        new = lengths[at] - (prefix if at == start else common[at])
        if at > start:
            if tokens >= size // 2 and (best is None or common[at] <= common[best]):
                best = at
            place = at if best is None else best
            if tokens + new > 2 * size or (tokens + new > size and common[place] - prefix <= size // 4):
                yield start, place
                start = at = place
                tokens, best = 0, None
                continue
        tokens += new
        at += 1
    yield start, len(lengths)
