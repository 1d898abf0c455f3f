"""The filters `take_first`, `take_first_k` and `majority_vote`: which of several samples count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from filters.registry import Filter, is_registered, register_filter
from pipeline.errors import TaskError


@register_filter("take_first")
def take_first() -> Filter:
    """The first sample: a text, or all the likelihoods of a choice task's continuations."""

    def apply(responses: Any, _document: Mapping[str, Any]) -> Any:
        if not isinstance(responses, (list, tuple)):
            return responses  # an earlier filter has chosen
        return responses[0]

    return apply


@register_filter("take_first_k")
def take_first_k(k: int) -> Filter:
    """The first `k` samples, as a list. Raises TaskError for a document with fewer."""
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise ValueError(f"k is a number of samples, 1 or more, not {k!r}")

    def apply(responses: Any, _document: Mapping[str, Any]) -> Any:
        if len(responses) < k:
            raise TaskError(
                f"take_first_k needs {k} samples of each document and got {len(responses)}",
                fix=f"Set `repeats: {k}` or more in the task's file, or a smaller k.",
            )
        return list(responses[:k])

    return apply


@register_filter("majority_vote")
def majority_vote() -> Filter:
    """A list of one: the sample that occurs most often; of equally frequent ones, the one that came first.

    Samples in which an earlier filter found nothing vote too, as in lm_eval 0.4.13.
    """

    def apply(responses: Any, _document: Mapping[str, Any]) -> Any:
        if not isinstance(responses, (list, tuple)):
            return responses  # an earlier filter has chosen
        return [Counter(responses).most_common(1)[0][0]]

    return apply


def first_lacking_samples(steps: Sequence[tuple[str, Mapping[str, Any]]], samples: int) -> tuple[int, int] | None:
    """Of filters in order (name, arguments): which `take_first_k` fails on every document, and what it gets.

    `samples` are each document's. None where there is no such filter, as far as it can be told without the answers.
    """
    for number, (name, arguments) in enumerate(steps):
        if name == "take_first" or not is_registered(name):  # a text, or whatever code gives
            return None
        if name == "majority_vote":
            samples = 1
        elif name == "take_first_k":
            if arguments["k"] > samples:
                return number, samples
            samples = arguments["k"]
    return None
