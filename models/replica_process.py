"""What one replica does: builds its engine, answers what comes through its pipe, ends when the pipe does."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal

from models.engine import Engine
from pipeline.config import EngineSettings
from pipeline.errors import EvaluationError, ModelError


@dataclass(frozen=True)
class Reply:
    """`result`: one answer; `done`: the command is, with what it gave; `error`: the engine is no more."""

    kind: Literal["result", "done", "error", "lost"]
    value: Any = None


def replica_settings(settings: EngineSettings, number: int, count: int) -> EngineSettings:
    """The settings of one of `count` engines: a CUDA device of its own, or its part of the CPU's threads.

    Raises ModelError where there are fewer devices. A device that is named with its number is shared by all.
    """
    import torch

    if settings.device in ("auto", "cuda") and torch.cuda.is_available():
        devices = torch.cuda.device_count()
        if devices < count:
            raise ModelError(
                f"replicas: {count}, and torch finds {devices} CUDA devices", fix=f"Set replicas: {devices}"
            )
        return settings.model_copy(update={"device": f"cuda:{number}", "replicas": 1})
    threads = settings.threads or len(os.sched_getaffinity(0))
    return settings.model_copy(update={"threads": max(1, threads // count), "replicas": 1})


def serve(pipe: Connection, build: Callable[[int, int], Engine], number: int, count: int) -> None:
    """The process's main function. A replica whose driver is gone ends at once, even in the middle of a batch."""
    commands: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(pipe, commands), daemon=True).start()
    try:
        with build(number, count) as engine:
            pipe.send(Reply("done", engine.hardware()))
            while True:
                _answer(pipe, engine, *commands.get())
    except Exception as error:  # noqa: BLE001  # the process's last word: the driver says what it means for the run
        pipe.send(Reply("error", _portable(error)))


def _listen(pipe: Connection, commands: queue.SimpleQueue[tuple[str, Any]]) -> None:
    try:
        while True:
            commands.put(pipe.recv())
    except (EOFError, OSError):
        os._exit(0)


def _answer(pipe: Connection, engine: Engine, method: str, argument: Any) -> None:
    given = getattr(engine, method)(argument)
    if method in ("add_adapter", "count_tokens"):
        pipe.send(Reply("done", given))
        return
    for result in given:
        pipe.send(Reply("result", result))
    pipe.send(Reply("done"))


def _portable(error: Exception) -> Exception | str:
    """The error itself where it is this project's, else its text: not every exception survives a pipe."""
    return error if isinstance(error, EvaluationError) else f"{type(error).__name__}: {error}"
