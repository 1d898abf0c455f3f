"""What score requests ask in token ids: one question a request, put together from parts of the model's layout.

The rule for next-token candidates is llmtf's; the layout's rules are `layouts.py`, the numbers `hf_score.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from models.hf_score import Part, Question
from models.layouts import Layout, Pair
from models.token_scores import TokenScore
from models.tokens import PromptEncoder, Text
from pipeline.requests import CallFailure, CandidateRule, NextTokenRequest, RollingRequest, ScoreRequest, ScoreResult


def too_long(key: str, what: str, tokens: int, max_length: int) -> CallFailure:
    """The failure of a request that no truncation of its prompt makes fit."""
    return CallFailure(
        key=key,
        type="ContextTooLong",
        message=f"{what} {tokens} tokens, and the model's longest sequence is {max_length}",
        deterministic=True,
    )


def loglikelihood_questions(
    requests: Sequence[ScoreRequest], texts: Sequence[Text], encoder: PromptEncoder, layout: Layout
) -> Iterator[Question | CallFailure]:
    """One question a request, one part a continuation; the context is cut from the left where it is too long."""
    contexts = [text for request, text in zip(requests, texts, strict=True) for _ in request.continuations]
    continuations = [continuation for request in requests for continuation in request.continuations]
    pairs = iter(layout.split(encoder, contexts, continuations))
    for request in requests:
        own = [next(pairs) for _ in request.continuations]
        longest = max((len(continuation) for _, continuation in own), default=0)
        if longest > layout.max_length:
            yield too_long(request.key, "the continuation has", longest, layout.max_length)
        else:
            yield _loglikelihood_question(request.key, own, layout)


def _loglikelihood_question(key: str, pairs: Sequence[Pair], layout: Layout) -> Question:
    parts = tuple(layout.part(context, continuation) for context, continuation in pairs)
    cut = max((layout.excess(context, continuation) for context, continuation in pairs), default=0)

    def assemble(scores: list[TokenScore]) -> ScoreResult:
        return ScoreResult(
            key=key,
            logprobs=tuple(one.logprob for one in scores),
            greedy=tuple(one.greedy for one in scores),
            completion_tokens=tuple(len(continuation) for _, continuation in pairs),
            prompt_tokens=max((len(context) for context, _ in pairs), default=0) - cut,
            truncated_tokens=cut,
        )

    return Question(key, parts, assemble)


def rolling_questions(
    requests: Sequence[RollingRequest], texts: Sequence[Text], encoder: PromptEncoder, layout: Layout
) -> Iterator[Question | CallFailure]:
    """One question a text, one part a window; each token is scored once."""
    for request, ids in zip(requests, encoder.encode(texts), strict=True):
        yield _rolling_question(request.key, len(ids), tuple(layout.windows(ids, encoder.prefix_id)))


def _rolling_question(key: str, tokens: int, parts: tuple[Part, ...]) -> Question:
    def assemble(scores: list[TokenScore]) -> ScoreResult:
        return ScoreResult(
            key=key,
            logprobs=(math.fsum(one.logprob for one in scores),),
            greedy=(all(one.greedy for one in scores),),
            completion_tokens=(tokens,),
            prompt_tokens=0,
        )

    return Question(key, parts, assemble)


def next_token_questions(
    requests: Sequence[NextTokenRequest], texts: Sequence[Text], encoder: PromptEncoder, layout: Layout
) -> Iterator[Question | CallFailure]:
    """One question a request, one part an id that counts as one of its candidates."""
    known: dict[CandidateRule, dict[str, list[int]]] = {}
    for rule in dict.fromkeys(request.rule for request in requests):
        distinct = list(
            dict.fromkeys(one for request in requests if request.rule == rule for one in request.candidates)
        )
        known[rule] = dict(zip(distinct, encoder.candidate_ids(distinct, rule), strict=True))
    for request, ids in zip(requests, encoder.encode(texts), strict=True):
        candidates = [known[request.rule][candidate] for candidate in request.candidates]
        yield _next_token_question(request.key, ids or [encoder.prefix_id], candidates, layout)


def _next_token_question(key: str, prompt: list[int], candidates: Sequence[list[int]], layout: Layout) -> Question:
    parts = tuple(layout.part(prompt, [token]) for ids in candidates for token in ids)
    cut = layout.excess(prompt, [0])  # the same for every single token

    def assemble(scores: list[TokenScore]) -> ScoreResult:
        remaining = iter(scores)
        groups = [[next(remaining) for _ in ids] for ids in candidates]
        return ScoreResult(
            key=key,
            logprobs=tuple(max((one.logprob for one in group), default=-math.inf) for group in groups),
            greedy=tuple(any(one.greedy for one in group) for group in groups),
            completion_tokens=tuple(1 for _ in groups),
            prompt_tokens=len(prompt) - cut,
            truncated_tokens=cut,
        )

    return Question(key, parts, assemble)
