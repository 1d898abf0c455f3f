"""The embedded engine as a whole: chat, BOS, batches when memory runs out, loading, and what it leaves behind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.batching import TokenBudget, in_batches, is_out_of_memory
from models.factory import open_engine
from models.hf import HfEngine
from pipeline.config import EngineSettings
from pipeline.errors import EngineError, ModelError
from pipeline.requests import (
    CallFailure,
    GenerateRequest,
    GenerateResult,
    GenerationSettings,
    Message,
    NextTokenRequest,
    ScoreRequest,
    ScoreResult,
)
from tests.tiny_models import CORPUS, make_base

DIALOGUE: list[Message] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is 2 + 3?"},
]
PREFILL: list[Message] = [*DIALOGUE, {"role": "assistant", "content": "The answer is"}]
RENDERED = (
    "<s><|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhat is 2 + 3?<|im_end|>\n<|im_start|>assistant\n"
)
EIGHT = GenerationSettings(max_gen_toks=8)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("engine")
    make_base(root / "base")
    make_base(root / "plain", chat_template=False)
    make_base(root / "gpt2", "gpt2", max_position_embeddings=128)
    return root


@pytest.fixture(scope="module")
def engine(made: Path) -> Iterator[HfEngine]:
    with HfEngine(made / "base", EngineSettings()) as engine:
        yield engine


def one(engine: HfEngine, prompt: str | list[Message]) -> GenerateResult:
    (result,) = engine.generate([GenerateRequest(key="k", prompt=prompt, generation=EIGHT)])
    assert isinstance(result, GenerateResult)
    return result


def test_a_dialogue_has_exactly_one_bos(engine: HfEngine) -> None:
    encoder = engine._encoders[None]
    assert encoder.tokenizer("x").input_ids[0] == encoder.bos_id  # the tokenizer adds one of its own
    text, special = encoder.render(DIALOGUE)
    assert (text, special) == (RENDERED, False)
    (ids,) = encoder.encode([(text, special)])
    assert ids.count(encoder.bos_id) == 1
    assert ids[0] == encoder.bos_id
    assert one(engine, DIALOGUE) == one(engine, RENDERED)


def test_the_assistants_last_turn_is_continued(engine: HfEngine) -> None:
    text, _ = engine._encoders[None].render(PREFILL)
    assert text == RENDERED + "The answer is"
    request = ScoreRequest(key="k", context=PREFILL, continuations=(" 5", " 6"))
    plain = ScoreRequest(key="k", context=text, continuations=(" 5", " 6"))
    assert list(engine.loglikelihood([request])) == list(engine.loglikelihood([plain]))
    asked = NextTokenRequest(key="k", prompt=PREFILL, candidates=("A", "B"))
    written = NextTokenRequest(key="k", prompt=text, candidates=("A", "B"))
    assert list(engine.next_token([asked])) == list(engine.next_token([written]))


def test_a_template_of_the_users_own(made: Path, tmp_path: Path) -> None:
    template = tmp_path / "own.jinja"
    template.write_text("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")
    for folder in ("base", "plain"):
        with HfEngine(made / folder, EngineSettings(), chat_template=template) as engine:
            assert engine._encoders[None].render(DIALOGUE)[0] == "system: Be brief.\nuser: What is 2 + 3?\n"


def test_messages_without_a_template(made: Path) -> None:
    with HfEngine(made / "plain", EngineSettings()) as engine:
        with pytest.raises(ModelError, match="chat_template"):
            one(engine, DIALOGUE)
        assert one(engine, "plain text works")


def test_messages_that_the_template_refuses_fail_alone(made: Path, tmp_path: Path) -> None:
    template = tmp_path / "own.jinja"
    template.write_text(
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system turn') }}{% endif %}"
        "{{ m.content }}{% endfor %}"
    )
    with HfEngine(made / "base", EngineSettings(), chat_template=template) as engine:
        asked = [GenerateRequest(key=str(at), prompt=DIALOGUE[at:], generation=EIGHT) for at in range(2)]
        found = {result.key: result for result in engine.generate(asked)}
    failure = found["0"]
    assert isinstance(failure, CallFailure)
    assert "no system turn" in failure.message
    assert isinstance(found["1"], GenerateResult)


@pytest.mark.parametrize(("setting", "count"), [(None, 1), (True, 1), (False, 0)])
@pytest.mark.parametrize("adds_bos", [True, False])
def test_bos_before_plain_texts(setting: bool | None, count: int, adds_bos: bool, tmp_path: Path) -> None:
    folder = make_base(tmp_path / "base", adds_bos=adds_bos)
    with HfEngine(folder, EngineSettings(add_bos_token=setting)) as engine:
        encoder = engine._encoders[None]
        (ids, begun) = encoder.encode([encoder.render(text) for text in ("Hello", "<s>Hello")])
    if setting is None and not adds_bos:
        count = 0
    assert ids.count(1) == count
    assert begun.count(1) == 1


def limit_memory(engine: HfEngine, monkeypatch: Any, tokens: int) -> list[int]:
    """Let torch's own allocator fail on batches of more tokens; gives the sizes of those that passed."""
    import torch

    passed: list[int] = []
    forward = engine._forwards[None]
    run = forward.run

    def limited(ids: Any, keep: int, **arguments: Any) -> Any:
        if ids.numel() > tokens:
            torch.empty(2**60, dtype=torch.uint8)
        passed.append(ids.numel())
        return run(ids, keep, **arguments)

    monkeypatch.setattr(forward, "run", limited)
    return passed


