"""When a generated row ends: end-of-sequence ids, and stop strings found in the text while it grows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from models.tokens import PromptEncoder

_SLACK_TOKENS = 4  # decoders treat the start of what they are given in ways of their own (a leading space is cut)


class StopCondition:
    """The end ids and stop strings of one set of settings. A stop string that is one special token is an end id."""

    def __init__(self, encoder: PromptEncoder, until: Sequence[str], end_ids: Iterable[int]) -> None:
        self._encoder = encoder
        special = encoder.special
        stops = [stop for stop in until if stop]
        self.end_ids = frozenset(end_ids) | {special[stop] for stop in stops if stop in special}
        rest = [stop for stop in stops if stop not in special]
        self._special = sorted(special, key=len, reverse=True)
        # Stop strings around a special token are looked for where special tokens are still visible.
        self._mixed = tuple(stop for stop in rest if any(token in stop for token in special))
        self._plain = tuple(stop for stop in rest if stop not in self._mixed)
        # Each token of a match gives at least one of its bytes, so that a match lies within so many last tokens.
        self._window = max((len(stop.encode()) for stop in rest), default=0) + _SLACK_TOKENS

    def reached(self, ids: Sequence[int]) -> bool:
        """Whether the last of these generated ids completes a stop string."""
        tail = ids[-self._window :]
        return bool(
            (self._plain and _first(self._encoder.decode(tail), self._plain) is not None)
            or (self._mixed and _first(self._encoder.decode(tail, keep_special=True), self._mixed) is not None)
        )

    def text(self, ids: Sequence[int]) -> tuple[str, bool]:
        """The text of generated ids, cut before the earliest stop string, and whether there was one."""
        if self._mixed:
            whole = self._encoder.decode(ids, keep_special=True)
            cut = _first(whole, self._mixed)
            if cut is not None:
                shown = self._without_special(whole[:cut])
                earlier = _first(shown, self._plain)
                return shown[:earlier], True
        shown = self._encoder.decode(ids)
        cut = _first(shown, self._plain)
        return shown[:cut], cut is not None

    def _without_special(self, text: str) -> str:
        for token in self._special:
            text = text.replace(token, "")
        return text


def _first(text: str, stops: Sequence[str]) -> int | None:
    """Where the earliest of the stop strings begins, or None."""
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    return min(places, default=None)
