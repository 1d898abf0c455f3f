"""Small random reward models in the layouts that they have in the world, made on the spot."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

BAICHUAN_CONFIGURATION = """
from transformers import PretrainedConfig


class BaichuanConfig(PretrainedConfig):
    model_type = "baichuan"

    def __init__(self, vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                 num_attention_heads=4, hidden_act="silu", model_max_length=4096, initializer_range=0.2,
                 rms_norm_eps=1e-6, use_cache=True, gradient_checkpointing=False, **others):
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.intermediate_size = intermediate_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.hidden_act = hidden_act
        self.model_max_length = model_max_length
        self.initializer_range = initializer_range
        self.rms_norm_eps = rms_norm_eps
        self.use_cache = use_cache
        self.gradient_checkpointing = gradient_checkpointing
        super().__init__(**others)
"""
# Packed attention with ALiBi, a score layer with bias, a sigmoid, (loss, score) returned: BaichuanCharRM's layout.
BAICHUAN_MODELING = """
import math

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.activations import ACT2FN

from .configuration_baichuan import BaichuanConfig


class Norm(nn.Module):
    def __init__(self, size, epsilon):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.epsilon = epsilon

    def forward(self, states):
        scale = torch.rsqrt(states.float().pow(2).mean(-1, keepdim=True) + self.epsilon)
        return self.weight * (states * scale).to(self.weight.dtype)


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads = config.num_attention_heads
        self.W_pack = nn.Linear(config.hidden_size, 3 * config.hidden_size, bias=False)
        self.o_proj = nn.Linear(config.hidden_size, config.hidden_size, bias=False)

    def forward(self, states, bias):
        rows, length, size = states.shape
        parts = self.W_pack(states).view(rows, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        weights = parts[0] @ parts[1].transpose(-1, -2) / math.sqrt(size // self.heads) + bias
        mixed = weights.softmax(-1) @ parts[2]
        return self.o_proj(mixed.transpose(1, 2).reshape(rows, length, size))


class MLP(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.act_fn = ACT2FN[config.hidden_act]

    def forward(self, states):
        return self.down_proj(self.act_fn(self.gate_proj(states)) * self.up_proj(states))


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = MLP(config)
        self.input_layernorm = Norm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = Norm(config.hidden_size, config.rms_norm_eps)

    def forward(self, states, bias):
        states = states + self.self_attn(self.input_layernorm(states), bias)
        return states + self.mlp(self.post_attention_layernorm(states))


class BaichuanPreTrainedModel(PreTrainedModel):
    config_class = BaichuanConfig
    base_model_prefix = "model"

    def _init_weights(self, module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            module.weight.data.normal_(mean=0.0, std=self.config.initializer_range)


class BaichuanModel(BaichuanPreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList([Layer(config) for _ in range(config.num_hidden_layers)])
        self.norm = Norm(config.hidden_size, config.rms_norm_eps)
        self.post_init()

    def forward(self, input_ids, return_dict=None):
        length, heads = input_ids.shape[1], self.config.num_attention_heads
        slopes = torch.tensor([2 ** (-8 * (number + 1) / heads) for number in range(heads)]).view(1, heads, 1, 1)
        distance = torch.arange(length).view(1, -1) - torch.arange(length).view(-1, 1)
        bias = (slopes * distance).masked_fill(distance > 0, float("-inf"))
        states = self.embed_tokens(input_ids)
        for layer in self.layers:
            states = layer(states, bias.to(states))
        return (self.norm(states),)


class BaichuanCharRM(BaichuanPreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.model = BaichuanModel(config)
        self.score = nn.Linear(config.hidden_size, 1, bias=True)
        self.post_init()

    def forward(self, input_ids=None, labels=None):
        last = self.model(input_ids)[0][:, -1, :]
        return None, torch.sigmoid(self.score(last).squeeze())
"""


def make_classification(base: Path, folder: Path, *, seed: int = 1, pad: bool = True) -> Path:
    """A sequence-classification head of one label on the causal model in `base`."""
    import torch
    from transformers import AutoModelForSequenceClassification

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1)
        torch.nn.init.normal_(model.score.weight, std=0.1)
    if not pad:
        model.config.pad_token_id = None
    model.save_pretrained(folder)
    return _with_tokenizer(base, folder)


def make_value_head(base: Path, folder: Path, *, seed: int = 1, inside: bool = False, bias: bool = True) -> Path:
    """The causal model in `base` with a value head: in value_head.safetensors, or `inside` among its own weights."""
    import torch
    from safetensors.torch import load_file, save_file

    shutil.copytree(base, folder)
    hidden = json.loads((folder / "config.json").read_text())
    size = hidden.get("hidden_size") or hidden["n_embd"]
    generator = torch.Generator().manual_seed(seed)
    head = {"v_head.summary.weight": torch.randn((1, size), generator=generator) * 0.1}
    if bias:
        head["v_head.summary.bias"] = torch.randn(1, generator=generator)
    if inside:
        weights = folder / "model.safetensors"
        save_file(load_file(weights) | head, weights, metadata={"format": "pt"})
    else:
        save_file(head, folder / "value_head.safetensors")
    return folder


def make_char_rm(base: Path, folder: Path, *, seed: int = 1) -> Path:
    """A random model with code of its own in BaichuanCharRM's layout, with the tokenizer of `base`."""
    import torch
    from transformers import AutoTokenizer
    from transformers.dynamic_module_utils import get_class_from_dynamic_module

    folder.mkdir(parents=True)
    (folder / "configuration_baichuan.py").write_text(BAICHUAN_CONFIGURATION, encoding="utf-8")
    (folder / "modeling_baichuan.py").write_text(BAICHUAN_MODELING, encoding="utf-8")
    kind: Any = get_class_from_dynamic_module("modeling_baichuan.BaichuanCharRM", folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = kind(kind.config_class(vocab_size=len(AutoTokenizer.from_pretrained(base))))
    torch.nn.init.normal_(model.score.bias)
    model.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "architectures": ["BaichuanCharRM"],
        "auto_map": {
            "AutoConfig": "configuration_baichuan.BaichuanConfig",
            "AutoModelForCausalLM": "modeling_baichuan.BaichuanForCausalLM",
        },
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return _with_tokenizer(base, folder)


def make_reward_adapter(base: Path, folder: Path, *, seed: int = 1) -> Path:
    """A LoRA of the causal model in `base` that holds a classification head too, as PEFT saves it."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForSequenceClassification

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1)
        adapted = get_peft_model(model, LoraConfig(r=4, task_type="SEQ_CLS", target_modules=["q_proj", "v_proj"]))
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name or "score" in name:
                torch.nn.init.normal_(parameter, std=0.1)
    adapted.save_pretrained(folder)
    return folder


def _with_tokenizer(base: Path, folder: Path) -> Path:
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return folder
