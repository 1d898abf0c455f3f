"""Values a row as lm_eval's aggregations take them, such as (target, response): where they differ from this project's.

For task code, which makes such values or aggregates them itself. The forms are those of lm_eval 0.4.13.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from metrics.accuracy import best_choice
from metrics.aggregation import find_aggregation
from metrics.choice_probabilities import softmax, squared_error
from metrics.classification import agreement
from metrics.corpus_scores import mcc_score
from metrics.registry import MetricInput, find_metric
from metrics.responses import choice_scores, one_text
from metrics.targets import choice_index, target_texts
from pipeline.errors import MetricError
from stats.vectors import as_matrix

Statistic = Callable[[Any], "float | list[float]"]
PassedThrough = Callable[[MetricInput], Any]

_NO_CHOICE = -100  # lm_eval's index of a target that is none of the choices


def statistic_of(aggregation: str) -> Statistic | None:
    """From one raw value of a row, as lm_eval's aggregation of that name takes it, to this project's value of the row.

    None for `matthews_corrcoef`: its labels are not known before all rows are, see `aggregate_raw`. The function
    raises MetricError for a value that does not fit. Raises TaskError for an unknown name.
    """
    find_aggregation(aggregation)
    if aggregation == "matthews_corrcoef":
        return None
    if aggregation not in _STATISTICS:
        raise MetricError(f"the aggregation {aggregation} takes no values of a task's own code")
    return _STATISTICS[aggregation]


def aggregate_raw(aggregation: str, values: Sequence[Any]) -> float:
    """The figure of raw values as lm_eval's aggregation of that name makes it; NaN where it is undefined.

    NaN values are left out by `mean` and `median`, as everywhere here. Raises as `statistic_of` does.
    """
    statistic = statistic_of(aggregation)
    if not values:
        return np.nan
    if statistic is None:
        return _correlation([_pair(value, aggregation, "(right, chosen)") for value in values])
    return find_aggregation(aggregation).figure(as_matrix([statistic(value) for value in values]))


def passed_through(metric: str, texts: bool = False) -> PassedThrough | None:
    """From a row to what lm_eval hands an aggregation of the task's own for this metric.

    None where that is the metric's value of the row. `f1`, `mcc`: [right, chosen]; `brier_score`: [right,
    probabilities]; `likelihood`: [right, log-probabilities]; `bleu`, `chrf`, `chrf++`, `ter`: [target or targets,
    response]. `right` is an index, or a list of them where the target is a list, with -100 for what names no choice.
    `texts`: of a generated answer [target or targets, response], whatever lm_eval's metric of that name is for.
    The values are lists where lm_eval has tuples, as they stand in JSON; a text without a target has None.
    """
    known = _PASSED_THROUGH.get(metric)
    if not texts or metric in _OVERLAP:
        return known
    return _target_and_answer if known or metric in _SCORES_ALONE else None


def _number(aggregation: str) -> Statistic:
    def statistic(value: Any) -> float:
        if not isinstance(value, (numbers.Real, np.bool_)):  # numpy's comparisons give no bool of Python's
            raise _unfit(aggregation, "a number", value)
        return float(value)

    return statistic


def _measured(aggregation: str) -> Statistic:
    number = _number(aggregation)

    def statistic(value: Any) -> list[float]:
        log_likelihood, units = _pair(value, aggregation, "(log-likelihood, length)")
        return [float(number(log_likelihood)), float(number(units))]  # type: ignore[arg-type]

    return statistic


def _class_agreement(value: Any) -> list[float]:
    """Labels other than 1 are one class, as in scikit-learn where there are two; texts have no class 1 there."""
    right, chosen = _pair(value, "f1", "(right, chosen)")
    if not (isinstance(right, numbers.Real) and isinstance(chosen, numbers.Real)):
        raise _unfit("f1", "labels that are 0 or 1", value)
    return agreement(int(right == 1), int(chosen == 1))


def _squared_error(value: Any) -> float:
    right, probabilities = _pair(value, "brier_score", "(right, probabilities)")
    fits = isinstance(right, numbers.Integral) and isinstance(probabilities, (list, tuple, np.ndarray))
    if not fits or not 0 <= right < len(probabilities):
        raise _unfit("brier_score", "(index of the right choice, probabilities of all)", value)
    return squared_error(int(right), probabilities)


def _overlap(metric: str) -> Statistic:
    def statistic(value: Any) -> list[float]:
        targets, response = _pair(value, metric, "(target, response)")
        targets = [targets] if isinstance(targets, str) else targets
        response = response[0] if isinstance(response, (list, tuple)) and len(response) == 1 else response
        texts = isinstance(targets, (list, tuple)) and all(isinstance(target, str) for target in targets)
        if not texts or not targets or not isinstance(response, str):
            raise _unfit(metric, "(target or list of targets, response) in texts", value)
        (counts,) = find_metric(metric).function([MetricInput(response=response, target=list(targets))])
        return [float(count) for count in counts[metric]]

    return statistic


def _pair(value: Any, aggregation: str, wanted: str) -> tuple[Any, Any]:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise _unfit(aggregation, wanted, value)
    return value[0], value[1]


def _unfit(aggregation: str, wanted: str, value: Any) -> MetricError:
    shown = repr(value)
    return MetricError(
        f"the aggregation {aggregation} takes {wanted} a row and got {shown[:80]}{'…' if len(shown) > 80 else ''}",
        fix="Let the task's `process_results` return that, or name another aggregation in its metric_list.",
    )


def _correlation(pairs: Sequence[tuple[Any, Any]]) -> float:
    """Matthews' correlation of any labels, texts too."""
    try:
        labels = dict.fromkeys(label for pair in pairs for label in pair)
    except TypeError as error:
        raise _unfit("matthews_corrcoef", "(right, chosen) labels", pairs[0]) from error
    classes = {label: position for position, label in enumerate(labels)}
    counts = np.zeros((1, 1 + 2 * len(classes)))
    for right, chosen in pairs:
        counts[0, 0] += right == chosen
        counts[0, 1 + 2 * classes[chosen]] += 1
        counts[0, 2 + 2 * classes[right]] += 1
    return float(mcc_score(counts)[0])


