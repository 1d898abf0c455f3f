"""The metric `bleu4`: BLEU-4 of one response against its target on characters, as llm_evaluation measures it.

BLEU of a whole corpus, the usual one, is `corpus_overlap.py`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from metrics.registry import MetricInput, Output, Values, register_metric
from metrics.responses import one_text
from metrics.targets import target_texts

_ORDER = 4


@register_metric("bleu4", {"bleu-4": Output(maximum=100.0)}, output_types=("generate_until",))
def bleu4(rows: Sequence[MetricInput]) -> list[Values]:
    """0 to 100, rounded to four decimals a row, None without a target; of several targets the best counts.

    The value is that of nltk 3's `sentence_bleu(…, smoothing_function=SmoothingFunction().method3)` on lists of
    characters, white space included.
    """
    return [{"bleu-4": _best(one_text(row, "bleu4"), target_texts(row))} for row in rows]


def _best(response: str, targets: Sequence[str]) -> float | None:
    return max((round(100 * smoothed_bleu(response, target), 4) for target in targets), default=None)


def smoothed_bleu(response: Sequence[str], target: Sequence[str]) -> float:
    """BLEU-4 of two token sequences, 0 to 1, by Papineni et al. (2002), equations 1 to 3.

    The k-th order without a match counts as 1 / 2^k matches: "smoothing 3" of Chen and Cherry, "A Systematic
    Comparison of Smoothing Techniques for Sentence-Level BLEU" (2014). An order that the response is too short for
    has one n-gram, which does not match. Without any common token the value is 0.
    """
    logarithms = []
    unmatched = 0
    for order in range(1, _ORDER + 1):
        found, wanted = _ngrams(response, order), _ngrams(target, order)
        matches: float = (found & wanted).total()
        if not matches:
            if order == 1:
                return 0.0
            unmatched += 1
            matches = 1 / 2**unmatched
        logarithms.append(math.log(matches / max(1, found.total())) / _ORDER)
    return _brevity_penalty(len(response), len(target)) * math.exp(math.fsum(logarithms))


def _ngrams(tokens: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[start : start + order]) for start in range(len(tokens) - order + 1))


def _brevity_penalty(response: int, target: int) -> float:
    return 1.0 if response > target else math.exp(1 - target / response)
