"""The calls of step 1: for each request of a document the key that names its result, and the request itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from pipeline.fingerprint import digest
from pipeline.requests import (
    GenerateRequest,
    GenerationSettings,
    NextTokenRequest,
    Request,
    RollingRequest,
    ScoreRequest,
)
from tasks.task import Example, RequestSpec


@dataclass(frozen=True)
class Sampling:
    """What decides the random numbers of a run."""

    seed: int
    replicate: int
    repeats: int  # samples of each request


@dataclass(frozen=True)
class Call:
    """One call of the engine: one sample of one request of a document."""

    key: str
    spec: RequestSpec
    sample: int
    generation: GenerationSettings
    seed: int | None

    def request(self, adapter: str | None) -> Request:
        """The engine's form of the call."""
        spec = self.spec
        match spec.type:
            case "generate_until":
                return GenerateRequest(
                    key=self.key, prompt=spec.prompt, generation=self.generation, seed=self.seed, adapter=adapter
                )
            case "loglikelihood":
                return ScoreRequest(
                    key=self.key, context=spec.prompt, continuations=spec.continuations, adapter=adapter
                )
            case "loglikelihood_rolling":
                assert isinstance(spec.prompt, str)
                return RollingRequest(key=self.key, text=spec.prompt, adapter=adapter)
            case "next_token":
                return NextTokenRequest(
                    key=self.key,
                    prompt=spec.prompt,
                    candidates=spec.continuations,
                    rule=spec.candidate_rule,
                    adapter=adapter,
                )


def example_calls(
    example: Example, scope: str, generation: Callable[[RequestSpec], GenerationSettings], sampling: Sampling
) -> Iterator[Call]:
    """The calls of one document. `scope` is the hash of all that decides a result beside the request itself.

    `generation` gives the effective settings of a request.
    """
    occurrence = example.document.doc_id.partition("#")[2]
    for turn, spec in enumerate(example.requests):
        generates, settings = spec.type == "generate_until", generation(spec)
        decoding = digest(settings) if generates else None
        for sample in range(sampling.repeats if generates else 1):
            seed = None
            if generates and not settings.greedy:
                seed = sample_seed(sampling, example, occurrence, turn, sample)
            key = digest(
                [
                    scope,
                    spec.type,
                    spec.prompt,
                    spec.continuations,
                    decoding,
                    seed,
                    sample,
                    sampling.replicate,
                    *([] if spec.candidate_rule == "either" else [spec.candidate_rule]),
                ]
            )
            yield Call(key, spec, sample, settings, seed)


def sample_seed(sampling: Sampling, example: Example, occurrence: str, turn: int, sample: int) -> int:
    """64 bits that seed one sample: equal for all models, whatever the batch, the limit or the order.

    They follow from the prompt rather than from the document, so that a corrected gold answer samples nothing anew.
    """
    parts = [sampling.seed, example.prompt, occurrence, turn, sample, sampling.replicate]
    return int(digest(parts)[:16], 16)


def generation_dict(generation: GenerationSettings) -> dict[str, object]:
    """The settings as a row shows them."""
    return msgspec.structs.asdict(generation) | {"until": list(generation.until)}
