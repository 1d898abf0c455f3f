"""Prompts from questions, answers and few-shot examples: one text, or messages for a chat template.

The joints reproduce lm-evaluation-harness 0.4.13 byte for byte; no document is read and no template rendered here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pipeline.requests import Message, Prompt


@dataclass(frozen=True)
class Turn:
    """One turn; `joint` follows it in plain text and stands in no message."""

    role: str
    content: str
    joint: str = ""


def joined(first: str, second: str, joint: str) -> str:
    """Both texts, the joint between them unless one is empty or whitespace separates them already."""
    if not first or not second:
        return first or second
    return first + (joint if _touch(first, second) else "") + second


def _touch(first: str, second: str) -> bool:
    return bool(first) and bool(second) and not (first[-1].isspace() or second[0].isspace())


def system_turns(instruction: str | None, description: str, joint: str) -> list[Turn]:
    """The run's system instruction and the task's description as one turn; none where both are empty."""
    content = joined(instruction or "", description, joint)
    return [Turn("system", content)] if content else []


def answered_turns(
    question: str, answer: str | None, gen_prefix: str, target_joint: str, example_joint: str
) -> list[Turn]:
    """A few-shot example: the question, and the answer behind its prefix; None is an example without an answer."""
    if answer is None:
        return question_turns(question, gen_prefix, target_joint)
    user_joint = target_joint if not gen_prefix or _touch(question, gen_prefix) else ""
    return [Turn("user", question, user_joint), Turn("assistant", joined(gen_prefix, answer, " "), example_joint)]


def headed(turns: Sequence[Turn], heading: str) -> list[Turn]:
    """The turns with `heading` at the beginning of the first user turn."""
    first = next(number for number, turn in enumerate(turns) if turn.role == "user")
    return [
        replace(turn, content=heading + turn.content) if number == first else turn for number, turn in enumerate(turns)
    ]


def question_turns(question: str, gen_prefix: str, target_joint: str) -> list[Turn]:
    """The question that is to be answered; with a prefix, the answer's beginning is given."""
    if not gen_prefix:
        return [Turn("user", question)]
    return [
        Turn("user", question, target_joint if _touch(question, gen_prefix) else ""),
        Turn("assistant", gen_prefix),
    ]


def as_text(turns: Iterable[Turn]) -> str:
    return "".join(turn.content + turn.joint for turn in turns)


def as_messages(turns: Sequence[Turn], multiturn: bool) -> Prompt:
    """Messages: each turn one, or few-shot examples and question as a single user message.

    A system turn stays first; a given beginning of the answer stays last.
    """
    if multiturn:
        return [_message(turn) for turn in turns]
    system = list(turns[:1]) if turns[0].role == "system" else []
    rest = turns[len(system) :]
    prefill = list(rest[-1:]) if rest[-1].role == "assistant" else []
    asked = rest[: len(rest) - len(prefill)]
    user = Turn("user", as_text([*asked[:-1], replace(asked[-1], joint="")]))
    return [_message(turn) for turn in (*system, user, *prefill)]


def _message(turn: Turn) -> Message:
    return {"role": turn.role, "content": turn.content}
