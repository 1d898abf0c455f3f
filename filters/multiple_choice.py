"""The filter `multi_choice_regex`: which of a question's choices a free response names, as `(A)`, `(B)` …"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from filters.registry import Filter, Unparsed, register_filter
from pipeline.errors import TaskError
from pipeline.near import listed


@register_filter("multi_choice_regex")
def multi_choice_regex(
    regex_pattern: str = r"#### (\-?[0-9\.\,]+)",
    group_select: int = 0,
    fallback: str = "[invalid]",
    ignore_case: bool = False,
    ignore_punctuation: bool = False,
    regexes_to_ignore: Sequence[str] | None = None,
) -> Filter:
    """The first of three searches that finds something, by match number `group_select` (negative: from the end).

    1. `regex_pattern` in the response. 2. The text of one of the document's `choices`; the options on case,
    punctuation and parts to ignore hold here, for both sides. 3. A choice's letter after a colon. The second and third
    give the letter in brackets. Values equal those of lm_eval 0.4.13's filter of this name, except that a
    `group_select` beyond the matches, which ends its run, is nothing found by that search.
    """
    try:
        pattern = re.compile(regex_pattern)
        ignored = [re.compile(regex) for regex in regexes_to_ignore or ()]
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from error

    def plain(text: str) -> str:
        for regex in ignored:
            text = regex.sub("", text)
        if ignore_case:
            text = text.lower()
        if ignore_punctuation:
            text = "".join(character for character in text if not unicodedata.category(character).startswith("P"))
        return text

    def find(response: object, by_text: Mapping[str, str], texts: re.Pattern[str], letters: re.Pattern[str]) -> str:
        text = response if isinstance(response, str) else ""
        if found := _select(pattern, text, group_select):
            return found
        if found := _select(texts, plain(text), group_select):
            return by_text.get(found, found)
        found = _select(letters, text, group_select)
        return f"({found})" if found else Unparsed(fallback)

    def apply(responses: Any, document: Mapping[str, Any]) -> Any:
        choices = [plain(choice.strip()) for choice in _choices(document)]
        names = [chr(ord("A") + number) for number in range(len(choices))]
        by_text = {choice: f"({name})" for choice, name in zip(choices, names, strict=True)}
        # Alternatives are tried from left to right: the longest first, lest a choice hide one that it begins.
        texts = re.compile("|".join(sorted(map(re.escape, choices), key=len, reverse=True)))
        letters = re.compile(rf":\s*({'|'.join(map(re.escape, names))})")
        if isinstance(responses, (list, tuple)):
            return [find(response, by_text, texts, letters) for response in responses]
        return find(responses, by_text, texts, letters)

    return apply


def _choices(document: Mapping[str, Any]) -> list[str]:
    """The document's choices. Raises TaskError where there is no such column, ValueError where it holds no texts."""
    if "choices" not in document:
        raise TaskError(
            "the filter multi_choice_regex reads the column 'choices', and this document has none",
            fix=f"The columns are {listed(list(document)) or 'none'}; `process_docs` can add one.",
        )
    choices = document["choices"]
    if not isinstance(choices, list) or not all(isinstance(choice, str) for choice in choices):
        raise ValueError(f"`choices` is a list of texts, not {choices!r}"[:200])
    return choices


def _select(pattern: re.Pattern[str], text: str, number: int) -> str:
    """Match `number` of all matches, its first group that is not empty, stripped; empty where there is none."""
    matches = pattern.findall(text)
    if not -len(matches) <= number < len(matches):
        return ""
    chosen: str | tuple[str, ...] = matches[number]
    if isinstance(chosen, tuple):
        chosen = next((group for group in chosen if group), "")
    return chosen.strip()
