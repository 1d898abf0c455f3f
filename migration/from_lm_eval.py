"""`from-lm-eval`: an lm-evaluation-harness command line as a run file of this project, or why that cannot be.

What each flag becomes stands in the tables `flags.py`, `model_args.py` and `models.py`.
"""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

from migration.command import LmEvalCommand, read_command
from migration.launch import ENVIRONMENT, is_secret
from migration.task_names import say_unknown_tasks
from migration.translation import translate
from pipeline.config_load import load_all
from pipeline.console import say, show
from pipeline.errors import ConfigError, InputError, Problem

_QUIET = frozenset({"WARNING", "WARN", "ERROR", "CRITICAL", "FATAL"})


def from_lm_eval(words: Sequence[str], output: Path | None) -> int:
    """Print the run file that does what the command line does, or write it to `output`; 0.

    The command to run it is printed on stderr. `ls` and `validate` have no run file: the command that does the same
    is printed instead. Raises ConfigError with everything that cannot be done here.
    """
    if len(words) == 1 and " " in words[0]:
        words = shlex.split(words[0])  # the whole of it in quotes
    command = read_command(words)
    if command.subcommand == "run" and not command.problems and not command.flags:
        raise InputError(
            "no command line of lm_eval is given",
            fix="Write it behind `--`: python main.py from-lm-eval -- lm_eval --model hf --model_args pretrained=gpt2"
            " --tasks hellaswag",
        )
    if command.subcommand != "run":
        return _show_task_command(command)
    run = translate(command)
    if output is not None:
        run.put("output_dir", f"output/{output.stem}", "named after this file, so that no other run writes there")
    run.heading = _heading(words)
    if command.problems:
        raise ConfigError(list(dict.fromkeys(command.problems)))
    text = run.text()
    _check(text)
    if output is None:
        show(text.rstrip("\n"))
    else:
        _write(output, text)
    settings = run.settings()["step1"]
    say_unknown_tasks(settings["tasks"], settings.get("include_path", ()))
    _say_how_to_run(command, output)
    return 0


def _heading(words: Sequence[str]) -> list[str]:
    """The command line, as a comment at the top, secrets left out."""
    kept = [word for word in words if "=" not in word or not is_secret(word.partition("=")[0])]
    return [f"Made from: {' '.join(shlex.join(kept).split())}"]


def _write(path: Path, text: str) -> None:
    try:
        if path.is_file() and path.read_text(encoding="utf-8", errors="replace") != text:
            fix = "What was changed in it by hand would be lost: name another file, or remove this one"
            raise InputError("a run file of this name is there already", where=str(path), fix=fix)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"the run file cannot be written: {error.strerror}", where=str(path)) from error


def _check(text: str) -> None:
    """Read the file as a run would. Raises ConfigError where a value is of a wrong kind."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            load_all(path, complete=True)
        except ConfigError as error:
            lines = text.splitlines()
            raise ConfigError([_shown(problem, lines) for problem in error.problems]) from None


def _shown(problem: Problem, lines: Sequence[str]) -> Problem:
    """The problem with the line that it is about, for the file itself is not there for the reader."""
    number = problem.where.rpartition(":")[2]
    line = lines[int(number) - 1].partition("  # ")[0].strip() if number.isdecimal() else problem.where
    return Problem(line, problem.message)


def _say_how_to_run(command: LmEvalCommand, output: Path | None) -> None:
    """The command to run, with its environment, and a word on what needs one."""
    file = str(output) if output is not None else "run.yaml"
    prefix = "".join(f"{name}={shlex.quote(value)} " for name, value in _environment(command).items())
    main = f"{prefix}python main.py"
    if output is None:
        say(f"Save this as {file} (--output {file} does so). Then:")
    if command.flags.get("check_integrity"):
        say(f"{main} check {shlex.quote(file)} --plan")
    say(f"{main} all {shlex.quote(file)}{_verbosity(command)}")
    for name in command.environment:
        if is_secret(name):
            say(f"Set {name} in the shell, as before; it is written nowhere.")
        elif name not in ENVIRONMENT:
            say(f"{name} is passed on; nothing of this project reads it, though a library may.")


def _environment(command: LmEvalCommand) -> dict[str, str]:
    """The variables to set before the command; devices that accelerate was told are one."""
    own = {
        name: value
        for name, value in command.environment.items()
        if not is_secret(name) and (name not in ENVIRONMENT or ENVIRONMENT[name].status == "supported")
    }
    devices = command.launcher.get("gpu_ids", "all")
    return own if devices == "all" else {"CUDA_VISIBLE_DEVICES": devices, **own}


def _verbosity(command: LmEvalCommand) -> str:
    level = str(command.flags.get("verbosity") or command.environment.get("LMEVAL_LOG_LEVEL") or "INFO").upper()
    return " --verbose" if level == "DEBUG" else " --quiet" if level in _QUIET else ""


def _show_task_command(command: LmEvalCommand) -> int:
    """`ls` and `validate` as commands of this project."""
    folder = command.flags.get("include_path")
    option = f" --include-path {shlex.quote(str(folder))}" if folder else ""
    patterns = command.flags.get("tasks", []) if command.subcommand == "validate" else [""]
    if not patterns:
        command.refuse("validate", "no task is named; add --tasks NAME")
    if command.problems:
        raise ConfigError(command.problems)
    for pattern in patterns:
        shown = " --show" if command.subcommand == "validate" else ""
        show(f"python main.py tasks {shlex.quote(f'lm_eval:{pattern}')}{shown}{option}")
    return 0
