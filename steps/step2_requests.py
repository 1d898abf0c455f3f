"""Filters over each request by itself, for tasks whose Python class makes several of a document, as in the harness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from filters.registry import Filter
from pipeline.rows import RequestRecord, restore


def request_answers(requests: Sequence[RequestRecord]) -> list[list[Any]]:
    """What a filter gets of each request: texts, one (log-probability, greedy), or a whole text's log-probability."""
    found: list[list[Any]] = []
    for record in requests:
        if record.text is not None:
            if record.sample == 0:
                found.append([])
            found[-1].append(record.text)
            continue
        scores = [restore(logprob) for logprob in record.logprobs or ()]
        if record.type == "loglikelihood_rolling":
            found += [[score] for score in scores]
        else:
            found += [[pair] for pair in zip(scores, record.greedy or (), strict=True)]
    return found


def each_request(pipeline: Filter) -> Filter:
    """From the answers of a document's requests to a list of values, one a request."""

    def apply(answers: Any, document: Mapping[str, Any]) -> Any:
        return [pipeline(one, document) for one in answers]

    return apply
