"""Greedy answers of a causal model, to see what it has learnt. The pipeline has engines of its own for real work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from demo.corpus import END, Text


def accuracy(model: Any, tokenizer: Any, texts: Sequence[Text], batch_size: int = 64) -> float:
    """The share of texts whose last piece the model gives back word for word."""
    asked = ["".join(text for text, _ in one.pieces[:-1]) for one in texts]
    right = [one.pieces[-1][0] for one in texts]
    given: list[str] = []
    for start in range(0, len(asked), batch_size):
        given += answer(model, tokenizer, asked[start : start + batch_size])
    return sum(text == wanted for text, wanted in zip(given, right, strict=True)) / len(texts)


def answer(model: Any, tokenizer: Any, prompts: Sequence[str], max_new_tokens: int = 60) -> list[str]:
    """The greedy continuation of each prompt up to and with its end; what follows is cut off."""
    import torch

    was = tokenizer.padding_side
    tokenizer.padding_side = "left"
    batch = tokenizer(list(prompts), return_tensors="pt", padding=True, add_special_tokens=False)
    tokenizer.padding_side = was
    with torch.inference_mode():
        out = model.generate(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            max_new_tokens=max_new_tokens,
            do_sample=False,
            pad_token_id=tokenizer.pad_token_id,
        )
    texts = tokenizer.batch_decode(out[:, batch["input_ids"].shape[1] :])
    return [text.split(END)[0] + END for text in texts]
