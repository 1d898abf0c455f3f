"""The metrics of how well a model predicts given texts: `perplexity`, and of whole texts a word, byte or bit.

A row's value is its log-likelihood, with the text's length where the figure is a unit's; step 4 makes the figure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from metrics.registry import MetricInput, Output, Values, register_metric
from metrics.responses import one_likelihood
from pipeline.errors import MetricError

_WHITE_SPACE = re.compile(r"\s+")
_ROLLING = ("loglikelihood_rolling",)


@register_metric(
    "perplexity",
    {"perplexity": Output(aggregation="perplexity", higher_is_better=False, maximum=None)},
    output_types=("loglikelihood",),
)
def perplexity(rows: Sequence[MetricInput]) -> list[Values]:
    """The log-likelihood of the continuation (natural); the figure is exp(−mean), the perplexity a continuation."""
    return [{"perplexity": one_likelihood(row, "perplexity").logprob} for row in rows]


@register_metric(
    "word_perplexity",
    {"word_perplexity": Output(aggregation="weighted_perplexity", higher_is_better=False, maximum=None, vector=True)},
    output_types=_ROLLING,
)
def word_perplexity(rows: Sequence[MetricInput]) -> list[Values]:
    """[log-likelihood of the text, words in the target], a word being what stands between white space."""
    return [{"word_perplexity": _with_length(row, "word_perplexity", _words)} for row in rows]


@register_metric(
    "byte_perplexity",
    {"byte_perplexity": Output(aggregation="weighted_perplexity", higher_is_better=False, maximum=None, vector=True)},
    output_types=_ROLLING,
)
def byte_perplexity(rows: Sequence[MetricInput]) -> list[Values]:
    """[log-likelihood of the text, bytes of the target in UTF-8]."""
    return [{"byte_perplexity": _with_length(row, "byte_perplexity", _bytes)} for row in rows]


@register_metric(
    "bits_per_byte",
    {"bits_per_byte": Output(aggregation="bits_per_byte", higher_is_better=False, maximum=None, vector=True)},
    output_types=_ROLLING,
)
def bits_per_byte(rows: Sequence[MetricInput]) -> list[Values]:
    """[log-likelihood of the text, bytes of the target in UTF-8], as `byte_perplexity`; the figure is in bits."""
    return [{"bits_per_byte": _with_length(row, "bits_per_byte", _bytes)} for row in rows]


def _with_length(row: MetricInput, metric: str, length: Callable[[str], int]) -> list[float] | None:
    if row.target is None:
        return None
    if not isinstance(row.target, str):
        raise MetricError(
            f"{metric} counts the target's length, and a target is no text but a {type(row.target).__name__}",
            fix="Let `doc_to_target` give the text that is scored.",
        )
    return [one_likelihood(row, metric).logprob, float(length(row.target))]


def _words(text: str) -> int:
    """An empty piece before the first white space or after the last counts, as in lm_eval 0.4.13."""
    return len(_WHITE_SPACE.split(text))


def _bytes(text: str) -> int:
    return len(text.encode("utf-8"))
