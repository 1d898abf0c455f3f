"""Rows that begin alike are computed once and score as they do alone, over architectures that allow it and do not."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from models.batching import TokenBudget, in_batches
from models.engine import Adapter
from models.hf import HfEngine
from models.hf_forward import CausalForward
from models.hf_score import Part, Question, score
from models.packed_forward import PackedForward
from models.packed_rows import PackedRows, packed_rows
from models.prefix_tree import plan
from models.token_scores import TokenScore
from pipeline.config import EngineSettings
from pipeline.requests import CallFailure, ScoreRequest, ScoreResult
from tests.tiny_models import CORPUS, make_adapter, make_base

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
    """Tokens start, start + 1 ... of one endless sequence without a period; the vocabulary's last does not occur."""
    return tuple((((start + at) * 2654435761) % 2**32 >> 7) % (VOCABULARY - 1) for at in range(count))


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


def test_a_configuration_that_says_nothing_about_layers_gets_plain_rows() -> None:
    model = made("llama")
    asked = questions(4)
    alone = answers(CausalForward(model), asked, TokenBudget(2000, 1))
    model.config = SimpleNamespace(_attn_implementation="sdpa", return_dict=True)
    forward = CausalForward(model)
    assert forward.packed().longest == 0
    assert_equal(answers(forward, asked, TokenBudget(2000, 64)), alone)


@pytest.mark.parametrize("tokens", [1, 50, 130])
def test_a_small_budget_gives_the_same_scores(tokens: int) -> None:
    forward = CausalForward(made("gpt2"))
    asked = questions(6)
    alone = answers(forward, asked, TokenBudget(2000, 1))
    assert_equal(answers(forward, asked, TokenBudget(tokens, 64)), alone)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("ignored", ["position_ids", "attention_mask"])
