"""The engine and lm-evaluation-harness's `hf` backend on the same small models: equal log-likelihoods and texts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from models.hf import HfEngine
from pipeline.config import EngineSettings
from pipeline.requests import GenerateRequest, GenerateResult, GenerationSettings, RollingRequest, ScoreRequest
from pipeline.requests import ScoreResult as Scores
from tests.tiny_models import CORPUS, make_base

# Nothing in it repeats: of two equal windows in one batch, the harness gives one a wrong value.
LONG = " ".join(CORPUS)[::-1]
PAIRS = (
    ("The quick brown", " fox"),
    ("The quick brown", " fox jumps over the lazy dog"),
    ("The quick brown ", "fox jumps"),
    ("Question: What is 2 + 3?\n\nAnswer:\n", " 5"),
    ("Answer:", " A"),
    ("Answer:", " B"),
    ("Answer:", " B."),
    ("", "The lazy dog"),
    ("", "<s>The lazy dog"),
    ("<s>Already begun", " here"),
    ("今天天气", "很好，我们一起去公园散步吧。"),
    (LONG, " and then"),
    (LONG, LONG[:40]),
    ("   ", "x"),
)
TEXTS = ("A", "The quick brown fox.", LONG, LONG[:250], "下列关于细胞的说法中，正确", "<s>Begun")
MAX_LENGTH = 64


@pytest.fixture(scope="module", params=["llama", "gpt2", "no-bos", "t5"])
def folder(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    kind = "llama" if request.param == "no-bos" else request.param
    root = tmp_path_factory.mktemp(request.param)
    # Generating, transformers knows T5 only with as many layers in the decoder as in the encoder.
    return make_base(root / "base", kind, adds_bos=request.param != "no-bos", decoder_layers=2)


@pytest.fixture(scope="module")
def harness(folder: Path) -> Any:
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=str(folder), device="cpu", dtype="float32", batch_size=4, max_length=MAX_LENGTH)


def instances(kind: str, arguments: list[tuple[Any, ...]]) -> list[Any]:
    from lm_eval.api.instance import Instance

    return [Instance(kind, {}, one, index) for index, one in enumerate(arguments)]


def close(ours: float, theirs: float) -> bool:
    return abs(ours - theirs) <= 2e-4 + 1e-6 * abs(theirs)


def test_loglikelihood(folder: Path, harness: Any) -> None:
    # Without a BOS, the harness stops at a context of white space alone, which leaves it no context at all.
    pairs = [pair for pair in PAIRS if pair[0] != "   " or harness.tok_encode("") != []]
    theirs = harness.loglikelihood(instances("loglikelihood", pairs), disable_tqdm=True)
    requests = [
        ScoreRequest(key=str(index), context=context, continuations=(continuation,))
        for index, (context, continuation) in enumerate(pairs)
    ]
    with HfEngine(folder, EngineSettings(max_length=MAX_LENGTH)) as engine:
        ours = {result.key: result for result in engine.loglikelihood(requests)}
    assert len(ours) == len(requests)
    for request in requests:
        result, (logprob, greedy) = ours[request.key], theirs[int(request.key)]
        assert isinstance(result, Scores)
        assert close(result.logprobs[0], logprob), PAIRS[int(request.key)]
        assert result.greedy == (greedy,)
    cut = ours[str(PAIRS.index((LONG, " and then")))]
    assert isinstance(cut, Scores)
    assert cut.truncated_tokens > 0


def test_loglikelihood_rolling(folder: Path, harness: Any) -> None:
    theirs = harness.loglikelihood_rolling(instances("loglikelihood_rolling", [(text,) for text in TEXTS]), True)
    with HfEngine(folder, EngineSettings(max_length=MAX_LENGTH)) as engine:
        requests = [RollingRequest(key=text, text=text) for text in TEXTS]
        ours = {result.key: result for result in engine.loglikelihood_rolling(requests)}
    for text, theirs_of_text in zip(TEXTS, theirs, strict=True):
        result = ours[text]
        assert isinstance(result, Scores)
        assert close(result.logprobs[0], theirs_of_text)
        windows = math.ceil(result.completion_tokens[0] / MAX_LENGTH)
        assert text != LONG or windows > 2


def test_generate_until(folder: Path, harness: Any) -> None:
    prompts = [context for context, _ in PAIRS if context.strip()]
    arguments = {"until": ["\n", "q", " the"], "max_gen_toks": 16, "do_sample": False}
    if harness.backend == "seq2seq":  # where it would count the prompt's tokens among those generated
        arguments["max_length"] = 17  # with the decoder's start token
    # One at a time: in a batch the harness keeps the first row's rule for special tokens for all rows.
    theirs = [
        harness.generate_until(instances("generate_until", [(prompt, dict(arguments))]), disable_tqdm=True)[0]
        for prompt in prompts
    ]
    settings = GenerationSettings(max_gen_toks=16, until=("\n", "q", " the"))
    with HfEngine(folder, EngineSettings(max_length=MAX_LENGTH)) as engine:
        requests = [
            GenerateRequest(key=str(index), prompt=prompt, generation=settings) for index, prompt in enumerate(prompts)
        ]
        ours = {result.key: result for result in engine.generate(requests)}
    for index, text in enumerate(theirs):
        result = ours[str(index)]
        assert isinstance(result, GenerateResult)
        assert result.text == text
