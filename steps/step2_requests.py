"""Filters over each request by itself, for tasks whose Python class makes several of a document, as in the harness."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from filters.registry import Filter
from pipeline.rows import RequestRecord, restore
from steps.step2_whole_task import Documents

Whole = Callable[[Sequence[Sequence[Any]], Documents], list[Any]]


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


def each_request_together(pipeline: Whole) -> Whole:
    """The same for a pipeline that sees the whole task: all requests of all documents."""

    def apply(answers: Sequence[Sequence[Any]], documents: Documents) -> list[Any]:
        owners = [document for document, own in zip(documents, answers, strict=True) for _ in own]
        values = iter(pipeline([one for own in answers for one in own], owners))
        return [[next(values) for _ in own] for own in answers]

    return apply
