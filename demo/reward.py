"""The demo's reward model: the base with a head of one value, learnt on pairs of a good answer and a spoilt one."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo.corpus import Text, chat, plain
from demo.facts import TRAINED_WORDINGS, Question, questions, statements
from demo.train import Schedule, optimize, seed_everything

if TYPE_CHECKING:
    import torch

PAIRS = 16  # of one batch


def make_reward(base: Path, folder: Path, schedule: Schedule, after: Callable[[int, float], None]) -> None:
    """Train the model and write it, with the base's tokenizer, into `folder`."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.padding_side = "right"
    seed_everything(schedule.seed)
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1)
    drawn = random.Random(schedule.seed)
    learnt = [one for one in questions() if one.wording < TRAINED_WORDINGS]

    def next_loss() -> torch.Tensor:
        return pairwise_loss(model, tokenizer, [draw_pair(one, drawn) for one in drawn.sample(learnt, PAIRS)])

    optimize(model, schedule, next_loss, after)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def draw_pair(one: Question, drawn: random.Random) -> tuple[Text, Text]:
    """A question with its answer, and with a spoilt one, as plain text or as a dialogue."""
    good, wrong = statements(one)
    spoilt = drawn.choice((drawn.choice(wrong), cut(good), repeated(good), drawn.choice(questions()).text))
    form = plain if drawn.random() < 0.5 else rendered
    return form(one.text, good), form(one.text, spoilt)


def rendered(question: str, answer: str) -> Text:
    """A question and its answer as the chat template ends a dialogue that nobody has to go on with."""
    return Text((*chat(((question, answer),)).pieces, ("\n", False)))


def cut(answer: str) -> str:
    """An answer that breaks off in the middle."""
    return answer[: len(answer) // 2].rstrip()


def repeated(answer: str) -> str:
    """An answer that turns in a circle."""
    return cut(answer) + " " + cut(answer) + " " + cut(answer)


def pairwise_loss(model: Any, tokenizer: Any, pairs: Sequence[tuple[Text, Text]]) -> torch.Tensor:
    """-log sigmoid(good - spoilt), the loss of Bradley and Terry's model (Ouyang et al. 2022, equation 1)."""
    import torch

    scores = reward(model, tokenizer, [text for column in zip(*pairs, strict=True) for text in column])
    loss: torch.Tensor = -torch.nn.functional.logsigmoid(scores[: len(pairs)] - scores[len(pairs) :]).mean()
    return loss


def reward(model: Any, tokenizer: Any, texts: Sequence[Text]) -> torch.Tensor:
    """The value of each text [texts]; higher is better."""
    batch = tokenizer([text.whole for text in texts], padding=True, return_tensors="pt", return_token_type_ids=False)
    values: torch.Tensor = model(**batch).logits[:, 0]
    return values
