"""The metrics `bleu`, `chrf`, `chrf++` and `ter`: sacreBLEU's corpus metrics.

A row's value is its counts, summed by step 4. The figures that follow from summed counts are `corpus_scores.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from metrics.registry import MetricInput, Output, Values, register_metric
from metrics.responses import one_text
from metrics.targets import target_texts
from pipeline.errors import MissingPackageError, TaskError

_GENERATED = ("generate_until",)


@register_metric(
    "bleu",
    {"bleu": Output(aggregation="bleu", maximum=100.0, vector=True)},
    packages=("sacrebleu",),
    output_types=_GENERATED,
)
def bleu(rows: Sequence[MetricInput], tokenize: str = "13a", lowercase: bool = False) -> list[Values]:
    """[length, target's length, matches of order 1 to 4, n-grams of order 1 to 4]; None without a target.

    `tokenize`: one of sacreBLEU's tokenizers; `zh` for Chinese, `char` for any language without spaces. Of several
    targets the n-grams count together and the nearest length counts.
    """
    scorer = _bleu_scorer(tokenize, lowercase)
    values: list[Values] = []
    for row in rows:
        response, targets = one_text(row, "bleu"), target_texts(row)
        if not targets:
            values.append({"bleu": None})
            continue
        counts = scorer.sentence_score(response, targets)
        values.append({"bleu": [counts.sys_len, counts.ref_len, *counts.counts, *counts.totals]})
    return values


@register_metric(
    "chrf",
    {"chrf": Output(aggregation="chrf", maximum=100.0, vector=True)},
    packages=("sacrebleu",),
    output_types=_GENERATED,
)
def chrf(rows: Sequence[MetricInput], word_order: int = 0, lowercase: bool = False) -> list[Values]:
    """[n-grams, target's n-grams, matches] of character order 1 to 6, then of word order 1 to `word_order`.

    None without a target. `word_order: 2` gives chrF++. Of several targets the one with the best score counts.
    """
    scorer = _chrf_scorer(word_order, lowercase)
    return [{"chrf": _corpus_counts(scorer, one_text(row, "chrf"), target_texts(row))} for row in rows]


@register_metric(
    "chrf++",
    {"chrf++": Output(aggregation="chrf++", maximum=100.0, vector=True)},
    packages=("sacrebleu",),
    output_types=_GENERATED,
)
def chrf_with_words(rows: Sequence[MetricInput], lowercase: bool = False) -> list[Values]:
    """As `chrf` with `word_order: 2`: M. Popović, "chrF++: words helping character n-grams" (2017)."""
    scorer = _chrf_scorer(2, lowercase)
    return [{"chrf++": _corpus_counts(scorer, one_text(row, "chrf++"), target_texts(row))} for row in rows]


@register_metric(
    "ter",
    {"ter": Output(aggregation="ter", higher_is_better=False, maximum=None, vector=True)},
    packages=("sacrebleu",),
    output_types=_GENERATED,
)
def ter(
    rows: Sequence[MetricInput], normalized: bool = False, asian_support: bool = False, case_sensitive: bool = False
) -> list[Values]:
    """[edits, mean length of the targets in words]; None without a target. Chinese needs both of the first two."""
    scorer = _ter_scorer(normalized, asian_support, case_sensitive)
    values: list[Values] = []
    for row in rows:
        response, targets = one_text(row, "ter"), target_texts(row)
        if not targets:
            values.append({"ter": None})
            continue
        counts = scorer.sentence_score(response, targets)
        values.append({"ter": [float(counts.num_edits), float(counts.ref_length)]})
    return values


@functools.cache
def _bleu_scorer(tokenize: str, lowercase: bool) -> Any:
    metrics = _sacrebleu()
    known = sorted(metrics.BLEU.TOKENIZERS)
    if tokenize not in known:
        raise TaskError(f"sacreBLEU has no tokenizer {tokenize!r}", fix=f"Known tokenizers: {', '.join(known)}")
    return metrics.BLEU(tokenize=tokenize, lowercase=lowercase, effective_order=True)  # of which counts are free


@functools.cache
def _chrf_scorer(word_order: int, lowercase: bool) -> Any:
    return _sacrebleu().CHRF(word_order=word_order, lowercase=lowercase)


@functools.cache
def _ter_scorer(normalized: bool, asian_support: bool, case_sensitive: bool) -> Any:
    return _sacrebleu().TER(normalized=normalized, asian_support=asian_support, case_sensitive=case_sensitive)


def _corpus_counts(scorer: Any, response: str, targets: Sequence[str]) -> list[int] | None:
    """What sacreBLEU would sum over a corpus: its scores of single sentences do not show the counts of chrF."""
    if not targets:
        return None
    (counts,) = scorer._extract_corpus_statistics([response], [[target] for target in targets])
    return [int(count) for count in counts]


def _sacrebleu() -> Any:
    try:
        from sacrebleu import metrics
    except ImportError as error:
        raise MissingPackageError("sacrebleu", "the metrics bleu, chrf, chrf++ and ter") from error
    return metrics
