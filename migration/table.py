"""What a row of the tables about lm-evaluation-harness says: one of its options, and what it is in this project.

The rows stand in `flags.py`, `launch.py`, `model_args.py` and `models.py`. Nothing is parsed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["supported", "equivalent", "refused"]
# How a value is written on the command line: nothing, a text, a number, key=value pairs, names …
Kind = Literal[
    "switch",  # no value: given or not
    "text",
    "whole",  # a whole number
    "number",
    "yes_no",
    "optional_text",  # the value may be left out
    "optional_yes_no",
    "mapping",  # key=value,key=value or JSON, one word or several
    "names",  # a,b c
    "seeds",  # one to four whole numbers or None
    "samples",  # JSON, or a file that holds it
    "any",  # whatever the value is read as
]


@dataclass(frozen=True)
class Option:
    """One flag, model argument or environment variable, and what does the same here.

    `here` is the setting or command for it; of what is refused, what to do instead. `note` is the reason of a refusal,
    or what differs. `setting` is the path of the setting that takes the value unchanged. `neutral` are values that
    ask for what is done here anyway: they need nothing, also where the option is refused.
    """

    name: str
    status: Status
    here: str = ""
    note: str = ""
    kind: Kind = "text"
    short: str = ""
    setting: str = ""
    neutral: tuple[Any, ...] = ()

    def refusal(self) -> str:
        """Reason and remedy in one line."""
        return f"{self.note}; {self.here}" if self.here else self.note


@dataclass(frozen=True)
class ModelType:
    """A value of `--model`: `arguments` are the model arguments that it has beyond `hf`'s, or instead of them."""

    name: str
    status: Status
    here: str
    note: str = ""
    arguments: tuple[Option, ...] = ()

    def refusal(self) -> str:
        return f"{self.note}; {self.here}"


def by_name(options: Iterable[Option]) -> Mapping[str, Option]:
    """The rows by their names. A name stands once."""
    table: dict[str, Option] = {}
    for option in options:
        if option.name in table:
            raise ValueError(f"{option.name} has two rows")
        table[option.name] = option
    return table
