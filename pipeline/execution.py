"""Cheap work on all cores: a function over chunks of lines, results in order, memory flat.

One pool serves a whole step; small inputs never start it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from types import TracebackType
from typing import Any, Self, TypeVar

from pipeline.errors import EngineError
from pipeline.fingerprint import digest

Chunk = tuple[int, list[bytes]]
Output = TypeVar("Output")
Spec = dict[str, Any]
# From a spec (plain JSON values), the function that does the work on a chunk; called once a process and spec.
Build = Callable[[Spec], Callable[[Chunk], Output]]

_INLINE_CHUNKS = 2  # below this, starting processes costs more than it gains
_AHEAD = 3  # chunks a worker that are read ahead of the writer


class Workers:
    """A pool of processes, started when first needed and ended with the step."""

    def __init__(self, processes: int | None) -> None:
        self.processes = processes or len(os.sched_getaffinity(0))
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is None:
            return
        if kind is not None:  # nothing of what runs is wanted any more
            for process in list((self._pool._processes or {}).values()):
                process.kill()
        self._pool.shutdown(wait=kind is None, cancel_futures=True)

    def map(self, build: Build[Output], spec: Spec, chunks: Iterable[Chunk]) -> Iterator[Output]:
        """`build(spec)` of each chunk, in order. Errors of the function are raised here.

        `build` is a module's function, so that worker processes can import it.
        """
        source = iter(chunks)
        first = list(islice(source, _INLINE_CHUNKS))
        if self.processes == 1 or len(first) < _INLINE_CHUNKS:
            function = build(spec)
            yield from (function(chunk) for chunk in chain(first, source))
            return
        yield from self._spread(build, spec, chain(first, source))

    def _spread(self, build: Build[Output], spec: Spec, chunks: Iterator[Chunk]) -> Iterator[Output]:
        pool, token = self._started(), digest(spec)
        waiting: deque[Future[Output]] = deque()
        try:
            for chunk in chunks:
                waiting.append(pool.submit(_apply, build, token, spec, chunk))
                if len(waiting) >= self.processes * _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise EngineError(
                "a worker process was ended from outside, as a system short of memory does",
                fix="Run the same command again with fewer processes: --set processes=1",
            ) from error
        finally:
            for future in waiting:
                future.cancel()

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("forkserver")  # a fork of this process could inherit held locks
            self._pool = ProcessPoolExecutor(self.processes, mp_context=context, initializer=_follow_driver)
        return self._pool


def _follow_driver() -> None:
    """In a worker: leave Ctrl-C to the driver, and end when it ends, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_driver, name="driver", daemon=True).start()


def _end_with_driver() -> None:
    driver = multiprocessing.parent_process()
    assert driver is not None
    driver.join()
    os._exit(1)


_built: dict[tuple[str, str], Callable[[Chunk], Any]] = {}


def _apply(build: Build[Output], token: str, spec: Spec, chunk: Chunk) -> Output:
    key = (build.__module__, token)
    function = _built.get(key)
    if function is None:
        _built.clear()  # one task after the other: the last one's function is not needed again
        function = _built[key] = build(spec)
    result: Output = function(chunk)
    return result
