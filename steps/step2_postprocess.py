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
from steps.step2_requests import Whole, each_request, each_request_together, request_answers
from steps.step2_whole_task import WholePipeline, is_own
from steps.task_functions import task_functions, unpacked
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
        requests = {"each_request": True} if task.scorer is not None else {}
        return {"task": task.name, "filters": pipelines | own, **expand, **requests, **_own_code(task)}

    return LineStep(name="step2", version=3, spec=spec, build=build)


def _own_code(task: Task) -> Spec:
    """What the spec says of filters that are the task's own code; nothing for most tasks."""
    functions = task_functions(task)
    names = [step.name for pipeline in task.filters for step in pipeline.steps]
    if not any(is_own(name, functions) for name in names):
        return {}
    return {"whole_task": True, "code": {key: code.content for key, code in task.code.items()}}


def run_pipelines(settings: Step2Settings) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """The filter pipelines that the run adds to every task: a filter's name and its arguments, in order."""
    return {
        name: [(str(step.get("function", "")), _without(step, "function")) for step in steps]
        for name, steps in settings.filters.items()
    }


def build(spec: Spec) -> Callable[[Chunk], LinesDone]:
    """From a spec, the function from lines of step 1 to lines of step 2."""
    functions = unpacked(spec.get("functions", {}))
    whole: dict[str, Whole] = {
        name: WholePipeline([(function, arguments) for function, arguments in steps], functions)
        for name, steps in spec["filters"].items()
        if "whole_task" in spec and any(is_own(function, functions) for function, _ in steps)
    }
    pipelines = {
        name: build_pipeline([(function, arguments) for function, arguments in steps])
        for name, steps in spec["filters"].items()
        if name not in whole
    }
    if "each_request" in spec:
        whole = {name: each_request_together(pipeline) for name, pipeline in whole.items()}
        pipelines = {name: each_request(pipeline) for name, pipeline in pipelines.items()}
    decoder = msgspec.json.Decoder(_Generated)
    expansion = Expansion(**spec["expand"]) if "expand" in spec else None

    def work(chunk: Chunk) -> LinesDone:
        number, lines = chunk
        counts: Counter[str] = Counter()
        encoded = []
        read = (
            decode_line(decoder, line, spec["source"], number + offset, spec["remake"])
            for offset, line in enumerate(lines)
        )
        apart = ((row, _filter_row(row, spec, pipelines)) for row in read)
        done = _filter_together(list(apart), spec, whole) if whole else apart
        for row, filtered in done:
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
    responses = _responses(row.requests, spec)
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


def _filter_together(
    done: list[tuple[_Generated, FilteredRow]], spec: Spec, whole: dict[str, Whole]
) -> list[tuple[_Generated, FilteredRow]]:
    """Add the values of pipelines that see the whole task; rows of errors take no part."""
    sound = [(row, filtered) for row, filtered in done if filtered.status == "ok"]
    responses = [_responses(row.requests, spec) for row, _ in sound]
    documents = [LazyDocument(row.document) for row, _ in sound]
    for name, pipeline in whole.items():
        values = pipeline(responses, documents) if sound else []
        for (_, filtered), value in zip(sound, values, strict=True):
            if parse_failed(value):
                filtered.flags["parse_failed"] = [*filtered.flags.get("parse_failed", ()), name]
            filtered.filtered[name] = _storable(value, name)
    for _, filtered in done:
        filtered.filtered = {name: filtered.filtered.get(name) for name in spec["filters"]}
    return done


def _responses(requests: list[RequestRecord], spec: Spec) -> list[Any]:
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
