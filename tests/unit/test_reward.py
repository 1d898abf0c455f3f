"""Reward models of each layout: scores equal to a plain computation for each text alone, whatever the batch."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import metrics  # noqa: F401  # registers them all
from metrics.registry import MetricInput, find_metric
from metrics.reward_model import reward_text
from models.reward import RewardModel
from models.scorers import metric_defaults, scorer_scope
from pipeline.errors import InputError, MetricError, ModelError, TaskError
from pipeline.fingerprint import FileHashes
from pipeline.requests import CallFailure
from tests.reward_models import (
    make_char_rm,
    make_classification,
    make_reward_adapter,
    make_value_head,
)
from tests.tiny_models import CORPUS, make_adapter, make_base

TEXTS = [CORPUS[number % len(CORPUS)] * (1 + number % 4) + f" {number}" for number in range(23)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("reward") / "base", hidden=32)


def scores(folder: Path, texts=TEXTS, **settings) -> list[float]:
    return [score for score, _ in answers(folder, texts, **settings)]


def answers(folder: Path, texts=TEXTS, **settings) -> list[tuple[float, int]]:
    found = {}
    with RewardModel(folder, **settings) as model:
        for position, answer in model.score(texts):
            assert isinstance(answer, bytes), answer
            score, lost = np.frombuffer(answer, dtype=np.float64)
            found[position] = (float(score), int(lost))
    assert sorted(found) == list(range(len(texts)))
    return [found[position] for position in range(len(texts))]


def encoded(folder: Path, text: str):
    import torch
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    return torch.tensor([[*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]])


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gpt2"])
@pytest.mark.parametrize("pad", [True, False])
def test_a_classification_head_scores_each_text_as_transformers_does_alone(tmp_path, kind, pad):
    import torch
    from transformers import AutoModelForSequenceClassification

    base = make_base(tmp_path / "base", kind, hidden=32)
    folder = make_classification(base, tmp_path / "rm", pad=pad)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        expected = [model(encoded(folder, text)).logits.item() for text in TEXTS]
    assert scores(folder) == pytest.approx(expected, abs=1e-5)
    assert scores(folder, batch_size=1) == pytest.approx(expected, abs=1e-5)
    assert np.std(expected) > 0.01


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_a_value_head_is_a_layer_on_the_last_hidden_state(tmp_path, base, inside, bias):
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    folder = make_value_head(base, tmp_path / "rm", inside=inside, bias=bias)
    head = load_file(folder / ("model.safetensors" if inside else "value_head.safetensors"))
    model = AutoModelForCausalLM.from_pretrained(base).eval()
    with torch.no_grad():
        hidden = [model(encoded(folder, text), output_hidden_states=True).hidden_states[-1][0, -1] for text in TEXTS]
    offset = head["v_head.summary.bias"].item() if bias else 0.0
    expected = [(state @ head["v_head.summary.weight"][0]).item() + offset for state in hidden]
    assert scores(folder) == pytest.approx(expected, abs=1e-5)
    squashed = [1 / (1 + np.exp(-value)) for value in expected]
    assert scores(folder, sigmoid=True, batch_size=3) == pytest.approx(squashed, abs=1e-5)


def test_a_model_in_the_layout_of_baichuan_char_rm_loads_and_scores(tmp_path, base):
    import torch
    from transformers.dynamic_module_utils import get_class_from_dynamic_module

    folder = make_char_rm(base, tmp_path / "BaichuanCharRM")
    model = get_class_from_dynamic_module("modeling_baichuan.BaichuanCharRM", folder).from_pretrained(folder).eval()
    with torch.no_grad():
        expected = [model(encoded(folder, text))[1].item() for text in TEXTS]
    found = scores(folder, trust_remote_code=True)
    assert found == pytest.approx(expected, abs=1e-5)
    assert all(0 < score < 1 for score in found)
    assert np.std(found) > 0.01
    assert scores(folder, TEXTS + TEXTS, trust_remote_code=True, batch_size=4) == pytest.approx(2 * expected, abs=1e-5)


def test_code_of_a_model_runs_only_where_it_is_trusted(tmp_path, base):
    folder = make_char_rm(base, tmp_path / "rm")
    with pytest.raises(ModelError, match="Python code of its own") as caught, RewardModel(folder):
        pass
    assert "trust_remote_code: true" in caught.value.fix


def test_an_adapter_with_a_head_makes_a_reward_model_of_a_causal_one(tmp_path, base):
    import torch
    from peft import AutoPeftModelForSequenceClassification

    adapter = make_reward_adapter(base, tmp_path / "adapter")
    model = AutoPeftModelForSequenceClassification.from_pretrained(adapter, num_labels=1).eval()
    with torch.no_grad():
        expected = [model(encoded(base, text)).logits.item() for text in TEXTS]
    assert scores(base, adapter=str(adapter)) == pytest.approx(expected, abs=1e-5)
    assert np.std(expected) > 0.01


def test_an_adapter_beside_a_value_head(tmp_path, base):
    whole = make_value_head(base, tmp_path / "whole")
    adapter = make_adapter(base, tmp_path / "adapter")
    shutil.copy(whole / "value_head.safetensors", adapter)
    assert scores(base, adapter=str(adapter)) != pytest.approx(scores(whole), abs=1e-3)
    inert = make_adapter(base, tmp_path / "inert", scale=0.0)
    shutil.copy(whole / "value_head.safetensors", inert)
    assert scores(base, adapter=str(inert)) == pytest.approx(scores(whole), abs=1e-5)


def test_an_encoder_reads_from_its_first_token_and_is_padded_at_the_right(tmp_path, base):
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.save_pretrained(tmp_path / "rm")
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_labels=1, pad_token_id=tokenizer.pad_token_id, initializer_range=0.3,
    )  # fmt: skip
    torch.manual_seed(0)
    model = BertForSequenceClassification(config).eval()
    model.save_pretrained(tmp_path / "rm")
    with torch.no_grad():
        expected = [model(torch.tensor([tokenizer.encode(text)[-512:]])).logits.item() for text in TEXTS]
    assert scores(tmp_path / "rm") == pytest.approx(expected, abs=1e-5)


def test_long_texts_keep_their_end_and_the_loss_is_counted(tmp_path, base):
    folder = make_value_head(base, tmp_path / "rm")
    tail = encoded(folder, TEXTS[3])[0]
    lengths = [encoded(folder, text).shape[1] for text in TEXTS]
    limit = sorted(lengths)[10]
    found = answers(folder, max_length=limit)
    assert [lost for _, lost in found] == [max(0, length - limit) for length in lengths]
    assert any(lost for _, lost in found)
    other = "完全不同的开头。" * 40 + TEXTS[3]
    same_end = encoded(folder, other)[0][-len(tail) :].tolist() == tail.tolist()
    assert same_end
    assert scores(folder, [other], max_length=len(tail)) == pytest.approx(scores(folder, [TEXTS[3]]), abs=1e-5)


def test_the_default_length_is_4096_or_as_many_as_the_model_has(tmp_path):
    short = make_value_head(make_base(tmp_path / "base", "gpt2", max_position_embeddings=64), tmp_path / "rm")
    (_, lost), *_ = answers(short, ["天" * 500])
    assert lost == encoded(short, "天" * 500).shape[1] - 64


def test_a_score_that_is_no_number_is_a_failure(tmp_path, base):
    from safetensors.torch import load_file, save_file

    folder = make_value_head(base, tmp_path / "rm")
    head = load_file(folder / "value_head.safetensors")
    head["v_head.summary.bias"].fill_(float("nan"))
    save_file(head, folder / "value_head.safetensors")
    with RewardModel(folder) as model:
        results = dict(model.score(["one", "two"]))
    assert all(isinstance(result, CallFailure) and result.type == "NotANumber" for result in results.values())
    assert all(result.deterministic for result in results.values())


def test_batches_are_halved_where_memory_runs_out(tmp_path, base):
    folder = make_value_head(base, tmp_path / "rm")
    sizes = []
    with RewardModel(folder) as model:
        sound = dict(model.score(TEXTS))
        whole = model._compute

        def small_memory(batch):
            if len(batch) > 3:
                raise MemoryError
            sizes.append(len(batch))
            return whole(batch)

        model._compute = small_memory  # what a device with little memory does
        halved = dict(model.score(TEXTS))
    assert 1 < max(sizes) <= 3
    for position, answer in halved.items():
        assert np.frombuffer(answer)[0] == pytest.approx(np.frombuffer(sound[position])[0], abs=1e-5)


def test_a_dialogue_goes_through_the_models_chat_template(tmp_path, base):
    from transformers import AutoTokenizer

    folder = make_value_head(base, tmp_path / "rm")
    messages = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "你好"}]
    text = AutoTokenizer.from_pretrained(folder).apply_chat_template(messages, tokenize=False)
    chat = scores(folder, [json.dumps(messages)], chat=True)
    assert chat == pytest.approx(scores(folder, [text], eos=False), abs=1e-6)
    (folder / "chat_template.jinja").unlink()
    with RewardModel(folder, chat=True) as model, pytest.raises(ModelError, match="no chat template"):
        list(model.score([json.dumps(messages)]))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda folder: (folder / "value_head.safetensors").unlink(), "no head that gives one value"),
        (lambda folder: (folder / "reward_config.json").write_text('{"tempate": "x"}'), "no key 'tempate'"),
    ],
)
def test_faulty_folders_are_named(tmp_path, base, change, what):
    folder = make_value_head(base, tmp_path / "rm")
    change(folder)
    with pytest.raises(ModelError, match=what) as caught, RewardModel(folder):
        pass
    assert str(folder) in caught.value.where


def test_a_head_without_weights_is_an_error(tmp_path, base):
    with pytest.raises(ModelError, match=r"would be random: score\.weight"), RewardModel(base, head="classification"):
        pass
    adapter = make_adapter(base, tmp_path / "adapter")
    with pytest.raises(ModelError, match=r"would be random: score\.weight"), RewardModel(base, adapter=str(adapter)):
        pass


def test_the_folder_says_how_the_model_is_used(tmp_path, base):
    folder = make_value_head(base, tmp_path / "rm")
    plain = scores(folder)
    config = {"sigmoid": True, "template": "{{ response }}", "scale": {"multiply": 2}}
    (folder / "reward_config.json").write_text(json.dumps(config))
    assert scores(folder) == pytest.approx([1 / (1 + np.exp(-value)) for value in plain], abs=1e-6)
    assert scores(folder, sigmoid=False) == pytest.approx(plain, abs=1e-6)
    found = metric_defaults("reward", {"model": str(folder)})
    assert found == {"template": "{{ response }}", "scale": {"multiply": 2}}


def test_the_identity_of_a_score_is_its_files_and_what_decides_it(tmp_path, base):
    hashes = FileHashes()
    adapter = make_reward_adapter(base, tmp_path / "adapter")

    def scope(**settings):
        return scorer_scope("reward", {"model": str(base), **settings}, hashes)

    assert scope(batch_size=1, device="cpu", batch_tokens=9) == scope()
    assert scope(max_length=64) != scope()
    adapted = scope(adapter=str(adapter))
    assert adapted != scope()
    moved = shutil.copytree(adapter, tmp_path / "moved")
    (moved / "optimizer.pt").write_bytes(b"moments")
    assert scope(adapter=str(moved)) == adapted
    other = make_reward_adapter(base, tmp_path / "other", seed=2)
    assert scope(adapter=str(other)) != adapted
    with pytest.raises(InputError, match="needs `model:`"):
        scorer_scope("reward", {}, hashes)


def test_faults_of_a_metrics_arguments_are_told():
    row = MetricInput(response="an answer", target="", document={"question": "why?"}, prompt="why?")
    texts = find_metric("reward_model").asks.texts
    assert texts(row, template="{{ question }} {{ response }}") == ["why? an answer"]
    with pytest.raises(MetricError, match="'respnse' is undefined") as caught:
        texts(row, template="{{ respnse }}")
    assert "question, response" in caught.value.fix
    with pytest.raises(MetricError, match="a template, or the dialogue"):
        texts(row)
    with pytest.raises(MetricError, match="has no 'times'"):
        find_metric("reward_model").function([], [], template="x", scale={"times": 4})
    with pytest.raises(TaskError, match="has no argument 'tempate'"):
        find_metric("reward_model", {"tempate": "x"})


def test_a_template_can_reach_nothing_but_the_row():
    row = MetricInput(response="an answer", target="")
    with pytest.raises(MetricError, match="unsafe"):
        reward_text(row, "{{ ''.__class__.__mro__ }}")


def test_a_given_beginning_of_the_answer_is_part_of_it():
    prompt = [{"role": "user", "content": "why?"}, {"role": "assistant", "content": "Because "}]
    row = MetricInput(response="it is", target="", prompt=prompt)
    (text,) = find_metric("reward_model").asks.texts(row, chat=True)
    assert json.loads(text) == [prompt[0], {"role": "assistant", "content": "Because it is"}]
