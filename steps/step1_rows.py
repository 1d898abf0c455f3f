"""The rows of step 1, made from a document's calls and what the memo knows of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pipeline.fingerprint import digest
from pipeline.memo import Failure
from pipeline.requests import GenerateResult, Result, ScoreResult
from pipeline.rows import ErrorRecord, GenerationRow, RequestRecord, to_plain
from steps.calls import Call, generation_dict
from tasks.task import Example

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(GenerateResult | ScoreResult)


def encode_result(result: GenerateResult | ScoreResult) -> bytes:
    """A result as the memo holds it: without its key, with infinities kept (MessagePack)."""
    return _encoder.encode(msgspec.structs.replace(result, key=""))


def decode_result(value: bytes) -> GenerateResult | ScoreResult:
    result: GenerateResult | ScoreResult = _decoder.decode(value)
    return result


def make_row(
    model: str,
    task: str,
    example: Example,
    calls: Sequence[Call],
    results: Mapping[str, Result],
    failures: Mapping[str, Failure],
) -> GenerationRow:
    """The row of one document; an error row where a call of it has no result."""
    generation = next((call.generation for call in calls if call.spec.type == "generate_until"), None)
    records = []
    for call in calls:
        record = _record(example, call, results.get(call.key), failures.get(call.key))
        if call.spec.type == "generate_until" and call.generation != generation:
            record.generation = generation_dict(call.generation)
        records.append(record)
    return generation_row(model, task, example, records, generation_dict(generation) if generation else None)


def generation_row(
    model: str,
    task: str,
    example: Example,
    records: list[RequestRecord],
    generation: dict[str, Any] | None = None,
) -> GenerationRow:
    """The row of a document and what came back about it; an error row where one of `records` is."""
    error = next((record.error for record in records if record.error), None)
    place = f"document {example.document.index} of {task}"
    return GenerationRow(
        model=model,
        task=task,
        doc_id=example.document.doc_id,
        index=example.document.index,
        status="error" if error else "ok",
        error=error,
        document=to_plain(example.document.data, f"a field of {place}"),
        prompt=example.prompt,
        prompt_hash=prompt_hash(example),
        target=to_plain(example.target, f"the target of {place}"),
        choices=example.choices,
        requests=records,
        generation=generation,
    )


def prompt_hash(example: Example) -> str:
    """16 hex digits that tell whether two models were asked the same."""
    return digest([[spec.prompt, spec.continuations] for spec in example.requests])[:16]


def _record(example: Example, call: Call, result: Result | None, failure: Failure | None) -> RequestRecord:
    record = RequestRecord(
        type=call.spec.type,
        sample=call.sample,
        prompt=None if call.spec.prompt == example.prompt else call.spec.prompt,
        continuations=list(call.spec.continuations) or None,
    )
    match result:
        case GenerateResult():
            record.text = result.text
            record.finish_reason = result.finish_reason
            record.completion_tokens = [result.completion_tokens]
        case ScoreResult():
            record.logprobs = [to_plain(logprob) for logprob in result.logprobs]
            record.greedy = list(result.greedy)
            record.completion_tokens = list(result.completion_tokens)
        case _:
            kind, message = (failure.type, failure.message) if failure else ("NotAsked", "the engine gave no answer")
            record.error = ErrorRecord(type=kind, message=message)
            return record
    record.prompt_tokens = result.prompt_tokens
    record.truncated_tokens = result.truncated_tokens
    return record
