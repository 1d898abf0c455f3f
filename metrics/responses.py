"""Reading a row's response: as one text, as the log-probabilities of the choices, or as that of one continuation."""

from __future__ import annotations

from metrics.registry import Likelihood, MetricInput
from pipeline.errors import MetricError


def one_text(row: MetricInput, metric: str) -> str:
    """The response's text, also where it is the only one of a list. Raises MetricError for anything else."""
    response = row.response
    if isinstance(response, (list, tuple)) and len(response) == 1:
        (response,) = response
    if not isinstance(response, str):
        raise MetricError(
            f"{metric} values one text and got a {type(row.response).__name__}",
            fix="End the filter pipeline with `take_first`.",
        )
    return response


def choice_scores(row: MetricInput, metric: str) -> list[float]:
    """The log-probability of each choice, in the order of the choices. Raises MetricError where one is lacking."""
    scores = [likelihood.logprob for likelihood in _likelihoods(row, metric)]
    wanted = len(row.choices or [])
    if len(scores) != wanted:
        raise MetricError(f"{metric} needs a log-probability for each of {wanted} choices and got {len(scores)}")
    return scores


def one_likelihood(row: MetricInput, metric: str) -> Likelihood:
    """The score of the row's only continuation. Raises MetricError for texts, and for several continuations."""
    likelihoods = _likelihoods(row, metric)
    if len(likelihoods) != 1:
        raise MetricError(f"{metric} values one continuation and got {len(likelihoods)}")
    return likelihoods[0]


def _likelihoods(row: MetricInput, metric: str) -> list[Likelihood]:
    response = row.response if isinstance(row.response, (list, tuple)) else [row.response]
    if not all(isinstance(item, Likelihood) for item in response):
        raise MetricError(
            f"{metric} needs the log-probabilities of continuations, and the response is text",
            fix="Give the task an `output_type` that scores continuations, or measure its texts by exact_match.",
        )
    return list(response)
