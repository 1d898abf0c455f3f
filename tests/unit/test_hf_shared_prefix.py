"""Rows that begin alike are computed once and score as they do alone, over architectures that allow it and do not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

from models.batching import TokenBudget
from models.hf_forward import CausalForward
from models.hf_score import Part, Question, score
from models.packed_rows import packed_rows
from models.prefix_tree import plan
from models.token_scores import TokenScore
from pipeline.requests import CallFailure, ScoreResult

VOCABULARY = 300
SMALL = {"num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4, "vocab_size": VOCABULARY}
WIDE = {"intermediate_size": 96, "num_key_value_heads": 2, "max_position_embeddings": 2048}
KINDS: dict[str, dict[str, Any]] = {
    "llama": SMALL | WIDE,
    "qwen2": SMALL | WIDE,
    "mistral": SMALL | WIDE | {"sliding_window": 600},
    "gemma2": SMALL | WIDE | {"head_dim": 16, "sliding_window": 600},
    "gpt2": {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 2048, "vocab_size": VOCABULARY},
    "gpt_neox": SMALL | {"intermediate_size": 96, "max_position_embeddings": 2048},
    "opt": SMALL | {"ffn_dim": 96, "max_position_embeddings": 2048, "word_embed_proj_dim": 64, "dropout": 0.0},
}


def made(kind: str, attention: str = "sdpa", **changes: Any) -> Any:
    """A random model of some architecture whose attention matters."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    settings = KINDS.get(kind, {}) | changes
    config = AutoConfig.for_model(kind, **settings, attn_implementation=attention, tie_word_embeddings=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model: Any = AutoModelForCausalLM.from_config(config)
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1 and "norm" not in name:
                torch.nn.init.normal_(parameter, std=0.2)
    return model.eval().requires_grad_(False)


def ids(start: int, count: int) -> tuple[int, ...]:
    return tuple((7 + (start + at) * 7919) % VOCABULARY for at in range(count))


def questions(documents: int = 24, shots: int = 90, context: int = 20, endings: int = 4) -> list[Question]:
    """Multiple choice: one long beginning, documents of their own length, endings that are given to all."""
    asked = []
    for document in range(documents):
        head = ids(0, shots) + ids(1000 + 50 * document, context + document % 5)
        parts = []
        for ending in range(endings):
            targets = ids(9000 + 10 * ending, 2 + ending)
            parts.append(Part(head + targets[:-1], targets))
        asked.append(question(str(document), parts))
    return asked


def question(key: str, parts: Sequence[Part]) -> Question:
    def assemble(scores: list[TokenScore]) -> ScoreResult:
        return ScoreResult(
            key=key,
            logprobs=tuple(one.logprob for one in scores),
            greedy=tuple(one.greedy for one in scores),
            completion_tokens=tuple(len(part.targets) for part in parts),
            prompt_tokens=0,
        )

    return Question(key, tuple(parts), assemble)


class Counted:
    """Counts the tokens that a forward computes, padding left in, and the cached ones that its rows look at."""

    def __init__(self, forward: CausalForward, monkeypatch: pytest.MonkeyPatch) -> None:
        self.computed = 0
        self.widest = 0
        run = forward.run

        def counting(given: Any, keep: int, **arguments: Any) -> Any:
            self.computed += given.numel()
            cache = arguments.get("past_key_values")
            self.widest = max(self.widest, given.numel() + given.shape[0] * (cache.get_seq_length() if cache else 0))
            return run(given, keep, **arguments)

        monkeypatch.setattr(forward, "run", counting)


def answers(forward: CausalForward, asked: Sequence[Question], budget: TokenBudget) -> dict[str, Any]:
    found = {result.key: result for result in score(forward, asked, budget)}
    assert len(found) == len(asked)
    return found


def assert_equal(found: dict[str, Any], alone: dict[str, Any]) -> None:
    assert found.keys() == alone.keys()
    for key, result in found.items():
        assert result.greedy == alone[key].greedy
        for one, other in zip(result.logprobs, alone[key].logprobs, strict=True):
            assert abs(one - other) <= 2e-4 + 1e-6 * abs(other)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_shared_rows_score_as_alone(kind: str, attention: str, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = CausalForward(made(kind, attention))
    asked = questions()
    alone = answers(forward, asked, TokenBudget(2000, 1))
    counted = Counted(forward, monkeypatch)
    assert_equal(answers(forward, asked, TokenBudget(2000, 64)), alone)
    assert counted.computed < sum(len(part.ids) for one in asked for part in one.parts) / 4


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("bloom", {"hidden_size": 64, "n_layer": 2, "n_head": 4, "vocab_size": VOCABULARY}),  # ALiBi
        ("mistral", {"sliding_window": 40}),
        ("llama", {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}}),
        ("mamba", SMALL | {"state_size": 4}),
    ],
)
def test_models_that_cannot_share_get_plain_rows(
    kind: str, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    attention = "sdpa" if kind in KINDS else "eager"
    forward = CausalForward(made(kind, attention, **changes))
    asked = questions(6)
    alone = answers(forward, asked, TokenBudget(2000, 1))
    monkeypatch.setattr(forward._trial, "passed", None)
    assert_equal(answers(forward, asked, TokenBudget(2000, 64)), alone)
    packed = forward.packed()
    assert packed.longest < 100 or not packed.works()
