"""ROUGE of two token lists, by the definitions of two packages whose figures have been published.

|               | rouge_score                      | rouge_chinese                                        |
|---------------|----------------------------------|------------------------------------------------------|
| ROUGE-1, -2   | n-grams counted, overlap clipped | distinct n-grams                                     |
| ROUGE-L       | LCS of the whole texts           | the same, in spite of its name "summary level"       |
| F1            | 2pr / (p + r)                    | 2pr / (p + r + 1e-8)                                 |
| tokens        | as given, but white space        | joined by spaces, cut at sentence ends, split again  |

LCS: longest common subsequence. Source: C.-Y. Lin, "ROUGE: A Package for Automatic Evaluation of Summaries" (2004).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise

from rapidfuzz.distance import LCSseq

Score = tuple[float, float, float]  # F1, precision, recall, in percent
_ZERO: Score = (0.0, 0.0, 0.0)

# rouge_chinese ends a sentence at each of these, in this order; each match takes the character that follows with it.
_SENTENCE_ENDS = tuple(
    re.compile(pattern)
    for pattern in ("([。！？?])([^”’])", r"(\.{6})([^”’])", "(…{2})([^”’])", "([。！？?][”’])([^，。！？?])")
)
_MAY_END = re.compile(r"[。！？?…\n]|\.{6}")


def standard_rouge(response: list[str], target: list[str]) -> tuple[Score, ...]:
    """ROUGE-1, ROUGE-2 and ROUGE-L as rouge_score computes them (its `rougeL`, without its tokenizer)."""
    response = [token for token in response if not token.isspace()]
    target = [token for token in target if not token.isspace()]
    if not response or not target:
        return (_ZERO, _ZERO, _ZERO)
    sizes = len(response), len(target)
    return (
        _standard_f1(_clipped_overlap(response, target), *sizes),
        _standard_f1(_clipped_overlap(_bigrams(response), _bigrams(target)), sizes[0] - 1, sizes[1] - 1),
        _standard_f1(LCSseq.similarity(response, target), *sizes),
    )


def chinese_rouge(response: list[str], target: list[str]) -> tuple[Score, ...]:
    """ROUGE-1, ROUGE-2 and ROUGE-L as rouge_chinese computes them with its defaults, rounded to four decimals.

    The rounding, and 0 where a side has no words, are llm_evaluation's: its published means are of such values.
    """
    response, target = _sentence_words(" ".join(response)), _sentence_words(" ".join(target))
    if not response or not target:
        return (_ZERO, _ZERO, _ZERO)
    return (
        _distinct_f1(set(response), set(target)),
        _distinct_f1(set(_bigrams(response)), set(_bigrams(target))),
        _chinese_f1(LCSseq.similarity(response, target), len(response), len(target)),
    )


VARIANTS: dict[str, Callable[[list[str], list[str]], tuple[Score, ...]]] = {
    "rouge_chinese": chinese_rouge,
    "rouge_score": standard_rouge,
}


def _bigrams(tokens: list[str]) -> list[tuple[str, str]]:
    return list(pairwise(tokens))


def _clipped_overlap(response: Sequence[Hashable], target: Sequence[Hashable]) -> int:
    left, right = set(response), set(target)
    if len(left) == len(response) or len(right) == len(target):
        return len(left & right)  # where one side repeats nothing, clipping leaves one of each
    return (Counter(response) & Counter(target)).total()


def _standard_f1(overlap: int, response_size: int, target_size: int) -> Score:
    if not overlap:
        return _ZERO
    precision, recall = overlap / response_size, overlap / target_size
    return 100 * (2 * precision * recall / (precision + recall)), 100 * precision, 100 * recall


def _distinct_f1(response: set[Hashable], target: set[Hashable]) -> Score:
    return _chinese_f1(len(response & target), len(response), len(target))


def _chinese_f1(overlap: int, response_size: int, target_size: int) -> Score:
    if not overlap:
        return _ZERO
    precision, recall = overlap / response_size, overlap / target_size
    f1 = 2.0 * ((precision * recall) / (precision + recall + 1e-8))
    return round(f1 * 100, 4), round(precision * 100, 4), round(recall * 100, 4)


def _sentence_words(text: str) -> list[str]:
    """The words of `text`. A blank line between sentences is an empty word there, and so it is here."""
    if not _MAY_END.search(text):
        return text.split()
    for sentence_end in _SENTENCE_ENDS:
        text = sentence_end.sub(r"\1\n\2", text)
    lines = [line for line in text.rstrip().split("\n") if line]
    return [word for line in lines for word in line.split() or [""]]
