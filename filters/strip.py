"""The filter `strip`, which lm_eval calls `remove_whitespace`: responses without white space at both ends."""

from __future__ import annotations

from typing import Any

from filters.registry import Filter, each_text, register_filter


@register_filter("strip", "remove_whitespace")
def strip() -> Filter:
    """Remove white space, as Unicode defines it, from both ends of each text; what is no text stays as it is."""
    return each_text(_strip)


def _strip(response: Any) -> Any:
    return type(response)(response.strip()) if isinstance(response, str) else response