def test_a_model_that_ignores_what_packs_need_is_found_out(
    ignored: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    model = made("llama").to(getattr(torch, dtype))
    forward = model.forward

    def without(**arguments: Any) -> Any:
        if getattr(arguments.get("attention_mask"), "ndim", 0) == 4:
            del arguments[ignored]
        return forward(**arguments)

    assert CausalForward(model).packed().works()
    monkeypatch.setattr(model, "forward", without)
    assert not CausalForward(model).packed().works()


def test_everything_may_be_scored_and_one_row_may_begin_another() -> None:
    """Whole texts: what rows have in common has scores of its own, and no prefix of theirs is run without logits."""
    forward = CausalForward(made("llama"))
    texts = [ids(0, 40 + at // 2) + ids(4000 + 30 * at, at) for at in range(1, 20)]
    texts += [text[:-at] for at, text in enumerate(texts[4:8], start=1)]
    asked = [question(str(at), [Part((1, *text[:-1]), text)]) for at, text in enumerate(texts)]
    asked += [question(f"end of {at}", [Part((1, *text[:-1]), text[-3:])]) for at, text in enumerate(texts)]
    assert_equal(answers(forward, asked, TokenBudget(800, 64)), answers(forward, asked, TokenBudget(800, 1)))


def test_cached_prefixes_count_in_the_budget_and_are_freed_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    import weakref

    forward = CausalForward(made("llama"))
    asked = questions(40) + [
        question(f"other {at}", [Part(ids(5000, 80) + ids(20000 + 77 * at, 12), ids(1, 3))]) for at in range(80)
    ]
    alive: list[Any] = []
    run_prefix = PackedForward.prefix

    def watched(self: PackedForward, given: Sequence[int]) -> Any:
        assert [one for one in alive if one() is not None] == []
        assert len(given) >= 80
        cache = run_prefix(self, given)
        alive.append(weakref.ref(cache.layers[0].keys))
        return cache

    forward.packed().works()
    counted = Counted(forward, monkeypatch)
    monkeypatch.setattr(PackedForward, "prefix", watched)
    answers(forward, asked, TokenBudget(600, 64))
    assert len(alive) == 2
    assert counted.widest <= 600
    assert [one for one in alive if one() is not None] == []


def test_results_come_before_all_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    forward = CausalForward(made("llama"))
    asked = questions(60)
    forward.packed().works()
    counted = Counted(forward, monkeypatch)
    results = score(forward, asked, TokenBudget(600, 64))
    next(results)
    first = counted.computed
    assert len(list(results)) == len(asked) - 1
    assert counted.computed > 2 * first


def test_what_is_not_finite_fails_alone() -> None:
    import torch

    model = made("llama")
    asked = questions(12)
    bad = question("bad", [Part((*ids(0, 90), VOCABULARY - 1, *ids(70, 5)), (3, 4))])
    with torch.no_grad():
        model.get_input_embeddings().weight[VOCABULARY - 1] = math.nan
    assert all(VOCABULARY - 1 not in part.ids for one in asked for part in one.parts)
    found = answers(CausalForward(model), [*asked, bad], TokenBudget(2000, 64))
    assert isinstance(found["bad"], CallFailure)
    assert found.pop("bad").type == "NonFiniteLogits"
    assert_equal(found, answers(CausalForward(model), asked, TokenBudget(2000, 1)))


def test_rows_whose_pack_does_not_fit_are_computed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory runs out on any pass of more than one row or of a packed row: all answers come all the same."""
    import torch

    forward = CausalForward(made("llama"))
    asked = questions(10)
    alone = answers(forward, asked, TokenBudget(2000, 1))
    forward.packed().works()
    run = forward.run

    def limited(given: Any, keep: int, **arguments: Any) -> Any:
        if given.numel() > 130:
            torch.empty(2**60, dtype=torch.uint8)
        return run(given, keep, **arguments)

    monkeypatch.setattr(forward, "run", limited)
    assert_equal(answers(forward, asked, TokenBudget(2000, 64)), alone)


def test_adapters_share_among_their_own_rows(tmp_path: Path) -> None:
    folder = make_base(tmp_path / "base")
    adapter = Adapter("tuned", make_adapter(folder, tmp_path / "adapter"))
    shots = " ".join(CORPUS)
    requests = [
        ScoreRequest(key=f"{name}{at}", context=f"{shots} {at}?", continuations=(" A B", " C d"), adapter=name)
        for at in range(20)
        for name in (None, "tuned")
    ]
    found: dict[bool, dict[str, Any]] = {}
    for deterministic in (True, False):
        with HfEngine(folder, EngineSettings(deterministic=deterministic), adapters=[adapter]) as engine:
            found[deterministic] = {one.key: one for one in engine.loglikelihood(requests)}
    assert_equal(found[False], found[True])
    assert all(
        abs(found[True][f"None{at}"].logprobs[0] - found[True][f"tuned{at}"].logprobs[0]) > 1e-2 for at in range(20)
    )


def test_batches_with_enough_tokens_take_no_narrow_rows() -> None:
    batches: list[list[int]] = []
    items = [100, 99, 90, 84, 50, 49, 20, 20, 20, 19, 3]
    budget = TokenBudget(tokens=10_000, max_rows=64)
    list(in_batches(items, lambda item: item, lambda batch: batches.append(batch) or batch, budget, enough=100))
    assert batches == [[100, 99, 90], [84, 50], [49, 20, 20], [20, 19, 3]]


@pytest.mark.parametrize("size", [32, 512])
def test_plans_hold_every_row_once(size: int) -> None:
    """Random rows that grow out of each other: packs say rightly what their rows have in common and how large they
    are."""
    numbers = random.Random(size)
    for _ in range(60):
        rows: list[tuple[int, ...]] = [(1,)]
        for _ in range(numbers.randrange(1, 80)):
            old = numbers.choice(rows)
            kept = old[: numbers.randrange(1, len(old) + 1)]
            rows.append(kept + tuple(numbers.randrange(3) for _ in range(numbers.randrange(1, 60))))
        rows = list(dict.fromkeys(rows))
        free = [numbers.randrange(len(row)) for row in rows]
        found = plan(rows, free, size)
        packs = [(group.prefix, pack) for group in found.groups for pack in group.packs]
        assert sorted([*found.plain, *(place for _, pack in packs for place in pack.rows)]) == list(range(len(rows)))
        for prefix, pack in packs:
            members = [rows[place] for place in pack.rows]
            assert {member[:prefix] for member in members} == {members[0][:prefix]}
            assert prefix <= min(free[place] for place in pack.rows)
            assert list(pack.shared[1:]) == [common(*pair) for pair in pairwise(members)]
            tree = {member[:end] for member in members for end in range(prefix + 1, len(member) + 1)}
            assert pack.tokens == len(tree)
            assert pack.tokens <= 2 * size or len(members) == 1
            lengths = [len(rows[place]) - free[place] for place in pack.rows]
            assert_packed(members, packed_rows(members, pack.shared, lengths, prefix), lengths, prefix)
        computed = sum(pack.tokens for _, pack in packs) + sum(group.prefix for group in found.groups)
        assert computed + sum(len(rows[place]) for place in found.plain) <= sum(map(len, rows))


def common(one: Sequence[int], other: Sequence[int]) -> int:
    return next(
        (at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), min(len(one), len(other))
    )


def assert_packed(members: Sequence[tuple[int, ...]], packed: PackedRows, lengths: Sequence[int], prefix: int) -> None:
    """Each scored token sees exactly the tokens of its own row, in their order."""
    begin = len(packed.ids) - packed.scored
    for member, spots, length in zip(members, packed.spots, lengths, strict=True):
        assert len(spots) == length
        for back, spot in enumerate(reversed(spots)):
            number = packed.numbers[begin + spot]
            seen = [
                (packed.positions[at], packed.ids[at])
                for at in range(len(packed.ids))
                if packed.numbers[at] <= number < packed.ends[at]
            ]
            assert sorted(seen) == list(enumerate(member))[prefix : len(member) - back]


def test_what_shares_too_little_stays_plain() -> None:
    rows = [(1, *ids(100 * at, 40)) for at in range(30)]
    found = plan(rows, [len(row) - 1 for row in rows])
    assert (found.groups, sorted(found.plain)) == ((), list(range(30)))
    assert plan([], []).plain == ()


def test_a_prefix_of_each_subject_is_better_than_one_of_all() -> None:
    header = ids(0, 20)
    rows = [
        header + ids(500 * subject, 300) + ids(10000 + 100 * subject + 7 * document, 30)
        for subject in range(3)
        for document in range(40)
    ]
    found = plan(rows, [len(row) - 1 for row in rows])
    assert len(found.groups) == 3
    assert all(group.prefix >= 320 for group in found.groups)