def _right(row: MetricInput) -> int | list[int]:
    if isinstance(row.target, (list, tuple)):
        return [_index(target, row) for target in row.target]
    return _index(row.target, row)


def _index(target: object, row: MetricInput) -> int:
    index = choice_index(target, row.choices or [])
    return _NO_CHOICE if index is None else index


def _right_and_chosen(metric: str) -> PassedThrough:
    return lambda row: [_right(row), best_choice(choice_scores(row, metric))]


def _right_and_probabilities(row: MetricInput) -> list[Any]:
    return [_right(row), softmax(choice_scores(row, "brier_score")).tolist()]


def _right_and_scores(row: MetricInput) -> list[Any]:
    return [_right(row), choice_scores(row, "likelihood")]


def _target_and_response(metric: str) -> PassedThrough:
    def values(row: MetricInput) -> list[Any] | None:
        pair = _target_and_answer(row)
        return pair and [pair[0], one_text(row, metric)]

    return values


def _target_and_answer(row: MetricInput) -> list[Any] | None:
    targets = target_texts(row)
    if not targets:
        return None
    return [targets if isinstance(row.target, (list, tuple)) else targets[0], row.response]


_OVERLAP = ("bleu", "chrf", "chrf++", "ter")
_STATISTICS: dict[str, Statistic] = {
    **{name: _number(name) for name in ("mean", "nanmean", "median", "perplexity")},
    **{name: _measured(name) for name in ("weighted_perplexity", "bits_per_byte")},
    "f1": _class_agreement,
    "brier_score": _squared_error,
    **{name: _overlap(name) for name in _OVERLAP},
}
# Metrics whose values lm_eval computes from log-likelihoods itself; of anything else it hands on what there is.
_SCORES_ALONE = frozenset(
    {"acc", "acc_norm", "acc_bytes", "acc_mutual_info"}
    | {"perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte"}
)
_PASSED_THROUGH: dict[str, PassedThrough] = {
    **{name: _right_and_chosen(name) for name in ("f1", "mcc")},
    "brier_score": _right_and_probabilities,
    "likelihood": _right_and_scores,
    **{name: _target_and_response(name) for name in _OVERLAP},
}
