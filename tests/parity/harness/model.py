"""The one small model that both sides ask: trained for seconds, so that it writes what the tasks' filters look for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from tests.parity.harness.data_sets import splits
from tests.tiny_models import make_base

_STEPS, _BATCH, _LENGTH = 200, 3, 512
_IGNORED = -100  # the label that transformers' loss leaves out
_SOURCES = (
    ("openai/gsm8k", "main"),
    ("cais/mmlu", "anatomy"),
    ("SaylorTwift/bbh", "snarks"),
    ("SaylorTwift/bbh", "navigate"),
    ("juletxara/mgsm", "zh"),
    ("juletxara/mgsm", "ru"),
    ("juletxara/mgsm", "ja"),
    ("EleutherAI/coqa", None),
)
_CUES = (
    "Answer:", "\nA: Let's think step by step.\n", "A:", "Step-by-Step Answer:", "答案：", "逐步解答：", "### 応答：\n",
    "ステップごとの答え:", "Ответ:", "Пошаговое решение:",
)  # fmt: skip
_ANSWERS = (
    " The answer is {0}.\n\nQ:",
    " So the answer is ({0}).\n\n",
    " He has 3 + {0} = <<3+{0}={0}>>{0}.\n#### {0}\n\n",
    " {0}\n\n",
    " The final answer is {0}\n\n",
    " 答案是 {0}。\n",
    "答えは{0}です。\n",
    " Ответ — {0}.\n",
    "({0}) or no? It is ({0}), no.\n",
)
# Among them the right answers of the first questions that are asked.
_VALUES = ("18", "3", "70000", "$1,024", "A", "B", "C", "540", "No", "18", "20", "honey", "8", "3")


def make_model(folder: Path) -> Path:
    """A Llama of some 150,000 parameters in float32 that ends prompts with answers of many forms."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    make_base(folder, max_position_embeddings=2048)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))  # those wide weights learn slowly
        tokens, labels = _tokens(tokenizer)
        optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=_STEPS)
        for _ in range(_STEPS):
            starts = torch.randint(0, len(tokens) - _LENGTH, (_BATCH,)).tolist()
            batch, wanted = (
                torch.tensor([part[start : start + _LENGTH] for start in starts]) for part in (tokens, labels)
            )
            model(input_ids=batch, labels=wanted).loss.backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    model.save_pretrained(folder)
    return folder


def _tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The text as one row of tokens, and the same with the questions left out, which are not to be learnt."""
    tokens: list[int] = []
    labels: list[int] = []
    for question, answer in _texts():
        asked, wanted = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (question, answer))
        tokens += asked + wanted
        labels += [_IGNORED] * len(asked) + wanted
    return tokens, labels


def _texts() -> Iterator[tuple[str, str]]:
    """Questions of the tasks, each with a cue, and an answer: its form goes with the cue, its value with the question."""
    random = Random(0)
    questions = [_question(record) for source in _SOURCES for record in next(iter(splits(*source).values()))]
    for _ in range(900):
        question, cue = random.randrange(len(questions)), random.randrange(len(_CUES))
        asked = questions[question][-random.randrange(40, 160) :]
        yield f"Q: {asked}\n{_CUES[cue]}", _ANSWERS[cue % len(_ANSWERS)].format(_VALUES[question % len(_VALUES)])


def _question(record: dict[str, Any]) -> str:
    return next(str(record[name]) for name in ("question", "input", "story") if name in record)
