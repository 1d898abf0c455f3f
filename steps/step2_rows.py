"""One document of step 2: its responses through the filter pipelines, and the row that comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from filters.registry import Filter, parse_failed
from pipeline.errors import EvaluationError, MetricError
from pipeline.execution import Spec
from pipeline.rows import ErrorRecord, FilteredRow, LazyDocument, RequestRecord, Status, restore, to_plain
from steps.step2_requests import request_answers


class Generated(msgspec.Struct):
    """What this step reads of a `GenerationRow`; document, target and choices pass through undecoded."""

    doc_id: str
    index: int
    status: Status
    error: ErrorRecord | None
    document: msgspec.Raw
    prompt_hash: str
    requests: list[RequestRecord]
    target: msgspec.Raw
    choices: msgspec.Raw
    prompt: msgspec.Raw


def filtered_row(row: Generated, spec: Spec, pipelines: Mapping[str, Filter]) -> FilteredRow:
    result = FilteredRow(
        model=spec["model"],
        task=spec["task"],
        doc_id=row.doc_id,
        index=row.index,
        status=row.status,
        error=row.error,
        document=row.document,
        prompt_hash=row.prompt_hash,
        target=row.target,
        choices=row.choices,
        flags=_flags(row.requests),
    )
    if any(request.type == "generate_until" for request in row.requests):
        result.prompt = row.prompt
    if row.status == "error":
        result.filtered = dict.fromkeys(pipelines)  # an error under each of them
        return result
    responses = responses_of(row.requests, spec)
    document = LazyDocument(row.document)
    failed = []
    for name, pipeline in pipelines.items():
        try:
            value = pipeline(responses, document)
        except EvaluationError as error:
            error.where = error.where or f"filters {name} of {spec['task']}, document {row.index}"
            raise
        except Exception as error:  # noqa: BLE001  # the row boundary: one answer that a filter cannot take is one error row
            result.status = "error"
            result.error = ErrorRecord(type=type(error).__name__, message=f"filter {name}: {error}")
            result.filtered = dict.fromkeys(pipelines)
            return result
        if parse_failed(value):
            failed.append(name)
        result.filtered[name] = storable(value, name)
    if failed:
        result.flags["parse_failed"] = failed
    return result


def responses_of(requests: list[RequestRecord], spec: Spec) -> list[Any]:
    """What a filter gets of a document: the text of each sample, or one list of scores for all its continuations.

    A score is [log-probability, greedy, tokens]. Continuations of several requests follow each other. Of a task whose
    class makes the requests, the answers to each of these.
    """
    if "each_request" in spec:
        return request_answers(requests)
    if any(request.text is not None for request in requests):
        return [request.text for request in requests]
    return [
        [
            [restore(logprob), greedy, tokens]
            for request in requests
            for logprob, greedy, tokens in zip(
                request.logprobs or [], request.greedy or [], request.completion_tokens or [], strict=True
            )
        ]
    ]


def storable(value: Any, pipeline: str) -> Any:
    try:
        return to_plain(value, f"what the filter pipeline {pipeline} gives")
    except TypeError as error:
        raise MetricError(str(error), fix="Let its last filter give texts, numbers or lists of them") from error


def _flags(requests: list[RequestRecord]) -> dict[str, Any]:
    flags: dict[str, Any] = {}
    if any(request.truncated_tokens for request in requests):
        flags["truncated_prompt"] = True
    if any(request.imported is True for request in requests):
        flags["imported"] = True
    reasons = {request.finish_reason for request in requests if request.finish_reason}
    if reasons:
        flags["finish_reason"] = "length" if "length" in reasons else "stop"
    return flags
