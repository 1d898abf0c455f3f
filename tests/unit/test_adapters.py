"""Adapters that do not fit are refused with the reason; those that do equal PEFT alone and leave the base as it was."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from models.adapters import adapter_note, adapter_tokenizer, check_adapter
from models.engine import Adapter
from models.hf import HfEngine
from models.identity import adapter_identity, model_identity
from pipeline.config import EngineSettings
from pipeline.errors import AdapterError, ModelError
from pipeline.fingerprint import FileHashes
from pipeline.requests import GenerateRequest, GenerationSettings, ScoreRequest, ScoreResult
from tests.tiny_models import Kind, make_adapter, make_base

PROMPTS = ("The quick brown", "Question: What is 2 + 3? Answer:", "今天天气", "A")
CONTINUATIONS = (" fox", " 5", " a lazy dog")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("adapters")
    base = make_base(root / "base")
    make_base(root / "wider", hidden=96)
    make_base(root / "gpt2", "gpt2")
    make_adapter(base, root / "one", seed=1, tokenizer=True)
    make_adapter(base, root / "two", seed=2, rank=8, target_modules=["q_proj", "down_proj"])
    make_adapter(root / "wider", root / "of_wider")
    make_adapter(root / "gpt2", root / "of_gpt2")
    return root


@pytest.fixture
def lora(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "one", tmp_path / "lora"))


def edit(path: Path, **fields: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def refused(folder: Path, base: Path, **settings: Any) -> str:
    """What the engine says when it is to load the adapter."""
    with HfEngine(base, EngineSettings()) as engine, pytest.raises(AdapterError) as caught:
        engine.add_adapter(Adapter("x", folder, **settings))
    return str(caught.value)


def scores(engine: HfEngine, adapter: str | None) -> list[float]:
    requests = [ScoreRequest(key=p, context=p, continuations=CONTINUATIONS, adapter=adapter) for p in PROMPTS]
    found = {result.key: result for result in engine.loglikelihood(requests)}
    return [value for prompt in PROMPTS for value in _logprobs(found[prompt])]


def _logprobs(result: object) -> tuple[float, ...]:
    assert isinstance(result, ScoreResult)
    return result.logprobs


def plain_scores(model: Any, tokenizer: Any) -> list[float]:
    """One pair at a time, without padding, batches or a cache."""
    import torch

    found = []
    for prompt in PROMPTS:
        for continuation in CONTINUATIONS:
            start = len(tokenizer(prompt).input_ids)
            ids = torch.tensor([tokenizer(prompt + continuation).input_ids])
            with torch.no_grad():
                logprobs = model(ids).logits[0].double().log_softmax(-1)
            found.append(sum(float(logprobs[at - 1, ids[0, at]]) for at in range(start, ids.shape[1])))
    return found


def close(one: list[float], other: list[float]) -> bool:
    return all(abs(a - b) <= 2e-4 + 1e-6 * abs(b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("kind", ["llama", "gpt2", "qwen2"])
def test_adapters_equal_peft_alone_and_base_rows_are_untouched(kind: Kind, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = make_base(tmp_path / "base", kind)
    folders = {f"step.{seed}": make_adapter(base, tmp_path / f"lora-{seed}", seed=seed) for seed in (1, 2)}
    tokenizer = AutoTokenizer.from_pretrained(base)
    with HfEngine(base, EngineSettings()) as engine:
        alone = scores(engine, None)
        for name, folder in folders.items():
            engine.add_adapter(Adapter(name, folder))
        ours = {name: scores(engine, name) for name in [*folders, None]}
    assert ours[None] == alone
    assert close(alone, plain_scores(AutoModelForCausalLM.from_pretrained(base).eval(), tokenizer))
    for name, folder in folders.items():
        model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(folder)).eval()
        expected = plain_scores(model, tokenizer)
        assert close(ours[name], expected)
        assert not close(alone, expected)


@pytest.mark.parametrize(
    "lora",
    [{"use_dora": True}, {"modules_to_save": ["lm_head"]}, {"use_rslora": True}, {"rank_pattern": {"q_proj": 2}}],
    ids=lambda lora: next(iter(lora)),
)
def test_other_kinds_of_lora_equal_peft_alone(lora: dict[str, Any], made: Path, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = make_adapter(made / "base", tmp_path / "lora", **lora)
    with HfEngine(made / "base", EngineSettings()) as engine:
        alone = scores(engine, None)
        engine.add_adapter(Adapter("other", made / "one"))
        engine.add_adapter(Adapter("x", folder))
        ours = scores(engine, "x")
        assert scores(engine, None) == alone
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(made / "base"), str(folder)).eval()
    assert close(ours, plain_scores(model, AutoTokenizer.from_pretrained(made / "base")))


def test_requests_of_several_adapters_may_come_mixed(made: Path) -> None:
    adapters = [Adapter("one", made / "one"), Adapter("two", made / "two")]
    with HfEngine(made / "base", EngineSettings(), adapters=adapters) as engine:
        settings = GenerationSettings(max_gen_toks=8)
        requests = [
            GenerateRequest(key=f"{name}/{prompt}", prompt=prompt, generation=settings, adapter=name)
            for prompt in PROMPTS
            for name in ("one", None, "two")
        ]
        mixed = {result.key: result for result in engine.generate(requests)}
        alone = {result.key: result for request in requests for result in engine.generate([request])}
        assert mixed == alone
        texts = [{mixed[f"{name}/{prompt}"].text for prompt in PROMPTS} for name in ("one", None, "two")]
        assert texts[0] != texts[1] != texts[2] != texts[0]


def test_an_adapter_of_another_width(made: Path) -> None:
    with pytest.raises(AdapterError, match=r"belongs to another base: its .*down_proj is 96x192, the base's is 64x128"):
        check_adapter(made / "of_wider", made / "base")


def test_an_adapter_of_another_architecture(made: Path) -> None:
    with pytest.raises(AdapterError, match=r"belongs to another base: the base has no transformer\.h\.0"):
        check_adapter(made / "of_gpt2", made / "base")


def test_adapters_that_fit_pass_whatever_base_they_name(made: Path, lora: Path) -> None:
    check_adapter(made / "one", made / "base")
    check_adapter(made / "of_gpt2", made / "gpt2")
    edit(lora / "adapter_config.json", base_model_name_or_path="org/Another-7B")
    check_adapter(lora, made / "base")
    assert "org/Another-7B" in (adapter_note(lora, str(made / "base")) or "")
    assert adapter_note(made / "one", "/elsewhere/base") is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"peft_type": "PREFIX_TUNING"}, "of the kind PREFIX_TUNING, and only LORA"),
        ({"r": None}, "names no rank"),
        ({"r": 16}, "has rank 4, and adapter_config.json says r: 16"),
        ({"bias": "all"}, "bias terms"),
        ({"task_type": "SEQ_CLS"}, "trained for SEQ_CLS"),
    ],
)
def test_configurations_that_cannot_be_used(fields: dict[str, object], message: str, made: Path, lora: Path) -> None:
    edit(lora / "adapter_config.json", **fields)
    with pytest.raises(AdapterError, match=message):
        check_adapter(lora, made / "base")


def test_a_checkpoint_that_is_still_being_written(made: Path, lora: Path) -> None:
    weights = lora / "adapter_model.safetensors"
    whole = weights.read_bytes()
    for length in (0, 5, 100, len(whole) // 2, len(whole) - 1):
        weights.write_bytes(whole[:length])
        with pytest.raises(AdapterError, match="cut short"):
            check_adapter(lora, made / "base")
    weights.unlink()
    with pytest.raises(AdapterError, match=r"no adapter_model\.safetensors"):
        check_adapter(lora, made / "base")


def test_half_of_a_pair_is_missing(made: Path, lora: Path) -> None:
    rewrite(lora, lambda name: "layers.1.mlp.up_proj.lora_B" not in name)
    with pytest.raises(AdapterError, match=r"lacks one of the two LoRA matrices of .*up_proj"):
        check_adapter(lora, made / "base")


def test_target_modules_without_weights_are_not_taken_for_zeros(made: Path, lora: Path) -> None:
    rewrite(lora, lambda name: "layers.1." not in name)
    assert "no weights for model.layers.1" in refused(lora, made / "base")


def test_weights_for_modules_that_are_not_targeted(made: Path, lora: Path) -> None:
    edit(lora / "adapter_config.json", target_modules=["q_proj"])
    assert "the base has no module" in refused(lora, made / "base")


def rewrite(folder: Path, keep: Any) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "adapter_model.safetensors")
    save_file({name: tensor for name, tensor in tensors.items() if keep(name)}, folder / "adapter_model.safetensors")


def test_an_inert_adapter_needs_leave(made: Path, tmp_path: Path) -> None:
    inert = make_adapter(made / "base", tmp_path / "checkpoint-0", scale=0.0)
    assert "changes nothing" in refused(inert, made / "base")
    with HfEngine(made / "base", EngineSettings(), adapters=[Adapter("zero", inert, allow_inert=True)]) as engine:
        assert scores(engine, "zero") == scores(engine, None)


def test_an_adapter_that_changes_the_base_is_refused(made: Path, tmp_path: Path) -> None:
    doubled = make_adapter(made / "base", tmp_path / "lora", layer_replication=[[0, 2], [1, 2]])
    with HfEngine(made / "base", EngineSettings()) as engine, pytest.raises(AdapterError):
        engine.add_adapter(Adapter("x", doubled))


def test_pickled_weights_load_too(made: Path, lora: Path) -> None:
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(lora / "adapter_model.safetensors"), lora / "adapter_model.bin")
    (lora / "adapter_model.safetensors").unlink()
    adapters = [Adapter("st", made / "one"), Adapter("bin", lora)]
    with HfEngine(made / "base", EngineSettings(), adapters=adapters) as engine:
        assert scores(engine, "bin") == scores(engine, "st")


@pytest.fixture
def other_template(lora: Path) -> Path:
    (lora / "chat_template.jinja").write_text("{% for m in messages %}[{{ m['content'] }}]{% endfor %}")
    return lora


def test_a_template_of_its_own_asks_which_one_counts(made: Path, other_template: Path) -> None:
    message = refused(other_template, made / "base")
    assert "tokenizer: base" in message
    assert "tokenizer: adapter" in message
    assert adapter_tokenizer(made / "one", made / "base", None) == made / "base"
    assert adapter_tokenizer(other_template, made / "base", "base") == made / "base"
    assert adapter_tokenizer(other_template, made / "base", "adapter") == other_template


def test_the_chosen_tokenizer_and_template_count(made: Path, other_template: Path) -> None:
    adapters = [Adapter(choice, other_template, tokenizer=choice) for choice in ("base", "adapter")]
    with HfEngine(made / "base", EngineSettings(), adapters=adapters) as engine:
        settings = GenerationSettings(max_gen_toks=4)
        prompt: Any = [{"role": "user", "content": "Hi"}]
        chat, plain = (
            {
                result.key: result
                for result in engine.generate(
                    GenerateRequest(key=name, prompt=text, generation=settings, adapter=name)
                    for name in ("base", "adapter")
                )
            }
            for text in (prompt, "<s>Hi")
        )
        assert chat["adapter"].prompt_tokens < chat["base"].prompt_tokens
        assert plain["adapter"].text == plain["base"].text


def test_files_changed_since_the_run_was_planned(made: Path, lora: Path) -> None:
    planned = adapter_identity(made / "two", FileHashes())
    assert "changed while loading" in refused(lora, made / "base", identity=planned)
    identity = model_identity(made / "wider", FileHashes())
    with (
        pytest.raises(ModelError, match="changed while loading"),
        HfEngine(made / "base", EngineSettings(), identity=identity),
    ):
        pass
