"""What every engine is: a context manager that answers requests. Each backend has a file of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from pipeline.requests import (
    CallFailure,
    GenerateRequest,
    GenerateResult,
    NextTokenRequest,
    RollingRequest,
    ScoreRequest,
    ScoreResult,
)

# Raised when this project's own code changes what an engine or scorer answers: older answers are not reused then.
ANSWERS_VERSION = 1


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter on disk. `name` is the model's name in the run; requests name it.

    `tokenizer` and `allow_inert` are the run's settings for it. `identity`, where given, is what the weights were when
    the run was planned: an engine that would load others refuses.
    """

    name: str
    path: Path
    tokenizer: Literal["base", "adapter"] | None = None
    allow_inert: bool = False
    identity: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Capabilities:
    """What a backend can do; a run that needs more is refused before anything is loaded."""

    loglikelihood: bool = True
    next_token: bool = True
    adapters: bool = True


class Engine(Protocol):
    """Answers come back as they finish, in any order, each with its request's key.

    A request that fails alone gives a `CallFailure`; an exception means that the engine as a whole is broken
    (`EngineError`). Memory is free again when the context closes.
    """

    capabilities: Capabilities
    versions: dict[str, str]  # packages that decide the numbers, by name

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def generate(self, requests: Iterable[GenerateRequest]) -> Iterator[GenerateResult | CallFailure]: ...
    def loglikelihood(self, requests: Iterable[ScoreRequest]) -> Iterator[ScoreResult | CallFailure]: ...
    def loglikelihood_rolling(self, requests: Iterable[RollingRequest]) -> Iterator[ScoreResult | CallFailure]: ...
    def next_token(self, requests: Iterable[NextTokenRequest]) -> Iterator[ScoreResult | CallFailure]: ...

    def add_adapter(self, adapter: Adapter) -> None:
        """Load a LoRA beside the base; its requests name it. Raises AdapterError for one that does not fit."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]: ...
    def hardware(self) -> dict[str, Any]:
        """What the engine runs on, for the lock file: device, its name, memory in bytes, threads."""
        ...
