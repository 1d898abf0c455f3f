"""What the commands say: answers on stdout, notes on stderr, as much as the user asked for.

Notes go above a live progress line, and into the run's log where one is open. Errors are printed by `main.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

Verbosity = Literal["quiet", "normal", "verbose"]
Level = Literal["INFO", "DEBUG", "WARNING"]
Print = Callable[[str], None]
Log = Callable[[Level, str], None]


def _to_stderr(text: str) -> None:
    with suppress(OSError):  # the terminal is gone: what is said is lost, the work need not be
        print(text, file=sys.stderr, flush=True)


@dataclass
class _Console:
    verbosity: Verbosity = "normal"
    printers: list[Print] = field(default_factory=lambda: [_to_stderr])  # the last one prints
    logs: list[Log] = field(default_factory=list)
    said: set[str] = field(default_factory=set)  # what was said once, and is not to be said again
    unlogged: list[str] | None = None  # warnings before a log was open, where they are kept


_console = _Console()


def set_verbosity(verbosity: Verbosity) -> None:
    """What all later notes of this process go by."""
    _console.verbosity = verbosity


def verbosity() -> Verbosity:
    """What the user asked for."""
    return _console.verbosity


def say(text: str) -> None:
    """A calm line about the state of the work; also logged. Nothing on the terminal with --quiet."""
    _note("INFO", text, _console.verbosity != "quiet")


def warn(text: str) -> None:
    """Something that the user should know and that stops nothing; also logged."""
    _note("WARNING", f"warning: {text}", _console.verbosity != "quiet")


def warn_once(text: str) -> None:
    """The same, but a text that this process has said before is not said again: tasks are read more than once."""
    if text not in _console.said:
        _console.said.add(text)
        warn(text)


def detail(text: str) -> None:
    """A line for --verbose alone, on the terminal and in the log."""
    if _console.verbosity == "verbose":
        _note("DEBUG", text, True)


def log_detail(text: str) -> None:
    """A line for the log alone, with --verbose: too many to read along."""
    if _console.verbosity == "verbose":
        _note("DEBUG", text, False)


def show(text: str) -> None:
    """The answer that the command was asked for (a table, a list), on stdout whatever the verbosity."""
    print(text)


def _note(level: Level, text: str, printed: bool) -> None:
    if printed:
        _console.printers[-1](text)
    entry = text.removeprefix("warning: ")
    if level == "WARNING" and not _console.logs and _console.unlogged is not None:
        _console.unlogged.append(entry)
    for log in _console.logs:
        log(level, entry)


@contextmanager
def printing_with(printer: Print) -> Iterator[None]:
    """Have notes printed by `printer` meanwhile, as a live progress line needs it."""
    _console.printers.append(printer)
    try:
        yield
    finally:
        _console.printers.remove(printer)


@contextmanager
def logging_to(log: Log) -> Iterator[None]:
    """Have notes logged by `log` meanwhile, after the warnings that were kept for it."""
    for text in _console.unlogged or ():
        log("WARNING", text)
    if _console.unlogged:
        _console.unlogged.clear()
    _console.logs.append(log)
    try:
        yield
    finally:
        _console.logs.remove(log)


@contextmanager
def keeping_warnings() -> Iterator[None]:
    """Keep what is warned of meanwhile, while no log is open, for the log that opens next."""
    _console.unlogged = []
    try:
        yield
    finally:
        _console.unlogged = None
