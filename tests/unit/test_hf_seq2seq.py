"""Models with an encoder: adapters, prompts encoded once, lengths of encoder and decoder, the choice of architecture."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.engine import Adapter
from models.hf import HfEngine
from models.properties import resolve_architecture
from pipeline.config import EngineSettings
from pipeline.errors import AdapterError, ModelError
from pipeline.requests import (
    CallFailure,
    GenerateRequest,
    GenerateResult,
    GenerationSettings,
    RollingRequest,
    ScoreRequest,
    ScoreResult,
)
from tests.tiny_models import CORPUS, make_adapter, make_base

TEXTS = tuple(text.strip() for text in CORPUS)
EIGHT = GenerationSettings(max_gen_toks=8)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("seq2seq")
    make_base(root / "base", "t5")
    make_adapter(root / "base", root / "lora", scale=0.2)
    make_adapter(root / "base", root / "inert", scale=0)
    make_base(root / "llama")
    return root


@pytest.fixture(scope="module")
def engine(made: Path) -> Iterator[HfEngine]:
    with HfEngine(made / "base", EngineSettings(), adapters=[Adapter("lora", made / "lora")]) as engine:
        yield engine


def test_adapters_of_seq2seq_models(engine: HfEngine, made: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForSeq2SeqLM

    plain: Any = PeftModel.from_pretrained(AutoModelForSeq2SeqLM.from_pretrained(made / "base"), made / "lora").eval()
    requests = [ScoreRequest(key=text, context=text, continuations=(" A", " B c"), adapter="lora") for text in TEXTS]
    base = [ScoreRequest(key=text, context=text, continuations=(" A", " B c")) for text in TEXTS]
    before = {result.key: result for result in engine.loglikelihood(base)}
    for result in engine.loglikelihood(requests):
        assert isinstance(result, ScoreResult)
        encoder = engine._encoders[None]
        (source,) = encoder.encode([(result.key, True)])
        for continuation, logprob in zip((" A", " B c"), result.logprobs, strict=True):
            target = torch.tensor(encoder.encode_plain([continuation]))
            with torch.no_grad():
                logits = plain(torch.tensor([source]), labels=target).logits.double()
            expected = float(logits.log_softmax(-1)[0].gather(-1, target[0][:, None]).sum())
            assert logprob == pytest.approx(expected, abs=2e-4)
    assert {result.key: result for result in engine.loglikelihood(base)} == before


def test_adapters_that_do_not_fit(made: Path, tmp_path: Path) -> None:
    causal = make_adapter(made / "llama", tmp_path / "causal")
    for name, path, message in (("inert", made / "inert", "changes nothing"), ("causal", causal, "CAUSAL_LM")):
        adapters = [Adapter(name, path)]
        with pytest.raises(AdapterError, match=message), HfEngine(made / "base", EngineSettings(), adapters=adapters):
            pass


def test_a_prompt_is_encoded_once_for_all_its_continuations(engine: HfEngine, monkeypatch: Any) -> None:
    seen: list[int] = []
    encoder = engine._forward.model.get_encoder()
    forward = encoder.forward
    monkeypatch.setattr(encoder, "forward", lambda **given: seen.append(len(given["input_ids"])) or forward(**given))
    continuations = (" A", " B", " C d", " e f g")
    requests = [ScoreRequest(key=text, context=text, continuations=continuations) for text in CORPUS[:3]]
    assert len(list(engine.loglikelihood(requests))) == 3
    assert sum(seen) == 3


def test_encoder_and_decoder_have_their_own_lengths(made: Path) -> None:
    long = " ".join(TEXTS)
    with HfEngine(made / "base", EngineSettings(max_length=32)) as engine:
        encoder = engine._encoders[None]
        (ids,) = encoder.encode([(long, True)])
        (scored,) = engine.loglikelihood([ScoreRequest(key="k", context=long, continuations=(" A",))])
        assert isinstance(scored, ScoreResult)
        assert (scored.prompt_tokens, scored.truncated_tokens) == (32, len(ids) - 32)
        settings = GenerationSettings(max_gen_toks=32)
        (text,) = engine.generate([GenerateRequest(key="k", prompt=long, generation=settings)])
        assert isinstance(text, GenerateResult)
        assert (text.prompt_tokens, text.truncated_tokens) == (32, len(ids) - 32)
        settings = GenerationSettings(max_gen_toks=33)
        (failure,) = engine.generate([GenerateRequest(key="k", prompt="A", generation=settings)])
        assert isinstance(failure, CallFailure)
        assert failure.type == "ContextTooLong"
        (failure,) = engine.loglikelihood([ScoreRequest(key="k", context="A", continuations=(long,))])
        assert isinstance(failure, CallFailure)
        (whole,) = engine.loglikelihood_rolling([RollingRequest(key="k", text=long)])
        assert isinstance(whole, ScoreResult)
        assert whole.completion_tokens == (len(ids),)


def test_rows_that_end_early_leave_the_batch(engine: HfEngine) -> None:
    asked = [GenerateRequest(key=text, prompt=text, generation=EIGHT) for text in CORPUS]
    whole = {result.key: result for result in engine.generate(asked)}
    first = whole[CORPUS[0]]
    assert isinstance(first, GenerateResult)
    stop = next(char for char in first.text if char != "�")
    stopped = GenerationSettings(max_gen_toks=8, until=(stop,))
    mixed = [GenerateRequest(key=CORPUS[0], prompt=CORPUS[0], generation=stopped), *asked[1:]]
    found = {result.key: result for result in engine.generate(mixed)}
    assert found.pop(CORPUS[0]) != whole.pop(CORPUS[0])
    assert found == whole


def test_the_architecture_is_the_configs_or_the_settings(made: Path, tmp_path: Path) -> None:
    config = json.loads((made / "base" / "config.json").read_text())
    assert resolve_architecture("auto", config) == "seq2seq"
    assert resolve_architecture("causal", config) == "causal"
    assert resolve_architecture("auto", json.loads((made / "llama" / "config.json").read_text())) == "causal"
    with (
        pytest.raises(ModelError, match="cannot be loaded"),
        HfEngine(made / "base", EngineSettings(architecture="causal")),
    ):
        pass
    nameless = Path(shutil.copytree(made / "base", tmp_path / "base"))
    del config["decoder_start_token_id"]
    (nameless / "config.json").write_text(json.dumps(config))
    (nameless / "generation_config.json").unlink()
    with pytest.raises(ModelError, match="decoder_start_token_id"):
        HfEngine(nameless, EngineSettings())
