"""Step 2: what of each answer counts. Filter pipelines reduce raw responses to values; no model is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import msgspec

import filters  # noqa: F401  # registers them all
from filters.registry import Filter, build_pipeline, parse_failed
from pipeline.config import Step2Settings
from pipeline.errors import EvaluationError, MetricError
from pipeline.execution import Chunk, Spec
from pipeline.rows import ErrorRecord, FilteredRow, LazyDocument, RequestRecord, Status, encode_row, restore, to_plain
from pipeline.views import decode_line
from steps.context import Context
from steps.line_step import LinesDone, LineStep
from steps.step2_expansion import expanded
from tasks.task import Expansion, Task


class _Generated(msgspec.Struct):
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


def postprocess(settings: Step2Settings) -> LineStep:
    """The step under `settings`."""

    def spec(task: Task, context: Context) -> Spec:
        pipelines = {
            pipeline.name: [[step.name, step.arguments] for step in pipeline.steps] for pipeline in task.filters
        }
        own = {name: [list(step) for step in steps] for name, steps in run_pipelines(settings).items()}
        expand = {"expand": asdict(task.expand)} if task.expand else {}
        return {"task": task.name, "filters": pipelines | own, **expand}

    return LineStep(name="step2", version=3, spec=spec, build=build)


def run_pipelines(settings: Step2Settings) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """The filter pipelines that the run adds to every task: a filter's name and its arguments, in order."""
    return {
        name: [(str(step.get("function", "")), _without(step, "function")) for step in steps]
        for name, steps in settings.filters.items()
    }


def build(spec: Spec) -> Callable[[Chunk], LinesDone]:
    """From a spec, the function from lines of step 1 to lines of step 2."""
    pipelines = {
        name: build_pipeline([(function, arguments) for function, arguments in steps])
        for name, steps in spec["filters"].items()
    }
    decoder = msgspec.json.Decoder(_Generated)
    expansion = Expansion(**spec["expand"]) if "expand" in spec else None

    def work(chunk: Chunk) -> LinesDone:
        number, lines = chunk
        counts: Counter[str] = Counter()
        encoded = []
        for offset, line in enumerate(lines):
            row = decode_line(decoder, line, spec["source"], number + offset, spec["remake"])
            filtered = _filter_row(row, spec, pipelines)
            rows = [filtered]
            if expansion is not None:
                rows = expanded(filtered, [request.text for request in row.requests], expansion)
                counts["not_expanded"] += not rows
            for one in rows:
                counts["errors"] += one.status == "error"
                counts["parse_failed"] += bool(one.flags.get("parse_failed"))
                encoded.append(encode_row(one))
        counts["documents"] = len(lines)
        return LinesDone(b"".join(encoded), len(encoded), dict(counts))

    return work


def _filter_row(row: _Generated, spec: Spec, pipelines: dict[str, Filter]) -> FilteredRow:
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
    responses = [_response(request) for request in row.requests]
    document = LazyDocument(row.document)
    failed = []
    for name, pipeline in pipelines.items():
        try:
            value = pipeline(responses, document)
        except EvaluationError:
            raise
        except Exception as error:  # noqa: BLE001  # the row boundary: one answer that a filter cannot take is one error row
            result.status = "error"
            result.error = ErrorRecord(type=type(error).__name__, message=f"filter {name}: {error}")
            result.filtered = dict.fromkeys(pipelines)
            return result
        if parse_failed(value):
            failed.append(name)
        result.filtered[name] = _storable(value, name)
    if failed:
        result.flags["parse_failed"] = failed
    return result


def _response(request: RequestRecord) -> Any:
    """What a filter gets of one request: a text, or (log-probability, greedy, tokens) a continuation."""
    if request.text is not None:
        return request.text
    scores = zip(request.logprobs or [], request.greedy or [], request.completion_tokens or [], strict=True)
    return [[restore(logprob), greedy, tokens] for logprob, greedy, tokens in scores]


def _storable(value: Any, pipeline: str) -> Any:
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


def _without(mapping: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key != name}
