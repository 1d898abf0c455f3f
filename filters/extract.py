"""The filter `regex`: the part of a response that a pattern finds."""

from __future__ import annotations

import re

from filters.registry import Filter, Unparsed, each_text, register_filter


@register_filter("regex")
def regex(
    regex_pattern: str = r"#### (\-?[0-9\.\,]+)", group_select: int = 0, fallback: str | None = "[invalid]"
) -> Filter:
    """Take match number `group_select` of all matches (negative: from the end), stripped.

    A pattern with several groups gives the first group that is not empty. Where nothing is found the value is
    `fallback`, recognised by `parse_failed`. Values equal those of lm_eval 0.4.13's filter `regex`, except that a
    `group_select` beyond the matches, which ends its run, is an answer not found here.
    """
    try:
        pattern = re.compile(regex_pattern)
    except re.error as error:
        raise ValueError(f"regex_pattern is no regular expression: {error}") from error
    not_found = None if fallback is None else Unparsed(fallback)

    def find(response: object) -> str | None:
        matches = pattern.findall(response) if isinstance(response, str) else []
        if not -len(matches) <= group_select < len(matches):
            return not_found
        chosen: str | tuple[str, ...] = matches[group_select]
        if isinstance(chosen, tuple):
            found = next((group for group in chosen if group), None)
            return not_found if found is None else found.strip()
        return chosen.strip()

    return each_text(find)
