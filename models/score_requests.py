"""What score requests mean in token ids: contexts, truncation, rolling windows, candidates.

The rules are those of lm-evaluation-harness (rolling windows and truncation of its `hf` backend) and llmtf (next
token); the numbers are `hf_score.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from models.hf_score import Part, Question, TokenScore
from models.tokens import PromptEncoder
from pipeline.requests import CallFailure, CandidateRule, NextTokenRequest, RollingRequest, ScoreRequest, ScoreResult

Text = tuple[str, bool]  # a rendered prompt, and whether the tokenizer adds its special tokens


def too_long(key: str, what: str, tokens: int, max_length: int) -> CallFailure:
    """The failure of a request that no truncation of its prompt makes fit."""
    return CallFailure(
        key=key,
        type="ContextTooLong",
        message=f"{what} {tokens} tokens, and the model's longest sequence is {max_length}",
        deterministic=True,
    )


def loglikelihood_questions(
    requests: Sequence[ScoreRequest], texts: Sequence[Text], encoder: PromptEncoder, max_length: int
) -> Iterator[Question | CallFailure]:
    """One question a request, one part a continuation; the context is cut from the left where it is too long."""
    contexts = [text for request, text in zip(requests, texts, strict=True) for _ in request.continuations]
    continuations = [continuation for request in requests for continuation in request.continuations]
    pairs = iter(encoder.split(contexts, continuations))
    for request in requests:
        own = [next(pairs) for _ in request.continuations]
        longest = max((len(continuation) for _, continuation in own), default=0)
        if longest > max_length:
            yield too_long(request.key, "the continuation has", longest, max_length)
        else:
            yield _loglikelihood_question(request.key, own, max_length)


def _loglikelihood_question(key: str, pairs: Sequence[tuple[list[int], list[int]]], max_length: int) -> Question:
    parts = tuple(_part(context, continuation, max_length) for context, continuation in pairs)
    cut = max((len(context) + len(continuation) - max_length - 1 for context, continuation in pairs), default=0)

    def assemble(scores: list[TokenScore]) -> ScoreResult:
        return ScoreResult(
            key=key,
            logprobs=tuple(one.logprob for one in scores),
            greedy=tuple(one.greedy for one in scores),
            completion_tokens=tuple(len(continuation) for _, continuation in pairs),
            prompt_tokens=max((len(context) for context, _ in pairs), default=0) - max(cut, 0),
            truncated_tokens=max(cut, 0),
        )

    return Question(key, parts, assemble)


def _part(context: list[int], continuation: list[int], max_length: int) -> Part:
    """The input is all but the last token, of which the last `max_length` are kept."""
    whole = (context + continuation)[-(max_length + 1) :]
    return Part(tuple(whole[:-1]), tuple(continuation))


def rolling_questions(
    requests: Sequence[RollingRequest], texts: Sequence[Text], encoder: PromptEncoder, max_length: int
) -> Iterator[Question | CallFailure]:
    """One question a text, one part a window; each token is scored once."""
    for request, ids in zip(requests, encoder.encode(texts), strict=True):
        yield _rolling_question(request.key, ids, encoder.prefix_id, max_length)


def _rolling_question(key: str, ids: list[int], prefix_id: int, max_length: int) -> Question:
    parts = tuple(rolling_windows(ids, prefix_id, max_length))

    def assemble(scores: list[TokenScore]) -> ScoreResult:
        return ScoreResult(
            key=key,
            logprobs=(math.fsum(one.logprob for one in scores),),
            greedy=(all(one.greedy for one in scores),),
            completion_tokens=(len(ids),),
            prompt_tokens=0,
        )

    return Question(key, parts, assemble)


def rolling_windows(ids: Sequence[int], prefix_id: int, max_length: int) -> Iterator[Part]:
    """Disjoint windows of `max_length` predicted tokens. The first starts from the prefix token, the others from the
    last token of the one before; the last window's input is filled up with tokens already scored."""
    for start in range(0, len(ids), max_length):
        targets = tuple(ids[start : start + max_length])
        if start == 0:
            yield Part((prefix_id, *targets[:-1]), targets)
        else:
            end = start + len(targets)
            yield Part(tuple(ids[end - max_length - 1 : end - 1]), targets)


def next_token_questions(
    requests: Sequence[NextTokenRequest], texts: Sequence[Text], encoder: PromptEncoder, max_length: int
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
        yield _next_token_question(request.key, ids or [encoder.prefix_id], candidates, max_length)


def _next_token_question(key: str, prompt: list[int], candidates: Sequence[list[int]], max_length: int) -> Question:
    kept = tuple(prompt[-max_length:])
    parts = tuple(Part(kept, (token,)) for ids in candidates for token in ids)

    def assemble(scores: list[TokenScore]) -> ScoreResult:
        remaining = iter(scores)
        groups = [[next(remaining) for _ in ids] for ids in candidates]
        return ScoreResult(
            key=key,
            logprobs=tuple(max((one.logprob for one in group), default=-math.inf) for group in groups),
            greedy=tuple(any(one.greedy for one in group) for group in groups),
            completion_tokens=tuple(1 for _ in groups),
            prompt_tokens=len(kept),
            truncated_tokens=len(prompt) - len(kept),
        )

    return Question(key, parts, assemble)
