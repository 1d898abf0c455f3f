"""A command line of lm-evaluation-harness taken apart: environment, launcher, subcommand, flags. Nothing is translated.

Its flags are read by the rules of its own parser (abbreviations, repeated flags, `--config` files); lm_eval itself is
not needed.
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from migration.flags import FLAGS
from migration.launch import LAUNCHER_OPTIONS
from migration.table import Kind, Option
from migration.values import mapping, names, samples, seeds, truth, whole
from pipeline.errors import InputError, Problem
from pipeline.near import or_meant

SUBCOMMANDS = ("run", "ls", "validate")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_PYTHON = re.compile(r"python[\d.]*")
_PRESENT = "true"  # what a flag says whose value may be left out


@dataclass
class LmEvalCommand:
    """What a command line says. `problems` is what makes no sense there either, or has no place here."""

    subcommand: str = "run"
    environment: dict[str, str] = field(default_factory=dict)
    launched: bool = False  # by accelerate or torchrun
    launcher: dict[str, Any] = field(default_factory=dict)
    flags: dict[str, Any] = field(default_factory=dict)
    listed: list[str] = field(default_factory=list)  # what `ls` is asked for
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, where: str, message: str) -> None:
        self.problems.append(Problem(where, message))


class _Parser(argparse.ArgumentParser):
    """argparse that raises ValueError instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def read_command(words: Sequence[str]) -> LmEvalCommand:
    """Take the words of a command line apart; what is wrong with its flags stands in its `problems`.

    Raises InputError for one that does not start lm_eval.
    """
    command = LmEvalCommand()
    rest = _after_launcher(_after_environment(list(words), command), command)
    if rest and rest[0] in SUBCOMMANDS:
        command.subcommand, *rest = rest
    if command.subcommand == "ls":
        command.listed = [word for word in rest[:1] if not word.startswith("-")]
        rest = rest[len(command.listed) :]
    _read_flags(rest, command)
    return command


def _after_environment(words: list[str], command: LmEvalCommand) -> list[str]:
    """The words behind `env` and `NAME=value`."""
    while words and (words[0] == "env" or _ASSIGNMENT.fullmatch(words[0])):
        match = _ASSIGNMENT.fullmatch(words.pop(0))
        if match is not None:
            command.environment[match[1]] = match[2]
    return words


def _after_launcher(words: list[str], command: LmEvalCommand) -> list[str]:
    """The words behind `lm_eval`, however it is started."""
    if not words or words[0].startswith("-") or words[0] in SUBCOMMANDS:
        return words
    first = Path(words[0]).name
    if first == "accelerate" and words[1:2] == ["launch"]:
        return _after_options(words[2:], command)
    if first == "torchrun":
        return _after_options(words[1:], command)
    if _PYTHON.fullmatch(first) and words[1:2] == ["-m"]:
        words = words[2:]
        if words[:1] == ["accelerate.commands.launch"] or words[:1] == ["torch.distributed.run"]:
            return _after_options(words[1:], command)
    return _after_name(words)


def _after_options(words: list[str], command: LmEvalCommand) -> list[str]:
    """The words behind a launcher's options and the name of what it starts."""
    command.launched = True
    parser = _parser(LAUNCHER_OPTIONS, dashed=True)
    end = next((place for place, word in enumerate(words) if Path(word).name in ("lm_eval", "lm-eval")), len(words))
    for name, value in _parsed(parser, words[:end], command, "this option of the launcher has no place here").items():
        _read_value(LAUNCHER_OPTIONS[name], f"--{name}", value, command.launcher, command)
    return _after_name(words[end:])


def _after_name(words: list[str]) -> list[str]:
    if words and Path(words[0]).name in ("lm_eval", "lm-eval", "lm_eval.__main__"):
        return words[1:]
    raise InputError(
        f"this is no command line of lm_eval: {shlex.join(words) or 'nothing follows its launcher'}",
        fix="It begins with lm_eval, python -m lm_eval, accelerate launch … -m lm_eval, or torchrun … -m lm_eval,"
        " behind variables such as CUDA_VISIBLE_DEVICES=0.",
    )


