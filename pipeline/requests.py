"""Requests to an engine and their results: the contract between tasks, which ask, and engines, which answer.

Structs alone; no rendering, no batching. A request's `key` names its entry in the memo (see `pipeline/memo.py`).
"""

from __future__ import annotations

from typing import Literal, TypedDict

import msgspec


class Message(TypedDict):
    """One turn of a dialogue, before any chat template."""

    role: str
    content: str


# A plain text, sent as it is, or messages, rendered by the engine's chat template. Messages that end with the
# assistant's turn are a prefill: the model continues that turn.
Prompt = str | list[Message]

RequestType = Literal["generate_until", "loglikelihood", "loglikelihood_rolling", "next_token"]
# Which token stands for a candidate. `either`: its own where it is one token, and the first one of it after a space
# (the better of the two counts). `last`: the last token of the candidate as it is given, with what stands before it.
CandidateRule = Literal["either", "last"]


class GenerationSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The effective decoding parameters of a request; neutral values are explicit."""

    max_gen_toks: int = 256
    until: tuple[str, ...] = ()
    temperature: float = 0.0  # 0 is greedy
    top_p: float = 1.0
    top_k: int = 0  # 0 keeps all tokens
    min_p: float = 0.0
    repetition_penalty: float = 1.0

    @property
    def greedy(self) -> bool:
        return self.temperature == 0.0


class GenerateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for one continuation of `prompt`. `seed` is None for greedy decoding."""

    key: str
    prompt: Prompt
    generation: GenerationSettings
    seed: int | None = None
    adapter: str | None = None  # the name given to `Engine.add_adapter`; None asks the base


class ScoreRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for log p(continuation | context) of each continuation of one context."""

    key: str
    context: Prompt
    continuations: tuple[str, ...]
    adapter: str | None = None


class RollingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for the log-likelihood of a whole text, each token scored once."""

    key: str
    text: str
    adapter: str | None = None


class NextTokenRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for the log-probability of each candidate as the next token after `prompt`."""

    key: str
    prompt: Prompt
    candidates: tuple[str, ...]
    rule: CandidateRule = "either"
    adapter: str | None = None


Request = GenerateRequest | ScoreRequest | RollingRequest | NextTokenRequest


class GenerateResult(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="text"):
    """One generated text, cut before its stop string."""

    key: str
    text: str
    finish_reason: Literal["stop", "length"]  # stop: an end-of-sequence token or a stop string
    prompt_tokens: int
    completion_tokens: int
    truncated_tokens: int = 0  # prompt tokens dropped from the left


class ScoreResult(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="scores"):
    """Sums of log-probabilities (natural log, summed in float64), one a continuation or candidate."""

    key: str
    logprobs: tuple[float, ...]
    greedy: tuple[bool, ...]  # whether the continuation is what greedy decoding would have given
    completion_tokens: tuple[int, ...]
    prompt_tokens: int
    truncated_tokens: int = 0


class CallFailure(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="failure"):
    """A call that failed for this request alone; it becomes an error row."""

    key: str
    type: str
    message: str
    deterministic: bool = False  # the same request would fail again: a context too long, say


Result = GenerateResult | ScoreResult | CallFailure
