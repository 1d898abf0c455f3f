"""The one small model that both sides ask: trained for seconds, so that it writes what tasks' filters look for."""

from __future__ import annotations

from pathlib import Path

from tests.parity.harness.made_data import FACTS
from tests.tiny_models import make_base

_STEPS, _BATCH, _LENGTH = 150, 16, 96
_QUESTIONS = (
    "Answer:",
    "A: Let's think step by step.",
    "A:",
    "Step-by-Step Answer:",
    "答案：",
    "逐步解答：",
    "### 応答：",
    "Ответ:",
)
_ANSWERS = (
    " The answer is {}.\n\nQ:",
    " So the answer is ({}).\n\nQuestion:",
    " He has 3 + {0} = <<3+{0}={0}>>{0}.\n#### {0}\n\n",
    " {}\n",
    " The final answer is {}",
    " 答案是 {}。\n问题：",
    "答えは{}です。\n問題：",
    " Ответ — {}.\nЗадача:",
    "({}) or ({})? It is ({}), no.",
)
_VALUES = (
    "7",
    "18",
    "$1,024",
    "A",
    "B",
    "C",
    "D",
    "True",
    "False",
    "yes",
    "no",
    "3.5",
    *(fact.right for fact in FACTS),
)


def make_model(folder: Path) -> Path:
    """A Llama of some 100,000 parameters in float32 that ends prompts with answers of many forms."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    make_base(folder, max_position_embeddings=2048)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    texts = [
        f"{question}{answer.format(value, value, value)}"
        for question in _QUESTIONS
        for answer in _ANSWERS
        for value in _VALUES
    ]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        stream = torch.tensor([token for text in texts for token in tokenizer(text)["input_ids"]])
        optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
        for _ in range(_STEPS):
            starts = torch.randint(0, len(stream) - _LENGTH, (_BATCH,))
            batch = torch.stack([stream[start : start + _LENGTH] for start in starts.tolist()])
            model(input_ids=batch, labels=batch).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    model.save_pretrained(folder)
    return folder
