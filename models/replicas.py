"""Several processes of one engine on this machine, one a device: requests are handed out as work is asked for.

The driver's side: who has what, and what comes back. What a process does is `replica_process.py`.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any, Self, TypeVar

from models.batching import windows
from models.engine import Adapter, Capabilities, Engine
from models.replica_process import Reply, serve
from pipeline.errors import EngineError, EvaluationError
from pipeline.requests import (
    CallFailure,
    GenerateRequest,
    GenerateResult,
    NextTokenRequest,
    Request,
    Result,
    RollingRequest,
    ScoreRequest,
    ScoreResult,
)

_WINDOW = 16384  # requests that are sorted by length together
_SMALLEST_SHARE = 8  # of a full lot: towards the end lots shrink to an eighth, so that all replicas end together
_END_S = 2.0  # what a replica gets to end by itself
_R = TypeVar("_R", bound=Request)


class _Replica:
    """One process, and the requests that it has not answered yet, by key."""

    def __init__(self, number: int, count: int, build: Callable[[int, int], Engine]) -> None:
        context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork, nor do held locks
        self.name = f"replica {number + 1} of {count}"
        self.pipe, theirs = context.Pipe()
        self.process: SpawnProcess = context.Process(
            target=serve, args=(theirs, build, number, count), name=self.name, daemon=True
        )
        self.busy = False
        self.unanswered: dict[str, Request] = {}
        self.lost: str | None = None  # why it answers no more
        _start_without_interrupts(self.process)
        theirs.close()  # so that the pipe ends with the process

    def send(self, *message: Any) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # its end is seen where its replies are read
            self.pipe.send(message)

    def receive(self) -> Reply:
        """The next reply. Raises an error of the user's making as it is; notes why the replica is lost otherwise."""
        try:
            reply: Reply = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join(_END_S)
            return self._lose(_how_it_ended(self.process.exitcode))
        if reply.kind == "error":
            if isinstance(reply.value, EvaluationError) and not isinstance(reply.value, EngineError):
                raise reply.value
            return self._lose(f"failed: {reply.value}")
        return reply

    def _lose(self, why: str) -> Reply:
        self.lost, self.busy = f"{self.name} {why}", False
        return Reply("lost")


