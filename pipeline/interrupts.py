"""Ctrl-C, SIGTERM and SIGHUP: the work unwinds and is stored, and the process has ended within five seconds.

The first signal raises `Interrupted` in the main thread. Where that is stuck in foreign code, a watchdog thread runs
the registered callbacks and ends the process; a second signal ends it at once.
"""

from __future__ import annotations

import multiprocessing
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_GRACE_S = 4.5
_CALLBACKS_S = 1.5  # what the callbacks get of the grace when the main thread does not answer
_ONE_EVENT_S = 0.3  # `timeout` and closing terminals send the same signal twice: that is no second wish
_SHOW_CURSOR = b"\x1b[?25h"

_callbacks: list[Callable[[], object]] = []


class Interrupted(BaseException):
    """The user or the system wants the process to end. No Exception: a row must not swallow it."""

    def __init__(self, number: int) -> None:
        self.signal = signal.Signals(number)
        super().__init__(f"interrupted by {self.signal.name}")

    @property
    def exit_code(self) -> int:
        """130 for SIGINT, 143 for SIGTERM, as shells say it."""
        return 128 + self.signal


@contextmanager
def at_interrupt(callback: Callable[[], object]) -> Iterator[None]:
    """Have `callback` run in the last moment, in another thread, where an interrupt cannot unwind this block."""
    _callbacks.append(callback)
    try:
        yield
    finally:
        _callbacks.remove(callback)


@contextmanager
def interruptible(farewell: str) -> Iterator[None]:
    """Raise `Interrupted` in this block at the first signal; `farewell` is the line printed then. Main thread only.

    Signals that the parent process has us ignore (nohup) stay ignored.
    """
    watch = _Watch(farewell)
    try:
        yield
    except Interrupted:
        watch.say_farewell()
        raise
    finally:
        watch.close()


class _Watch:
    """The handlers of the signals, and the thread that sees to the end when the main thread cannot."""

    def __init__(self, farewell: str) -> None:
        self._farewell = farewell
        self._said = threading.Lock()  # taken by whoever says it, and never given back
        self._first: int | None = None
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        os.register_at_fork(after_in_child=self._leave)
        # C code holds up Python's handlers, but not the byte that the interpreter writes here for each signal.
        self._wakeup_before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        taken = [number for number in _SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
        self._handlers_before = {number: signal.signal(number, self._on_signal) for number in taken}
        self._active = True
        self._thread = threading.Thread(target=self._watch, name="interrupts", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Give the signals back; after one came, the watchdog stays until the process has ended."""
        if self._first is not None:
            return
        self._leave()
        os.write(self._writer, b"\0")
        self._thread.join()
        os.close(self._reader)
        os.close(self._writer)

    def say_farewell(self) -> None:
        """Print the line, once; straight to the descriptor, as the main thread may hold the stream's lock."""
        if not self._said.acquire(blocking=False):
            return
        cursor = _SHOW_CURSOR if sys.stderr.isatty() else b""  # a live progress line hides it
        with suppress(OSError):
            os.write(2, cursor + self._farewell.encode("utf-8", "replace") + b"\n")

    def _leave(self) -> None:
        if self._active:  # in a forked child too: its signals are its own affair
            self._active = False
            for number, handler in self._handlers_before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(self._wakeup_before)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._first is None:
            self._first = number
            raise Interrupted(number)

    def _watch(self) -> None:
        number = self._next_signal(None)
        if number is None:
            return
        began = time.monotonic()
        last_moment = threading.Thread(target=_run_callbacks, name="last moment", daemon=True)
        while (passed := time.monotonic() - began) < _GRACE_S:
            if passed < _GRACE_S - _CALLBACKS_S:
                wait = _GRACE_S - _CALLBACKS_S - passed
            else:
                wait = _GRACE_S - passed
                if last_moment.ident is None:
                    last_moment.start()
            again = self._next_signal(wait)
            if again is not None and time.monotonic() - began > _ONE_EVENT_S:
                break
        self._end(number)

    def _next_signal(self, wait_s: float | None) -> int | None:
        """The next of our signals; None after `wait_s`, or when the watch is closed."""
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        deadline = None if wait_s is None else time.monotonic() + wait_s
        while True:
            left_ms = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
            if not poll.poll(left_ms):
                return None
            byte = os.read(self._reader, 1)
            if byte == b"\0":
                return None
            if byte[0] in _SIGNALS:
                return byte[0]

    def _end(self, number: int) -> None:
        self.say_farewell()
        for child in multiprocessing.active_children():
            child.kill()
        os._exit(128 + number)


def _run_callbacks() -> None:
    for callback in reversed(_callbacks):
        callback()
