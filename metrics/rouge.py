"""The metric `rouge`: ROUGE-1, ROUGE-2 and ROUGE-L of a response against its target, in percent.

The overlap itself is `rouge_overlap.py`, tokens are `tokenizers.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from metrics.registry import MetricInput, Output, Values, register_metric
from metrics.responses import one_text
from metrics.rouge_overlap import VARIANTS, Score
from metrics.targets import target_texts
from metrics.tokenizers import check_tokenizer, find_tokenizer, suitable_tokenizer
from pipeline.errors import TaskError

_NAMES = ("rouge-1", "rouge-2", "rouge-l")
_OUTPUTS = {f"{name}{part}": Output(maximum=100.0) for name in _NAMES for part in ("", "-p", "-r")}


@register_metric("rouge", _OUTPUTS, packages=("jieba", "rapidfuzz"), output_types=("generate_until",))
def rouge(
    rows: Sequence[MetricInput], tokenizer: str = "auto", variant: str | None = None, details: bool = False
) -> list[Values]:
    """The F1 of each ROUGE, 0 to 100; with `details` also precision (`-p`) and recall (`-r`).

    `tokenizer`: `jieba`, `characters`, `words`, or `auto`, which goes by the script of each row's target.
    `variant`: `rouge_chinese` or `rouge_score`, the packages whose values it gives (see `rouge_overlap.py`); by default
    `rouge_chinese` for the tokenizer jieba, with which llm_evaluation's figures were made, and `rouge_score`, the
    usual definition, for the others. Of several targets the best F1 counts, for each ROUGE by itself;
    without any the values are None.
    """
    compare = _comparison(variant or ("rouge_chinese" if tokenizer == "jieba" else "rouge_score"))
    if tokenizer != "auto":
        check_tokenizer(tokenizer)
    values: list[Values] = []
    for row in rows:
        response = one_text(row, "rouge")
        scores = [_compare_texts(response, target, tokenizer, compare) for target in target_texts(row)]
        values.append(_values(scores, details))
    return values


def _comparison(variant: str) -> Callable[[list[str], list[str]], tuple[Score, ...]]:
    if variant not in VARIANTS:
        raise TaskError(f"rouge has no variant {variant!r}", fix=f"Known variants: {', '.join(VARIANTS)}")
    return VARIANTS[variant]


def _compare_texts(
    response: str, target: str, tokenizer: str, compare: Callable[[list[str], list[str]], tuple[Score, ...]]
) -> tuple[Score, ...]:
    tokenize = find_tokenizer(suitable_tokenizer(target) if tokenizer == "auto" else tokenizer)
    return compare(tokenize(response), tokenize(target))


def _values(scores: list[tuple[Score, ...]], details: bool) -> Values:
    if not scores:
        return dict.fromkeys(_OUTPUTS if details else _NAMES)
    values: Values = {}
    for name, candidates in zip(_NAMES, zip(*scores, strict=True), strict=True):
        best = max(candidates, key=lambda score: score[0])
        values[name] = best[0]
        if details:
            values[f"{name}-p"], values[f"{name}-r"] = best[1:]
    return values
