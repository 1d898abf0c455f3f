"""What the demo's models learn, and what they are asked: additions, questions and answers, dialogues, as one form of text.

No tokens and no training here.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from demo.dialogues import dialogues
from demo.facts import TRAINED_WORDINGS, questions

END = "<|im_end|>"
ONE_DIGIT = [(a, b) for a in range(10) for b in range(10)]
LARGEST_SUM = 30
# Round numbers and a digit: the base learns them too, so that it has met numbers of two digits.
ROUND = [pair for tens in (10, 20) for ones in range(10) for pair in ((tens, ones), (ones, tens))]
# All other sums with a number of two digits; the LoRA learns two thirds of them, the rest are only asked.
TO_THIRTY = [
    (a, b)
    for a in range(LARGEST_SUM + 1)
    for b in range(LARGEST_SUM + 1 - a)
    if max(a, b) > 9 and (a, b) not in ROUND
]
LARGEST_COUNTED = 40
_REPEATS = 5  # of the plain sums, which are harder to learn than facts


@dataclass(frozen=True)
class Text:
    """A text in pieces; what is `learnt` is the model's part (an answer with its end), the rest is given to it."""

    pieces: tuple[tuple[str, bool], ...]

    @property
    def whole(self) -> str:
        return "".join(text for text, _ in self.pieces)


def plain(question: str, answer: str) -> Text:
    """The form of plain text in which the demo's tasks ask."""
    return Text(((f"Question: {question}\nAnswer:", False), (f" {answer}{END}", True)))


def chat(turns: tuple[tuple[str, str], ...], system: str = "") -> Text:
    """A dialogue as the tokenizer's chat template renders it; every answer is learnt."""
    pieces: list[tuple[str, bool]] = [(f"<|im_start|>system\n{system}{END}\n", False)] if system else []
    for asked, said in turns:
        pieces += [
            (f"<|im_start|>user\n{asked}{END}\n<|im_start|>assistant\n", False),
            (f"{said}{END}", True),
            ("\n", False),
        ]
    return Text(tuple(pieces[:-1]))


def addition(a: int, b: int) -> str:
    """The question of an addition, in the wording of the demo's tasks."""
    return f"{a} + {b} = ?"


def split_to_thirty(seed: int = 0) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """(learnt, asked): two thirds and one third of the additions to thirty, drawn once."""
    pairs = list(TO_THIRTY)
    random.Random(seed).shuffle(pairs)
    learnt = len(pairs) * 2 // 3
    return pairs[:learnt], pairs[learnt:]


def base_texts() -> list[Text]:
    """What the base model learns; texts that stand in it several times are learnt more often."""
    sums = [plain(addition(a, b), str(a + b)) for a, b in (*ONE_DIGIT, *ROUND)]
    counting = [plain(f"Which number comes after {n}?", str(n + 1)) for n in range(LARGEST_COUNTED)]
    asked_sums = [
        chat(((wording.format(a, b), str(a + b)),))
        for a, b in ONE_DIGIT
        for wording in ("What is {0} + {1}?", "{0}加{1}等于几？")
    ]
    facts = [one for one in questions() if one.wording < TRAINED_WORDINGS]
    texts = [form for one in facts for form in (plain(one.text, one.answer), chat(((one.text, one.answer),)))]
    scenes = [chat(one.turns, one.system) for one in dialogues()]
    return [*sums * _REPEATS, *counting * 2, *asked_sums, *texts, *scenes]


def adapter_texts() -> list[Text]:
    """What the LoRA learns: additions to thirty, and nothing else."""
    learnt, _ = split_to_thirty()
    return [plain(addition(a, b), str(a + b)) for a, b in learnt]
