"""The demo's base model: a small Llama learnt from nothing, with its tokenizer and chat template."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from demo.corpus import base_texts
from demo.tokenizer import CHAT_TEMPLATE, train_tokenizer
from demo.train import Schedule, seed_everything, train

VOCABULARY = 1400
LAYOUT: dict[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 1024,
    "tie_word_embeddings": True,
    "initializer_range": 0.05,
}


def make_base(folder: Path, schedule: Schedule, after: Callable[[int, float], None]) -> None:
    """Train the base and write model and tokenizer into `folder`."""
    from transformers import AutoModelForCausalLM, LlamaConfig

    texts = base_texts()
    tokenizer = train_tokenizer((text.whole for text in texts), VOCABULARY)
    tokenizer.chat_template = CHAT_TEMPLATE
    seed_everything(schedule.seed)
    ids = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = LlamaConfig(vocab_size=len(tokenizer), **LAYOUT, **ids)
    model: Any = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    train(model, tokenizer, texts, schedule, after)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
