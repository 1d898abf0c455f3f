"""The engine on Llama, Qwen2, GPT-2 and T5 shapes against a plain computation with transformers, one row at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.hf import HfEngine
from pipeline.config import EngineSettings
from pipeline.requests import (
    GenerateRequest,
    GenerateResult,
    GenerationSettings,
    NextTokenRequest,
    RollingRequest,
    ScoreRequest,
    ScoreResult,
)
from tests.tiny_models import CORPUS, Kind, make_base

CONTEXTS = ("Answer:", "The cats that the dog", "今天天气 ", "Question: 17 + 25?\n", *CORPUS[:3], " ".join(CORPUS[2:6]))
CONTINUATIONS = (" A", " B", " chases run away", "很好，我们一起去公园", "\n", " The answer is (A).")
BATCHES = (
    EngineSettings(batch_tokens=4096),
    EngineSettings(batch_tokens=150),
    EngineSettings(max_batch_size=3),
    EngineSettings(deterministic=True),
)


class Plain:
    """transformers' model called with nothing but one row's ids."""

    def __init__(self, folder: Path, kind: Kind) -> None:
        from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

        self.encodes = kind == "t5"
        self.model: Any = (AutoModelForSeq2SeqLM if self.encodes else AutoModelForCausalLM).from_pretrained(folder)
        self.model.eval()
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)

    def ids(self, text: str, special: bool = True) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=special).input_ids)

    def logprobs(self, context: list[int], continuation: list[int]) -> Any:
        """[tokens of the continuation, vocabulary] in float64."""
        import torch

        with torch.no_grad():
            if self.encodes:
                logits = self.model(torch.tensor([context]), labels=torch.tensor([continuation])).logits[0]
            else:
                logits = self.model(torch.tensor([[*context, *continuation]])).logits[0, len(context) - 1 : -1]
        return logits.double().log_softmax(-1)

    def score(self, context: str, continuation: str) -> tuple[float, bool]:
        head = context.rstrip()
        before = self.ids(head)
        if self.encodes:
            after = self.ids(context[len(head) :] + continuation, special=False)
        else:
            after = self.ids(context + continuation)[len(before) :]
        logprobs = self.logprobs(before, after)
        best = logprobs.argmax(-1).tolist()
        return math.fsum(float(row[token]) for row, token in zip(logprobs, after, strict=True)), best == after

    def continued(self, prompt: str, tokens: int) -> str:
        import torch

        ids = torch.tensor([self.ids(prompt)])
        with torch.no_grad():
            # Without a cache: transformers' own does not know of decoders with more layers than their encoder.
            whole = self.model.generate(ids, max_new_tokens=tokens, do_sample=False, use_cache=False)
        return str(self.tokenizer.decode(whole[0, 1 if self.encodes else ids.shape[1] :], skip_special_tokens=True))


def close(ours: float, theirs: float) -> bool:
    return abs(ours - theirs) <= 2e-4 + 1e-6 * abs(theirs)


@pytest.fixture(scope="module", params=["llama", "qwen2", "gpt2", "t5"])
def shape(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Plain]:
    folder = make_base(tmp_path_factory.mktemp("shapes") / request.param, request.param)
    return folder, Plain(folder, request.param)


@pytest.fixture(scope="module", params=BATCHES, ids=["large", "small", "three rows", "deterministic"])
def engine(request: Any, shape: tuple[Path, Plain]) -> Iterator[HfEngine]:
    with HfEngine(shape[0], request.param) as engine:
        yield engine


def test_loglikelihoods(engine: HfEngine, shape: tuple[Path, Plain]) -> None:
    requests = [ScoreRequest(key=context, context=context, continuations=CONTINUATIONS) for context in CONTEXTS]
    found = {result.key: result for result in engine.loglikelihood(requests)}
    assert found.keys() == set(CONTEXTS)
    values = set()
    for context in CONTEXTS:
        result = found[context]
        assert isinstance(result, ScoreResult)
        for continuation, logprob, greedy in zip(CONTINUATIONS, result.logprobs, result.greedy, strict=True):
            expected, best = shape[1].score(context, continuation)
            assert close(logprob, expected), (context, continuation)
            assert greedy is best
            values.add(round(expected, 3))
    assert len(values) > len(CONTEXTS) * len(CONTINUATIONS) * 0.9  # the model tells them apart


def test_next_tokens(engine: HfEngine, shape: tuple[Path, Plain]) -> None:
    plain, candidates = shape[1], ("A", "B", "C")
    requests = [NextTokenRequest(key=context, prompt=context, candidates=candidates) for context in CONTEXTS]
    for result in engine.next_token(requests):
        assert isinstance(result, ScoreResult)
        for candidate, logprob in zip(candidates, result.logprobs, strict=True):
            first = [plain.ids(space + candidate, special=False)[0] for space in ("", " ")]
            ids = [one for one in first if plain.tokenizer.decode([one]).strip()]  # no space alone
            (logprobs,) = plain.logprobs(plain.ids(result.key), ids[:1])
            assert close(logprob, max(float(logprobs[one]) for one in ids))


def test_rolling(engine: HfEngine, shape: tuple[Path, Plain]) -> None:
    plain = shape[1]
    prefix = plain.tokenizer.bos_token_id or plain.tokenizer.eos_token_id
    for result in engine.loglikelihood_rolling([RollingRequest(key=text, text=text) for text in CORPUS]):
        assert isinstance(result, ScoreResult)
        ids = plain.ids(result.key)
        logprobs = plain.logprobs([prefix], ids)
        assert close(result.logprobs[0], math.fsum(float(row[token]) for row, token in zip(logprobs, ids, strict=True)))


def test_greedy_texts(engine: HfEngine, shape: tuple[Path, Plain]) -> None:
    settings = GenerationSettings(max_gen_toks=20)
    requests = [GenerateRequest(key=context, prompt=context, generation=settings) for context in CONTEXTS]
    texts = {}
    for result in engine.generate(requests):
        assert isinstance(result, GenerateResult)
        texts[result.key] = result.text
        assert result.text == shape[1].continued(result.key, 20)
    assert len(set(texts.values())) > 2


def test_samples_do_not_depend_on_the_batch(shape: tuple[Path, Plain]) -> None:
    settings = [GenerationSettings(max_gen_toks=12, temperature=0.8, top_p=top_p) for top_p in (1.0, 0.9)]
    requests = [
        GenerateRequest(key=f"{context} {seed}", prompt=context, generation=settings[seed % 2], seed=seed)
        for context in CONTEXTS
        for seed in range(3)
    ]
    found = []
    for batches in BATCHES:
        with HfEngine(shape[0], batches) as engine:
            found.append({result.key: result for result in engine.generate(requests[:: 1 - 2 * (len(found) % 2)])})
    assert all(one == found[0] for one in found)
    texts = {result.text for result in found[0].values() if isinstance(result, GenerateResult)}
    assert len(texts) > len(requests) * 0.9
