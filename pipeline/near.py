"""What every message says of a name that is not known: the nearest one that is, and lists cut to a readable length."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

_CUTOFF = 0.6  # difflib's own; 1 is equality
_LISTED = 10


def nearest(name: str, known: Iterable[str], most: int = 1, cutoff: float = _CUTOFF) -> list[str]:
    """Up to `most` known names that are like `name`, the likest first."""
    return difflib.get_close_matches(name, list(known), most, cutoff)


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """`Did you mean X?` with the nearest known name, else `otherwise`."""
    near = nearest(name, known)
    return f"Did you mean {near[0]}?" if near else otherwise


def or_meant(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """The same as the end of a sentence: `; did you mean X?`, else `; otherwise`."""
    near = nearest(name, known)
    end = f"did you mean {near[0]}?" if near else otherwise
    return f"; {end}" if end else ""


def path_meant(path: Path, wanted: Callable[[Path], bool] = Path.exists) -> str:
    """A sentence that names the `wanted` file or folder that was probably meant by `path`, which is not there.

    Where none is like it, the first folder or file of the path that is not there.
    """
    while not path.parent.is_dir() and path.parent != path.parent.parent:
        path = path.parent
    parent = path.parent
    there = sorted(entry.name for entry in parent.iterdir() if wanted(entry)) if parent.is_dir() else []
    near = nearest(path.name, there)
    return f"Did you mean {parent / near[0]}?" if near else f"There is no {path.name} in {parent.resolve()}."


def listed(names: Sequence[object], most: int = _LISTED, noun: str = "") -> str:
    """The names, or the first `most` and how many more there are: `a, b and 4 more tasks` where `noun` is `task`."""
    shown, rest = ", ".join(map(str, names[:most])), len(names) - most
    named = f" {noun}{'s' * (rest != 1)}" if noun else ""
    return f"{shown} and {rest} more{named}" if rest > 0 else shown