def test_batches_are_halved_when_memory_runs_out(engine: HfEngine, monkeypatch: Any) -> None:
    requests = [
        ScoreRequest(key=str(at), context="x" * (at % 7) + CORPUS[at % 4], continuations=(f" {at}",))
        for at in range(40)
    ]
    expected = {result.key: result for result in engine.loglikelihood(requests)}
    monkeypatch.setattr(engine, "_budget", TokenBudget(8192, 64))
    passed = limit_memory(engine, monkeypatch, tokens=200)
    found = {result.key: result for result in engine.loglikelihood(requests)}
    assert found.keys() == expected.keys()
    for key, result in found.items():
        reference = expected[key]
        assert isinstance(result, ScoreResult)
        assert isinstance(reference, ScoreResult)
        assert result.logprobs == pytest.approx(reference.logprobs, abs=2e-4)
    assert max(passed) <= 200
    assert engine._budget.tokens <= 400  # kept for what comes later
    sizes = len(passed)
    asked = [GenerateRequest(key=str(at), prompt="The cat", generation=EIGHT) for at in range(40)]
    assert len([result for result in engine.generate(asked) if isinstance(result, GenerateResult)]) == 40
    assert len(passed) > sizes


def test_one_row_that_does_not_fit_fails_alone(engine: HfEngine, monkeypatch: Any) -> None:
    monkeypatch.setattr(engine, "_budget", TokenBudget(8192, 64))
    limit_memory(engine, monkeypatch, tokens=60)
    prompts = {"long": " ".join(CORPUS), "short": "The cat", "other": "A"}
    asked = [GenerateRequest(key=key, prompt=prompt, generation=EIGHT) for key, prompt in prompts.items()]
    found = {result.key: result for result in engine.generate(asked)}
    failure = found["long"]
    assert isinstance(failure, CallFailure)
    assert (failure.type, failure.deterministic) == ("OutOfMemory", False)
    assert isinstance(found["short"], GenerateResult)
    assert isinstance(found["other"], GenerateResult)
    scored = [ScoreRequest(key=key, context=prompt, continuations=(" A", " B b")) for key, prompt in prompts.items()]
    kinds = {result.key: type(result) for result in engine.loglikelihood(scored)}
    assert kinds == {"long": CallFailure, "short": ScoreResult, "other": ScoreResult}


def test_batches_keep_to_the_budget_longest_first() -> None:
    batches: list[list[int]] = []
    budget = TokenBudget(tokens=12, max_rows=3)
    items = [1, 5, 2, 9, 4, 1, 1, 1, 30]
    list(in_batches(items, lambda item: item, lambda batch: batches.append(batch) or batch, budget))
    assert batches == [[30], [9], [5, 4], [2, 1, 1], [1, 1]]


def test_results_come_batch_by_batch() -> None:
    computed: list[int] = []
    budget = TokenBudget(tokens=2, max_rows=2)
    batches = in_batches([1, 1, 1, 1], lambda item: item, lambda batch: computed.extend(batch) or batch, budget)
    assert len(next(batches)) == 2
    assert len(computed) == 2


def test_other_failures_of_torch_are_the_engines(engine: HfEngine, monkeypatch: Any) -> None:
    import torch

    assert not is_out_of_memory(RuntimeError("shape mismatch"))
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    monkeypatch.setattr(engine._forwards[None], "pad", lambda rows: torch.zeros(2) @ torch.zeros(3))
    with pytest.raises(EngineError, match="forward pass failed"):
        list(engine.generate([GenerateRequest(key="k", prompt="x", generation=EIGHT)]))


