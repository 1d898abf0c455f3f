"""Made-up answers to requests: log-likelihoods with greedy flags, and texts of which some hold what is looked for."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

# What filters and scorers look for in texts; {0} is the right answer, or another.
_FORMS = (
    "{0}",
    " {0}",
    "{0}\n\nQ: another",
    "The answer is {0}.",
    "The answer is ({0}).",
    "So the final answer is: {0}. I hope it is correct.",
    "Let us think. 3 + 4 = 7\n#### {0}",
    "Answer: {0}",
    "Answer: $\\boxed{{{0}}}$",
    "**{0}**",
    "답변: {0}",
    "答案是{0}。",
    "<answer>{0}</answer>",
    '{{"answer": "{0}", "label": "{0}"}}',
    "\n\n{0}, yes {0} or no",
    "I do not know.",
    "",
)
_OTHERS = (
    "A",
    "B",
    "C",
    "(B)",
    "1",
    "2",
    "18",
    "-3.5",
    "1,024",
    "yes",
    "No",
    "True",
    "entailment",
    "x y z",
    "größer 数",
)


def score(generator: Random) -> tuple[float, bool]:
    return -generator.uniform(0.1, 20.0), generator.random() < 0.3


def text(generator: Random, right: Sequence[Any]) -> str:
    """An answer; about half of them hold one of the `right` texts."""
    known = [str(one) for one in right if str(one)]
    value = generator.choice(known) if known and generator.random() < 0.6 else generator.choice(_OTHERS)
    return generator.choice(_FORMS).format(value)
