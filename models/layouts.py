"""How prompts, contexts and continuations become a model's inputs: behind each other, or with an encoder between.

The rules of truncation and of rolling windows are those of lm-evaluation-harness's `hf` backend.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from models.hf_forward import Input
from models.hf_score import Part
from models.tokens import PromptEncoder, Text

Pair = tuple[list[int], list[int]]  # the ids of a context and of its continuation


class Layout(Protocol):
    """One architecture's way with token ids; all are cut from the left to the longest sequence."""

    max_length: int

    def split(self, encoder: PromptEncoder, contexts: Sequence[Text], continuations: Sequence[str]) -> list[Pair]: ...

    def part(self, context: Sequence[int], continuation: Sequence[int]) -> Part:
        """What is to be computed for log p(continuation | context)."""
        ...

    def excess(self, context: Sequence[int], continuation: Sequence[int]) -> int:
        """Tokens of the context that `part` cuts off."""
        ...

    def windows(self, ids: Sequence[int], prefix_id: int) -> Iterator[Part]:
        """The parts of a whole text's log-likelihood; each token is a target once."""
        ...

    def room(self, new_tokens: int) -> int:
        """The longest prompt that `new_tokens` generated tokens leave room for; none where it is below 1."""
        ...

    def prompt(self, kept: Sequence[int]) -> Input:
        """The input of a prompt to generate after."""
        ...


class CausalLayout:
    """The continuation stands behind its context, in one sequence of at most `max_length` tokens."""

    def __init__(self, max_length: int) -> None:
        self.max_length = max_length

    def split(self, encoder: PromptEncoder, contexts: Sequence[Text], continuations: Sequence[str]) -> list[Pair]:
        return encoder.split(contexts, continuations)

    def part(self, context: Sequence[int], continuation: Sequence[int]) -> Part:
        """The input is all but the last token, of which the last `max_length` are kept."""
        whole = (*context, *continuation)[-(self.max_length + 1) :]
        return Part(whole[:-1], tuple(continuation))

    def excess(self, context: Sequence[int], continuation: Sequence[int]) -> int:
        return max(0, len(context) + len(continuation) - self.max_length - 1)

    def windows(self, ids: Sequence[int], prefix_id: int) -> Iterator[Part]:
        """Disjoint windows of `max_length` predicted tokens. The first starts from the prefix token, the others from
        the last token of the one before; the last window's input is filled up with tokens already scored."""
        for start in range(0, len(ids), self.max_length):
            targets = tuple(ids[start : start + self.max_length])
            if start == 0:
                yield Part((prefix_id, *targets[:-1]), targets)
            else:
                end = start + len(targets)
                yield Part(tuple(ids[end - self.max_length - 1 : end - 1]), targets)

    def room(self, new_tokens: int) -> int:
        return self.max_length - new_tokens

    def prompt(self, kept: Sequence[int]) -> Input:
        return Input(tuple(kept))


class Seq2seqLayout:
    """The encoder reads the context, the decoder the continuation after its start token: `max_length` tokens each."""

    def __init__(self, max_length: int, start_id: int) -> None:
        self.max_length = max_length
        self._start = start_id

    def split(self, encoder: PromptEncoder, contexts: Sequence[Text], continuations: Sequence[str]) -> list[Pair]:
        return encoder.split_apart(contexts, continuations)

    def part(self, context: Sequence[int], continuation: Sequence[int]) -> Part:
        return Part((self._start, *continuation[:-1]), tuple(continuation), tuple(context[-self.max_length :]))

    def excess(self, context: Sequence[int], continuation: Sequence[int]) -> int:
        return max(0, len(context) - self.max_length)

    def windows(self, ids: Sequence[int], prefix_id: int) -> Iterator[Part]:
        """The windows of a causal model, their targets in the decoder and what stands before these in the encoder."""
        for start in range(0, len(ids), self.max_length):
            targets = ids[start : start + self.max_length]
            before = ids[start + len(targets) - self.max_length - 1 : start] if start else [prefix_id]
            yield self.part(before, targets)

    def room(self, new_tokens: int) -> int:
        return self.max_length if new_tokens <= self.max_length else 0

    def prompt(self, kept: Sequence[int]) -> Input:
        return Input((self._start,), tuple(kept))
