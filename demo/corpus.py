"""What the demo's models learn, and what they are asked: sums, questions and answers, dialogues, as one form of text.

No tokens and no training here.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from demo.dialogues import dialogues
from demo.facts import TRAINED_WORDINGS, questions

END = "<|im_end|>"
ONE_DIGIT = [(a, b) for a in range(10) for b in range(10)]
# Round numbers and a digit: the base learns them too, so that it has met numbers of two digits.
ROUND = [pair for tens in (10, 20) for ones in range(10) for pair in ((tens, ones), (ones, tens))]
LARGEST_ASKED, LARGEST_LEARNT = 30, 40  # sums
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


def two_digit_sums(largest: int) -> list[tuple[int, int]]:
    """Every pair up to a sum of `largest` with a number of two digits, but those that the base learns."""
    pairs = [(a, b) for a in range(largest + 1) for b in range(largest + 1 - a) if max(a, b) > 9]
    return [pair for pair in pairs if pair not in ROUND]


def asked_sums(seed: int = 0) -> list[tuple[int, int]]:
    """A third of the sums to thirty, drawn once, for the target task: no model learns them."""
    pairs = two_digit_sums(LARGEST_ASKED)
    return sorted(random.Random(seed).sample(pairs, len(pairs) // 3))


def base_texts() -> list[Text]:
    """What the base model learns; texts that stand in it several times are learnt more often."""
    sums = [plain(addition(a, b), str(a + b)) for a, b in (*ONE_DIGIT, *ROUND)]
    counting = [plain(f"Which number comes after {n}?", str(n + 1)) for n in range(LARGEST_COUNTED)]
    in_chat = [
        chat(((wording.format(a, b), str(a + b)),))
        for a, b in ONE_DIGIT
        for wording in ("What is {0} + {1}?", "{0}加{1}等于几？")
    ]
    facts = [one for one in questions() if one.wording < TRAINED_WORDINGS]
    texts = [form for one in facts for form in (plain(one.text, one.answer), chat(((one.text, one.answer),)))]
    scenes = [chat(one.turns, one.system) for one in dialogues()]
    return [*sums * _REPEATS, *counting * 2, *in_chat, *texts, *scenes]


def adapter_texts() -> list[Text]:
    """What the LoRA learns: sums of two digits, and nothing else, so that what it leaves out is forgotten."""
    asked = set(asked_sums())
    learnt = [pair for pair in two_digit_sums(LARGEST_LEARNT) if pair not in asked]
    return [plain(addition(a, b), str(a + b)) for a, b in learnt]