def _parser(options: Mapping[str, Option], dashed: bool = False) -> _Parser:
    """A parser of these options; what is not given is not in its namespace."""
    parser = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    for option in options.values():
        spellings = [f"--{option.name}", *([f"-{option.short}"] if option.short else [])]
        if dashed and "_" in option.name:
            spellings.append(f"--{option.name.replace('_', '-')}")
        if option.kind == "switch":
            parser.add_argument(*spellings, dest=option.name, action="store_const", const=True)
        elif option.kind in ("mapping", "names"):
            parser.add_argument(*spellings, dest=option.name, action="append", nargs="+")
        elif option.kind in ("optional_text", "optional_yes_no"):
            parser.add_argument(*spellings, dest=option.name, nargs="?", const=_PRESENT)
        else:
            parser.add_argument(*spellings, dest=option.name)
    return parser


def _parsed(parser: _Parser, words: Sequence[str], command: LmEvalCommand, unknown: str) -> dict[str, Any]:
    """The options among the words by name; a problem for each word that is none."""
    try:
        found, rest = parser.parse_known_args(list(words))
    except ValueError as error:
        command.refuse("command line", str(error))
        return {}
    known = [spelling for action in parser._actions for spelling in action.option_strings]
    strange = [word for word in rest if word.startswith("-")] or rest[:1]  # what follows one is most likely its value
    for word in strange:
        command.refuse(word, f"{unknown}{or_meant(word.partition('=')[0], known)}")
    return vars(found)


def _read_flags(words: Sequence[str], command: LmEvalCommand) -> None:
    """Flags of the command line over those of its `--config` file."""
    given: dict[str, Any] = {}
    unknown = "lm_eval 0.4.13 has no such flag"
    for name, value in _parsed(_parser(FLAGS), words, command, unknown).items():
        _read_value(FLAGS[name], f"--{name}", value, given, command)
    path = given.pop("config", None)
    if path is not None:
        command.flags |= _config_file(Path(path), command)
    command.flags |= {name: value for name, value in given.items() if value or value == 0}


def _config_file(path: Path, command: LmEvalCommand) -> dict[str, Any]:
    """The flags that a `--config` file of lm_eval's gives, read as lm_eval reads it."""
    where = f"--config {path}"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        command.refuse(where, f"the file cannot be read: {error.strerror}")
        return {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        command.refuse(where, f"this is no YAML: {' '.join(str(error).split())}")
        return {}
    if not isinstance(content, dict):
        command.refuse(where, "a mapping of flags (`tasks: […]`) is expected")
        return {}
    flags: dict[str, Any] = {}
    for key, value in content.items():
        name = str(key)
        if name not in FLAGS:
            command.refuse(f"{where}: {name}", f"lm_eval 0.4.13 has no such flag{or_meant(name, FLAGS)}")
        elif value is not None:
            _read_value(FLAGS[name], f"{where}: {name}", value, flags, command)
    return flags


def _read_value(option: Option, where: str, value: Any, into: dict[str, Any], command: LmEvalCommand) -> None:
    """Put the value into `into` as what it means; a problem where it means nothing."""
    try:
        into[option.name] = READERS[option.kind](value)
    except ValueError as error:
        command.refuse(where, str(error))


def _text(value: Any) -> str:
    if isinstance(value, (dict, list)):
        raise ValueError(f"a text is expected, not {value!r}")
    return str(value)


def _number(value: Any) -> int | float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"a number is expected, not {value!r}") from None
    return int(number) if number.is_integer() else number


def _mapping(value: Any) -> dict[str, Any]:
    """A mapping, a text of pairs, or the words of each time that the flag is given."""
    if isinstance(value, dict):
        return value
    merged: dict[str, Any] = {}
    for words in [[value]] if isinstance(value, str) else value:
        merged |= mapping(words)
    return merged


def _names(value: Any) -> list[str]:
    """A text, a list of texts, or the words of each time that the flag is given."""
    if not isinstance(value, (str, list)):
        raise ValueError(f"names are expected, not {value!r}")
    words = [value] if isinstance(value, str) else value
    return names([word for group in words for word in (group if isinstance(group, list) else [group])])


def _optional_text(value: Any) -> bool | str:
    return value if isinstance(value, bool) else True if str(value).lower() == _PRESENT else _text(value)


READERS: Mapping[Kind, Callable[[Any], Any]] = {
    "switch": truth,
    "text": _text,
    "whole": whole,
    "number": _number,
    "yes_no": truth,
    "optional_text": _optional_text,
    "optional_yes_no": truth,
    "mapping": _mapping,
    "names": _names,
    "seeds": seeds,
    "samples": samples,
    "any": lambda value: value,
}
