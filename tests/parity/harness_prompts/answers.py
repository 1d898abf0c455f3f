"""Made-up answers to requests: log-likelihoods with greedy flags, and texts of which some hold what is looked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

# What filters and scorers look for in texts; {0} is the right answer, or another, {1} a second one.
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
    "It is ({0}), not ({1}).",
    "Not {1}, {0}",
    "#### {1}\nThe answer is {1}. No, the answer is {0}.",
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
    """A log-likelihood, now and then equal to another, and whether greedy decoding would have given the same."""
    logprob = float(generator.randrange(-4, 0)) if generator.random() < 0.2 else -generator.uniform(0.1, 20.0)
    return logprob, generator.random() < 0.3


def text(generator: Random, right: Sequence[Any], forms: Sequence[str] = ()) -> str:
    """An answer; most hold one of the texts of `right`, whose first is the likeliest. `forms`: besides the usual."""
    known = [str(one) for one in right if str(one)]
    drawn = generator.random()
    value = generator.choice(_OTHERS)
    if known and drawn < 0.7:
        value = known[0] if drawn < 0.45 else generator.choice(known)
    return generator.choice([*_FORMS[:2] * 4, *_FORMS, *forms * 4]).format(value, generator.choice(_OTHERS))


def forms_for(filters: Sequence[Mapping[str, Any]]) -> list[str]:
    """Forms in which a regex of a task's own filters finds the answer, as far as one can be read off it."""
    steps = [step for pipeline in filters for step in pipeline.get("filter", ())]
    patterns = [step["regex_pattern"] for step in steps if isinstance(step.get("regex_pattern"), str)]
    leads = [re.sub(r"^\(\?\w+\)", "", pattern).partition("(")[0] for pattern in patterns]
    plain = [re.sub(r"\\(\W)|\\s[*+?]?", r"\1", lead) for lead in leads]
    return [lead.replace("{", "{{").replace("}", "}}") + "{0}" for lead in plain if lead.strip()]
