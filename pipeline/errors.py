"""The errors that this project raises, as one tree; each formats itself: what happened, where, what to do.

Exit codes: 2 when the user's input is wrong, 1 when the work failed. Nothing here prints or exits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_SHORT = 200  # characters


class EvaluationError(Exception):
    """Base of all errors that a user may meet. `what` is one sentence without a full stop."""

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        remedy = f"\n  {self.fix}" if self.fix else ""
        return f"{place}{self.what}{remedy}"

    def __reduce__(self) -> tuple[object, ...]:  # worker processes send errors to their driver
        return (_rebuild, (type(self), self.__dict__.copy(), self.args))


def _rebuild(kind: type[EvaluationError], state: dict[str, object], args: tuple[object, ...]) -> EvaluationError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class InputError(EvaluationError):
    """What the user gave is wrong: settings, files, names."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One fault of a configuration: `where` is `file:line`."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


class ConfigError(InputError):
    """All faults of a configuration at once, one a line."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def in_short(message: str) -> str:
    """What other people's code raised as one line of text: without colours, frames and what goes on for long."""
    lines = (line.strip() for line in _COLOUR.sub("", message).splitlines())
    text = " ".join(line for line in lines if any(map(str.isalnum, line)))
    return text if len(text) <= _SHORT else text[: _SHORT - 2].rstrip() + " …"


@contextmanager
def blamed_on(setting: str) -> Iterator[None]:
    """Put the place of the setting that led to an InputError before the error's own: `run.yaml:6: models/x: …`."""
    try:
        yield
    except ConfigError:
        raise
    except InputError as error:
        if setting and not error.where.startswith(setting):
            error.where = f"{setting}: {error.where}" if error.where else setting
        raise


@contextmanager
def gathered(faults: list[InputError]) -> Iterator[None]:
    """Put an InputError into `faults` instead of raising it, so that others are found in the same run."""
    try:
        yield
    except InputError as error:
        faults.append(error)


def raise_all(faults: Sequence[InputError]) -> None:
    """Raise what was gathered, as one error where there are several; nothing where there are none."""
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise InputError("\n".join(dict.fromkeys(map(str, faults))))


class TaskError(InputError):
    """A task file that cannot be read, an unknown task, a template that names a missing column."""


class DataError(InputError):
    """A data file that is missing, or a line or column of it that is not what it should be."""


class ModelError(InputError):
    """A model folder that cannot be used, or does not do what the run asks of it."""


class AdapterError(ModelError):
    """An adapter of another base, of an unsupported kind, or one that changes nothing."""


class MissingPackageError(InputError):
    """An optional package that the configuration needs and that is not installed."""

    def __init__(self, package: str, needed_by: str, install: str = "") -> None:
        super().__init__(
            f"{needed_by} needs the package {package}, which is not installed",
            fix=f"Install it: pip install {install or package}",
        )


class StaleInputError(InputError):
    """A step's input was made from something that has changed since."""


class BusyRunError(InputError):
    """Another process works on this run folder with another configuration."""


class StorageError(EvaluationError):
    """A file or the memo could not be written or read: full disk, read-only folder, broken file."""


class EngineError(EvaluationError):
    """The engine failed as a whole, not on one request."""


class MetricError(EvaluationError):
    """A metric or filter returned something that cannot be stored."""
