"""Signals to real processes: unwinding, the last moment of one stuck in C, a second signal, forks, nohup."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

HEAD = """
import hashlib, os, signal, sys, time
from pipeline.interrupts import Interrupted, at_interrupt, interruptible
def run(work):
    try:
        with interruptible("go on with: this"), at_interrupt(lambda: os.write(1, b"last moment\\n")):
            print("ready", flush=True)
            work()
            print("finished", flush=True)
    except Interrupted as interrupted:
        print("unwound", interrupted.signal.name, flush=True)
        sys.exit(interrupted.exit_code)
"""
SLEEP = HEAD + "run(lambda: time.sleep(60))\n"
STUCK_IN_C = HEAD + "run(lambda: hashlib.pbkdf2_hmac('sha256', b'x', b'y', 2**31 - 1))\n"
SWALLOWS = (
    HEAD
    + """
def work():
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass
run(work)
"""
)
SLOW_TO_UNWIND = (
    HEAD
    + """
def work():
    try:
        time.sleep(60)
    finally:
        time.sleep(2)
run(work)
"""
)
FORKS = (
    HEAD
    + """
def work():
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    time.sleep(0.2)
    os.kill(child, signal.SIGTERM)
    print("child ended by", os.waitpid(child, 0)[1], flush=True)
    time.sleep(0.5)
run(work)
"""
)
IGNORES_HANGUPS = (
    "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + HEAD + "run(lambda: time.sleep(1.5))\n"
)
CLOSED = (
    HEAD
    + """
run(lambda: None)
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
assert signal.set_wakeup_fd(-1) == -1
print("as before", flush=True)
"""
)


class Running:
    """A process that has said `ready`."""

    def __init__(self, program: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n", self.process.communicate()[1]
        time.sleep(0.2)  # it says so just before its work

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> tuple[int, list[str], list[str]]:
        """Exit code, and the lines of both streams."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        out, err = self.process.stdout.read(), self.process.stderr.read()
        return self.process.wait(60), out.splitlines(), err.splitlines()


@pytest.fixture
def started() -> Iterator[list[Running]]:
    running: list[Running] = []
    yield running
    for one in running:
        one.process.kill()
        one.process.wait()


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=lambda value: str(value),
)
def test_the_first_signal_unwinds(number: signal.Signals, code: int, started: list[Running]) -> None:
    running = Running(SLEEP)
    started.append(running)
    running.send(number)
    assert running.end() == (code, [f"unwound {number.name}"], ["go on with: this"])


def test_stuck_in_c_or_deaf_the_process_ends_after_its_last_moment(started: list[Running]) -> None:
    started += [Running(STUCK_IN_C), Running(SWALLOWS)]
    for running in started:
        running.send(signal.SIGTERM)
    for running in started:
        assert running.end() == (143, ["last moment"], ["go on with: this"])


def test_a_second_signal_ends_at_once(started: list[Running]) -> None:
    running = Running(STUCK_IN_C)
    started.append(running)
    running.send(signal.SIGINT)
    time.sleep(0.6)
    running.send(signal.SIGINT)
    assert running.end() == (130, [], ["go on with: this"])


def test_the_same_signal_sent_twice_in_a_row_is_one(started: list[Running]) -> None:
    running = Running(SLOW_TO_UNWIND)
    started.append(running)
    running.send(signal.SIGTERM)
    time.sleep(0.05)
    running.send(signal.SIGTERM)
    assert running.end() == (143, ["unwound SIGTERM"], ["go on with: this"])


def test_a_signal_to_a_forked_child_is_its_own(started: list[Running]) -> None:
    running = Running(FORKS)
    started.append(running)
    assert running.end() == (0, [f"child ended by {int(signal.SIGTERM)}", "finished"], [])


def test_ignored_signals_stay_ignored(started: list[Running]) -> None:
    running = Running(IGNORES_HANGUPS)
    started.append(running)
    running.send(signal.SIGHUP)
    assert running.end() == (0, ["finished"], [])


def test_afterwards_signals_are_as_before(started: list[Running]) -> None:
    running = Running(CLOSED)
    started.append(running)
    assert running.end() == (0, ["finished", "as before"], [])