def test_weights_that_lack_a_tensor_are_no_model(made: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(made / "base", tmp_path / "base"))
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with (
        pytest.raises(ModelError, match=r"lack 1 of the model's tensors.*layers\.1\.mlp\.up_proj"),
        HfEngine(folder, EngineSettings()),
    ):
        pass


def test_folders_that_cannot_be_loaded(made: Path, tmp_path: Path) -> None:
    cut = Path(shutil.copytree(made / "base", tmp_path / "cut"))
    weights = (cut / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    unknown = Path(shutil.copytree(made / "base", tmp_path / "unknown"))
    config = json.loads((unknown / "config.json").read_text())
    (unknown / "config.json").write_text(json.dumps(config | {"model_type": "none_such"}))
    bare = Path(shutil.copytree(made / "base", tmp_path / "bare"))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (bare / name).unlink()
    for folder in (cut, unknown, bare):
        with pytest.raises(ModelError) as caught, HfEngine(folder, EngineSettings()):
            pass
        assert str(folder) in str(caught.value)


def test_learned_positions_bound_the_length(made: Path) -> None:
    with pytest.raises(ModelError, match="max_length: 128"), HfEngine(made / "gpt2", EngineSettings(max_length=256)):
        pass
    with HfEngine(made / "gpt2", EngineSettings()) as engine:
        assert engine.max_length == 128
        assert one(engine, " ".join(CORPUS)).truncated_tokens > 0


def test_the_number_format_is_the_checkpoints_or_the_settings(tmp_path: Path) -> None:
    import torch

    folder = make_base(tmp_path / "half", dtype="bfloat16")
    for setting, expected in (("auto", torch.bfloat16), ("float32", torch.float32)):
        with HfEngine(folder, EngineSettings(dtype=setting)) as engine:  # type: ignore[arg-type]
            assert engine._forward.model.dtype == expected
            assert one(engine, "The cat").completion_tokens == 8


def test_a_bigger_cache_is_the_same_cache(made: Path) -> None:
    """A sliding window leaves room for other layers than the buffered ones."""
    import torch
    from transformers import AutoModelForCausalLM, MistralConfig

    folder = made / "mistral"
    shutil.copytree(made / "base", folder)
    config = MistralConfig(
        vocab_size=json.loads((made / "base" / "config.json").read_text())["vocab_size"],
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        sliding_window=8,
    )
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.25)
    model.save_pretrained(folder)
    prompts = ["A", "The quick brown fox jumps over", CORPUS[1]]
    with HfEngine(folder, EngineSettings()) as engine:
        asked = [GenerateRequest(key=p, prompt=p, generation=GenerationSettings(max_gen_toks=20)) for p in prompts]
        found = {result.key: result for result in engine.generate(asked)}
        for prompt in prompts:
            ids = torch.tensor(engine._encoders[None].encode([(prompt, True)]))
            whole = model.eval().generate(ids, max_new_tokens=20, do_sample=False, eos_token_id=2, pad_token_id=0)
            result = found[prompt]
            assert isinstance(result, GenerateResult)
            assert result.text == engine._encoders[None].decode(whole[0, ids.shape[1] :].tolist())


def test_what_the_lock_file_asks(engine: HfEngine) -> None:
    assert {"torch", "transformers", "tokenizers", "peft"} <= engine.versions.keys()
    hardware = engine.hardware()
    assert hardware["device"] == "cpu"
    assert hardware["memory"] > 2**20
    assert hardware["threads"] >= 1
    assert engine.count_tokens(["", "The", "The quick"])[0] == 0
    assert engine.identity.as_dict()["base"]["weights"].keys() == {"model.safetensors"}
    json.dumps(hardware)


def test_leaving_gives_memory_and_threads_back(made: Path) -> None:
    import gc
    import weakref

    import torch

    threads = torch.get_num_threads()
    with open_engine(EngineSettings(threads=threads + 1), made / "base") as engine:
        assert torch.get_num_threads() == threads + 1
        assert isinstance(engine, HfEngine)
        model = weakref.ref(engine._forward.model)
    gc.collect()
    assert torch.get_num_threads() == threads
    assert model() is None


def test_an_unknown_adapter_is_no_request_for_the_base(engine: HfEngine) -> None:
    with pytest.raises(EngineError, match="nobody"):
        list(engine.generate([GenerateRequest(key="k", prompt="x", generation=EIGHT, adapter="nobody")]))
