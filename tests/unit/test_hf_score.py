"""Scores of the embedded engine: equal to a plain computation one at a time, shared work and truncation included."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.hf import HfEngine
from models.hf_score import Part
from models.layouts import CausalLayout
from pipeline.config import EngineSettings
from pipeline.requests import CallFailure, NextTokenRequest, RollingRequest, ScoreRequest, ScoreResult
from tests.tiny_models import CORPUS, Kind, make_base

CONTEXTS = ("Answer:", "The cats that the dog", "今天天气 ", "", "Question: 17 + 25?\n", CORPUS[3] * 2)
CONTINUATIONS = (" A", " B", " chases run away", "很好", "\n", "A")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("score")
    for kind in ("llama", "gpt2", "qwen2"):
        make_base(root / kind, kind)  # type: ignore[arg-type]
    return root


@pytest.fixture(scope="module")
def engine(root: Path) -> Iterator[HfEngine]:
    with HfEngine(root / "llama", EngineSettings()) as engine:
        yield engine


def plain(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def logprobs_of(model: Any, ids: list[int]) -> Any:
    """[positions, vocabulary] in float64."""
    import torch

    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].double().log_softmax(-1)


def plain_score(model: Any, tokenizer: Any, context: str, continuation: str) -> tuple[float, bool]:
    stripped = context.rstrip()
    head = tokenizer(stripped).input_ids
    whole = tokenizer(stripped + context[len(stripped) :] + continuation).input_ids
    logprobs = logprobs_of(model, whole)
    values = [float(logprobs[at - 1, whole[at]]) for at in range(len(head), len(whole))]
    greedy = [int(logprobs[at - 1].argmax()) == whole[at] for at in range(len(head), len(whole))]
    return sum(values), all(greedy)


def only(results: Iterator[ScoreResult | CallFailure]) -> ScoreResult:
    (result,) = results
    assert isinstance(result, ScoreResult)
    return result


def all_requests() -> list[ScoreRequest]:
    return [ScoreRequest(key=context, context=context, continuations=CONTINUATIONS) for context in CONTEXTS]


@pytest.mark.parametrize("kind", ["llama", "gpt2", "qwen2"])
def test_batches_equal_one_at_a_time(kind: Kind, root: Path) -> None:
    model, tokenizer = plain(root / kind)
    with HfEngine(root / kind, EngineSettings(batch_tokens=100)) as engine:
        found = {result.key: result for result in engine.loglikelihood(all_requests())}
    assert len(found) == len(CONTEXTS)
    for context in CONTEXTS:
        result = found[context]
        assert isinstance(result, ScoreResult)
        for place, continuation in enumerate(CONTINUATIONS):
            logprob, greedy = plain_score(model, tokenizer, context, continuation)
            assert abs(result.logprobs[place] - logprob) <= 2e-4 + 1e-6 * abs(logprob)
            assert result.greedy[place] == greedy


def test_greedy_flag_is_true_for_what_the_model_would_say(engine: HfEngine, root: Path) -> None:
    model, tokenizer = plain(root / "llama")
    found = 0
    for context in ("Answer:", "The quick brown fox jumps over", "A", "42", *CORPUS):
        ids = tokenizer(context).input_ids
        best = tokenizer.decode([int(logprobs_of(model, ids)[-1].argmax())])
        if len(tokenizer(context + best).input_ids) == len(ids) + 1 and context == context.rstrip():
            requests = [ScoreRequest(key="k", context=context, continuations=(best, " zebra"))]
            assert only(engine.loglikelihood(requests)).greedy[1] is False
            found += tokenizer(context + best).input_ids[:-1] == ids and "�" not in best
            assert only(engine.loglikelihood(requests)).greedy[0] is ("�" not in best)
    assert found > 2


def test_deterministic_results_are_equal_to_the_bit(root: Path) -> None:
    requests = all_requests()
    with HfEngine(root / "llama", EngineSettings(deterministic=True)) as engine:
        together = {result.key: result for result in engine.loglikelihood(requests)}
        backwards = {result.key: result for result in engine.loglikelihood(requests[::-1])}
        alone = {request.key: only(engine.loglikelihood([request])) for request in requests}
    assert together == alone == backwards


def test_one_token_continuations_of_a_context_share_one_row(engine: HfEngine, monkeypatch: Any) -> None:
    rows = []
    forward = engine._forwards[None]
    pad = forward.pad
    monkeypatch.setattr(forward, "pad", lambda batch: rows.append(len(batch)) or pad(batch))
    letters = ("A", "B", "1", "2")
    assert {len(ids) for ids in engine._encoders[None].encode_plain(letters)} == {1}
    requests = [ScoreRequest(key=str(at), context="Choices:", continuations=letters) for at in range(3)]
    assert len(list(engine.loglikelihood(requests))) == 3
    assert rows == [1]


def test_one_input_may_be_asked_about_runs_of_different_length(engine: HfEngine, root: Path) -> None:
    """Two splits of one text end in the same input: each is scored on its own positions."""
    model, tokenizer = plain(root / "llama")
    pairs = [("The quick", " brown fox jumps"), ("The quick brown", " fox jumps"), ("The quick brown fox", " jumps")]
    requests = [ScoreRequest(key=context, context=context, continuations=(rest,)) for context, rest in pairs]
    found = {result.key: result for result in engine.loglikelihood(requests)}
    for context, rest in pairs:
        result = found[context]
        assert isinstance(result, ScoreResult)
        assert result.logprobs[0] == pytest.approx(plain_score(model, tokenizer, context, rest)[0], abs=2e-4)


def test_left_truncation_is_counted_and_keeps_the_continuation(root: Path) -> None:
    model, tokenizer = plain(root / "llama")
    context, continuation = " ".join(CORPUS).strip(), " A B"
    with HfEngine(root / "llama", EngineSettings(max_length=32)) as engine:
        result = only(engine.loglikelihood([ScoreRequest(key="k", context=context, continuations=(continuation,))]))
    whole = tokenizer(context + continuation).input_ids
    head = len(tokenizer(context).input_ids)
    assert result.truncated_tokens == len(whole) - 33
    kept = whole[-33:]
    targets = range(33 - (len(whole) - head), 33)
    logprobs = logprobs_of(model, kept[:-1])
    expected = sum(float(logprobs[at - 1, kept[at]]) for at in targets)
    assert result.logprobs[0] == pytest.approx(expected, abs=2e-4)
    assert result.completion_tokens == (len(targets),)
    assert result.prompt_tokens + len(targets) == 33


def test_a_continuation_longer_than_the_model_fails_alone(root: Path) -> None:
    with HfEngine(root / "llama", EngineSettings(max_length=16)) as engine:
        requests = [
            ScoreRequest(key="long", context="A", continuations=(" x", CORPUS[5] + CORPUS[0][::-1])),
            ScoreRequest(key="short", context="A", continuations=(" x",)),
        ]
        found = {result.key: result for result in engine.loglikelihood(requests)}
    failure = found["long"]
    assert isinstance(failure, CallFailure)
    assert failure.type == "ContextTooLong"
    assert failure.deterministic
    assert "16" in failure.message
    assert isinstance(found["short"], ScoreResult)


def test_nothing_to_score(engine: HfEngine) -> None:
    result = only(engine.loglikelihood([ScoreRequest(key="k", context="A", continuations=("", " B"))]))
    assert (result.logprobs[0], result.greedy[0], result.completion_tokens[0]) == (0.0, True, 0)
    assert result.logprobs[1] < 0


def test_rolling_windows_score_each_token_once() -> None:
    ids = list(range(100, 110))
    assert list(CausalLayout(4).windows(ids, 1)) == [
        Part((1, 100, 101, 102), (100, 101, 102, 103)),
        Part((103, 104, 105, 106), (104, 105, 106, 107)),
        Part((105, 106, 107, 108), (108, 109)),
    ]
    assert list(CausalLayout(4).windows(ids[:2], 1)) == [Part((1, 100), (100, 101))]
    assert list(CausalLayout(4).windows([], 1)) == []


def test_rolling_sums_a_whole_text(engine: HfEngine, root: Path) -> None:
    model, tokenizer = plain(root / "llama")
    text = CORPUS[0]
    results = {r.key: r for r in engine.loglikelihood_rolling([RollingRequest(key=t, text=t) for t in (text, "")])}
    ids = [tokenizer.bos_token_id, *tokenizer(text).input_ids]
    logprobs = logprobs_of(model, ids)
    expected = sum(float(logprobs[at - 1, ids[at]]) for at in range(1, len(ids)))
    result = results[text]
    assert isinstance(result, ScoreResult)
    assert result.logprobs[0] == pytest.approx(expected, abs=2e-4)
    assert result.completion_tokens == (len(ids) - 1,)
    empty = results[""]
    assert isinstance(empty, ScoreResult)


def test_next_token_takes_the_better_of_both_spellings(engine: HfEngine, root: Path) -> None:
    model, tokenizer = plain(root / "llama")
    prompt, candidates = "The answer is", ("A", "B", "zebra", "{")
    result = only(engine.next_token([NextTokenRequest(key="k", prompt=prompt, candidates=candidates)]))
    logprobs = logprobs_of(model, tokenizer(prompt).input_ids)[-1]
    for candidate, logprob in zip(candidates, result.logprobs, strict=True):
        own = tokenizer(candidate, add_special_tokens=False).input_ids
        spaced = tokenizer(" " + candidate, add_special_tokens=False).input_ids[0]
        ids = ([own[0]] if len(own) == 1 else []) + ([spaced] if tokenizer.decode([spaced]).strip() else [])
        ids = ids or own[:1]  # "zebra": several tokens, and behind a space nothing but the space
        assert logprob == pytest.approx(max(float(logprobs[one]) for one in ids), abs=2e-4)
    assert sum(math.exp(value) for value in result.logprobs) < 1
    assert result.greedy == (False,) * 4


def test_next_token_knows_the_most_probable(engine: HfEngine, root: Path) -> None:
    model, tokenizer = plain(root / "llama")
    found = 0
    for prompt in ("The answer is", "A", "Answer:", "Question: What", "42", *CORPUS):
        best = tokenizer.decode([int(logprobs_of(model, tokenizer(prompt).input_ids)[-1].argmax())])
        if len(tokenizer(best, add_special_tokens=False).input_ids) == 1:  # no part of a character
            request = NextTokenRequest(key="k", prompt=prompt, candidates=(best, "~"))
            assert only(engine.next_token([request])).greedy == (True, False)
            found += 1
    assert found > 2


def test_logits_that_are_not_finite_fail_and_give_no_number(root: Path) -> None:
    import torch

    with HfEngine(root / "llama", EngineSettings()) as engine:
        head = engine._forward.model.get_output_embeddings().weight
        with torch.no_grad():
            head[7] = math.nan
        requests = all_requests()
        results = list(engine.loglikelihood(requests))
        results += engine.next_token([NextTokenRequest(key="n", prompt="A", candidates=("A", "B"))])
        results += engine.loglikelihood_rolling([RollingRequest(key="r", text="A b c")])
    assert len(results) == len(requests) + 2
    assert {type(result) for result in results} == {CallFailure}
    assert {result.type for result in results if isinstance(result, CallFailure)} == {"NonFiniteLogits"}
