"""The filters `lowercase`, `uppercase`, `map` and `first_line`: each response rewritten, by itself."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from filters.registry import Filter, Unparsed, each_text, register_filter


@register_filter("lowercase")
def lowercase() -> Filter:
    """Texts in lower case; what is no text stays as it is."""
    return each_text(lambda response: _rewritten(response, str.lower))


@register_filter("uppercase")
def uppercase() -> Filter:
    """Texts in upper case; what is no text stays as it is."""
    return each_text(lambda response: _rewritten(response, str.upper))


@register_filter("first_line")
def first_line() -> Filter:
    """What stands before the first line break (LF), not stripped: empty where the response begins with one."""
    return each_text(lambda response: _rewritten(response, lambda text: text.split("\n", 1)[0]))


@register_filter("map")
def map_values(mapping_dict: Mapping[Any, Any] | None = None, default_value: Any = None) -> Filter:
    """The value that stands for each response in `mapping_dict`, else `default_value` (lm_eval 0.4.13's `map`).

    A default that is a text is recognised by `parse_failed`.
    """
    if mapping_dict is not None and not isinstance(mapping_dict, Mapping):
        raise ValueError(f"mapping_dict is a mapping from responses to values, not {mapping_dict!r}")
    table = dict(mapping_dict or {})
    default = Unparsed(default_value) if isinstance(default_value, str) else default_value

    def look_up(response: Any) -> Any:
        return table.get(response, default) if isinstance(response, Hashable) else default

    return each_text(look_up)


def _rewritten(response: Any, rewrite: Any) -> Any:
    return type(response)(rewrite(response)) if isinstance(response, str) else response
