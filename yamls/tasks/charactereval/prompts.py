"""The dialogue that CharacterEval asks a model to continue: the profile, then the turns so far."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

_COLON = "："  # full-width, between speaker and words


def messages(document: Mapping[str, Any]) -> list[dict[str, str]]:
    """A user's instruction that shows the profile as Python writes a dict, a fixed assent, then alternating turns.

    The character's own lines are the assistant's, each behind the line before it; if the character speaks first, the
    assent ends with that line. Raises ValueError where lines do not alternate, or the last one is the character's.
    """
    role = document["role"]
    lines = [_turn(line) for line in document["context"].split("\n")]
    instruction = f"{document['profile']}\n现在请你扮演一个角色扮演专家。请你根据上述信息扮演{role}进行对话。\n"
    assent = f"好的！现在我来扮演{role}。"
    if lines[0][0] == role:
        assent += f"我首先发话：{lines[0][1]}"
    dialogue = [("user", instruction), ("assistant", assent)]
    for asked, answered in pairwise(lines):
        if answered[0] == role:
            if asked[0] == role:
                raise ValueError(f"two lines of {role} follow each other")
            dialogue += [("user", _COLON.join(asked)), ("assistant", _COLON.join(answered))]
    if lines[-1][0] == role:
        raise ValueError(f"the last line is {role}'s own")
    dialogue.append(("user", _COLON.join(lines[-1])))
    return [{"role": speaker, "content": content} for speaker, content in dialogue]


def _turn(line: str) -> tuple[str, str]:
    speaker, _, words = line.partition(_COLON)
    return speaker, words
