"""The filter `remove_thinking`: the answer of a model that thinks aloud first, without its thoughts."""

from __future__ import annotations

from typing import Any, Literal

from filters.registry import Filter, Unparsed, each_text, register_filter


@register_filter("remove_thinking")
def remove_thinking(
    start: str = "<think>", end: str = "</think>", unclosed: Literal["keep", "empty"] = "keep"
) -> Filter:
    """The text after the last `end` tag, without white space at its beginning.

    `start` may be missing from the response: many chat templates put it into the prompt. Where no `end` follows:
    `unclosed: keep` gives the whole text, counted as a parse failure if thinking had begun (`start` is there);
    `unclosed: empty` gives an empty text, which is always one.
    """
    if unclosed not in ("keep", "empty"):
        raise ValueError(f"unclosed is `keep` or `empty`, not {unclosed!r}")
    if not start or not end:
        raise ValueError("start and end are tags, not empty texts")

    def answer(response: Any) -> Any:
        if not isinstance(response, str):
            return response
        _, closed, rest = response.rpartition(end)
        if closed:
            return type(response)(rest.lstrip())
        if unclosed == "empty":
            return Unparsed("")
        return Unparsed(response) if start in response else response

    return each_text(answer)