class ReplicaEngine:
    """`count` engines, each built by `build(number, count)` in a process of its own. Enter it to start them.

    A replica that dies is named in an EngineError once the others have answered all that they could, its unfinished
    requests included.
    """

    capabilities = Capabilities()

    def __init__(self, build: Callable[[int, int], Engine], count: int, versions: dict[str, str], lot: int) -> None:
        self.versions = versions
        self._build = build
        self._count = count
        self._lot = lot
        self._replicas: list[_Replica] = []
        self._hardware: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        try:
            for number in range(self._count):
                self._replicas.append(_Replica(number, self._count, self._build))
            self._hardware = [self._told(replica).value for replica in self._replicas]
        except BaseException:
            self._end(at_once=True)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(at_once=kind is not None)

    def _end(self, at_once: bool) -> None:
        for replica in self._replicas:
            replica.pipe.close()  # an idle replica ends by itself
            if at_once or replica.busy:
                replica.process.terminate()
        for replica in self._replicas:
            replica.process.join(_END_S)
            if replica.process.is_alive():
                replica.process.kill()
                replica.process.join(_END_S)
        self._replicas.clear()

    def _told(self, replica: _Replica) -> Reply:
        """The reply to a command that is no request. Raises EngineError where the replica has ended."""
        reply = replica.receive()
        if replica.lost is not None:
            raise EngineError(replica.lost, fix="Its device may be out of memory: try fewer replicas.")
        return reply

    def add_adapter(self, adapter: Adapter) -> None:
        """Load a LoRA in every replica; its requests name it. Raises AdapterError for one that does not fit."""
        for replica in self._replicas:
            replica.send("add_adapter", adapter)
        for replica in self._replicas:
            self._told(replica)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text by the base's tokenizer, special tokens left out."""
        self._replicas[0].send("count_tokens", list(texts))
        counts: list[int] = self._told(self._replicas[0]).value
        return counts

    def hardware(self) -> dict[str, Any]:
        """What each replica runs on."""
        return {"replicas": self._hardware}

    def generate(self, requests: Iterable[GenerateRequest]) -> Iterator[GenerateResult | CallFailure]:
        """One text a request, from whichever replica is free."""
        return self._ask("generate", requests)  # type: ignore[return-value]  # texts alone come back

    def loglikelihood(self, requests: Iterable[ScoreRequest]) -> Iterator[ScoreResult | CallFailure]:
        """log p(continuation | context) of each continuation."""
        return self._ask("loglikelihood", requests)  # type: ignore[return-value]  # scores alone come back

    def loglikelihood_rolling(self, requests: Iterable[RollingRequest]) -> Iterator[ScoreResult | CallFailure]:
        """The log-likelihood of whole texts."""
        return self._ask("loglikelihood_rolling", requests)  # type: ignore[return-value]  # scores alone come back

    def next_token(self, requests: Iterable[NextTokenRequest]) -> Iterator[ScoreResult | CallFailure]:
        """The log-probability of each candidate as the next token."""
        return self._ask("next_token", requests)  # type: ignore[return-value]  # scores alone come back

    def _ask(self, method: str, requests: Iterable[Request]) -> Iterator[Result]:
        self._finish_what_nobody_reads()
        lots = self._lots(requests)
        left: deque[list[Request]] = deque()  # what lost replicas had not answered, tried once more
        again: set[str] = set()
        for replica in self._working():
            self._hand_out(replica, method, lots, left)
        while busy := [replica for replica in self._working() if replica.busy]:
            for pipe in wait([replica.pipe for replica in busy]):
                replica = next(one for one in busy if one.pipe is pipe)
                reply = replica.receive()
                if reply.kind == "result":
                    replica.unanswered.pop(reply.value.key, None)
                    yield reply.value
                elif reply.kind == "done":
                    replica.busy = False
                    self._hand_out(replica, method, lots, left)
                else:
                    left += self._taken_over(replica, again)
            for idle in self._working():
                if left and not idle.busy:
                    self._hand_out(idle, method, lots, left)
        self._report_lost()

    def _finish_what_nobody_reads(self) -> None:
        """Replicas may still be at the lots of an earlier call whose results its caller left."""
        for replica in self._working():
            while replica.busy:
                replica.busy = replica.receive().kind == "result"

    def _working(self) -> list[_Replica]:
        return [replica for replica in self._replicas if replica.lost is None]

    def _hand_out(
        self, replica: _Replica, method: str, lots: Iterator[list[Request]], left: deque[list[Request]]
    ) -> None:
        lot = next(lots, None)
        if lot is None and left:
            lot = left.popleft()
        if lot is not None:
            replica.busy, replica.unanswered = True, {request.key: request for request in lot}
            replica.send(method, lot)

    def _taken_over(self, lost: _Replica, again: set[str]) -> list[list[Request]]:
        """The unanswered requests of a lost replica, one a lot; those that two replicas have died of stay undone."""
        requests = [request for key, request in lost.unanswered.items() if key not in again]
        again.update(lost.unanswered)
        lost.unanswered = {}
        return [[request] for request in requests]

    def _report_lost(self) -> None:
        """Raises EngineError where replicas have ended."""
        lost = [replica.lost for replica in self._replicas if replica.lost is not None]
        if lost:
            raise EngineError(
                "; ".join(lost),
                fix="What was answered is kept. Run the same command again; with fewer replicas if memory was short.",
            )

    def _lots(self, requests: Iterable[_R]) -> Iterator[list[_R]]:
        """Requests of one adapter, the longest first, about a batch at a time and less towards the end."""
        for window in windows(requests, _WINDOW):
            waiting = deque(sorted(window, key=lambda request: (request.adapter or "", -_length(request))))
            while waiting:
                fair = len(waiting) // (2 * self._count)
                size = min(self._lot, max(fair, self._lot // _SMALLEST_SHARE, 1), len(waiting))
                yield [waiting.popleft() for _ in range(size)]


def _length(request: Request) -> int:
    """Characters of the prompt: the driver has no tokenizer, and needs no more than an order."""
    match request:
        case ScoreRequest():
            prompt = request.context
        case RollingRequest():
            prompt = request.text
        case _:
            prompt = request.prompt
    return len(prompt) if isinstance(prompt, str) else sum(len(message["content"]) for message in prompt)


def _how_it_ended(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended by itself with exit code {code}"


def _start_without_interrupts(process: SpawnProcess) -> None:
    """Start `process` with SIGINT blocked: Ctrl-C reaches the whole terminal, and ending is the driver's affair."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
