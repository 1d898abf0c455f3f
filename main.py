"""The command line: what to run, and how its end is told. Imports nothing but argparse until a command needs it.

Exit codes: 0 done, 1 failed or ended with error rows, 2 wrong input, 130 or 143 interrupted.
"""

from __future__ import annotations

import argparse
import math
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # argparse has no public name for it

STEPS = ("step1", "step2", "step3", "step4")
# Of each command: its purpose in a line, what it does, an example.
COMMANDS = {
    "step1": (
        "generation: ask the models",
        "Asks the base model and each adapter every request of the tasks. Calls that are finished already,\n"
        "in this run or another under the same output folder, are not made again. Writes step1_generation.jsonl.",
        "python main.py step1 yamls/step1.yaml --set limit=10",
    ),
    "step2": (
        "post-processing: reduce each answer to what counts",
        "Applies the filters of the tasks and of the run to step 1's responses. Writes step2_generation_trans.jsonl.",
        "python main.py step2 yamls/step2.yaml",
    ),
    "step3": (
        "scoring: value each row",
        "Values each row of step 2 by the metrics of the tasks and of the run. Writes step3_evaluation.jsonl.",
        "python main.py step3 yamls/step3.yaml",
    ),
    "step4": (
        "aggregation: figures, errors, tables",
        "Turns step 3's values into figures with standard errors, for each model, task, metric and filter.\n"
        "Writes step4_eval_scores.jsonl, report.html, results.md, results.csv and all_results.json.",
        "python main.py step4 yamls/step4.yaml",
    ),
    "all": (
        "the four steps in order",
        "Runs the four steps from one file. A step that the file does not name has its defaults.",
        "python main.py all yamls/demo.yaml --set output_dir=output/second --set step1.tasks.0.limit=20",
    ),
    "check": (
        "validate settings, tasks, files and names",
        "Says all that is wrong with a file, without loading a model: its settings, and where these are in order the\n"
        "names and files in it. With --plan, the questions are read too.",
        "python main.py check yamls/demo.yaml --plan",
    ),
    "status": (
        "what is fresh, missing or out of date, and why",
        "Shows the state of each step, model and task of a run.",
        "python main.py status yamls/demo.yaml",
    ),
    "gc": (
        "forget results that no run has used for long",
        "Removes finished calls from the memo that all runs under an output folder share. A run that needs them again\n"
        "computes them again.",
        "python main.py gc output --unused-for 60 --dry-run",
    ),
    "tasks": (
        "list tasks and groups",
        "Lists the tasks, groups and tags that a run file can name; after lm_eval: those that lm_eval brings along,\n"
        "where it is installed.",
        "python main.py tasks 'lm_eval:*mmlu*'",
    ),
    "from-lm-eval": (
        "a run file from a command line of lm-evaluation-harness",
        "Prints the run file that does what the command line behind -- does, or says what of it cannot be done here,\n"
        "and why. docs/from-lm-eval.md lists every flag and model argument.",
        "python main.py from-lm-eval -- lm_eval --model hf --model_args pretrained=gpt2 --tasks hellaswag",
    ),
}
DESCRIPTION = """\
Evaluate language models and their LoRA checkpoints, in four steps driven by YAML files. Each step reads what the step
before it wrote. Finished calls are kept: after a crash, an interrupt or a change of settings, the same command
computes only what is missing."""
EPILOG = """\
examples:
  python main.py all yamls/demo.yaml                       the four steps in order, from one file
  python main.py step1 yamls/step1.yaml --set limit=10     one step, with a setting of its own
  python main.py check yamls/demo.yaml --plan              is the file in order, and what would be computed?
  python main.py status yamls/demo.yaml                    what is fresh, missing or out of date, and why
  python main.py tasks gsm8k                               which tasks are there?

exit codes:
  0   done
  1   the work failed, or ended with error rows or a metric that valued no row; the next run tries these again
  2   the input is wrong: settings, files, names
  130 interrupted by Ctrl-C; 143 by SIGTERM"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; `--help` of each shows an example."""
    parser = argparse.ArgumentParser(
        prog="python main.py",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        _add_command(commands, name)
    return parser


def _add_command(commands: Commands, name: str) -> None:
    purpose, details, example = COMMANDS[name]
    parser = commands.add_parser(
        name,
        help=purpose,
        description=details,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    match name:
        case "gc":
            _gc_options(parser)
        case "tasks":
            _tasks_options(parser)
        case "from-lm-eval":
            _from_lm_eval_options(parser)
        case _:
            _settings_options(parser)
    if name == "check":
        parser.add_argument("--plan", action="store_true", help="also show what would be computed")
    volume = parser.add_mutually_exclusive_group()
    volume.add_argument("--quiet", action="store_true", help="print errors alone")
    volume.add_argument("--verbose", action="store_true", help="say more, and log more")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def _settings_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("yaml", type=Path, metavar="YAML", help="the run file")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="KEY=VALUE",
        help="a setting that wins over the whole file, such as step1.limit=10 for every task, or step1.tasks.0.limit=10"
        " for one; may be repeated",
    )


def _gc_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", type=Path, metavar="FOLDER_OR_YAML", help="an output folder, or a run file")
    parser.add_argument(
        "--unused-for", type=_days, default=30.0, metavar="DAYS", help="days without use (default: %(default)g)"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")


def _tasks_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "pattern", nargs="?", metavar="PATTERN", help="part of a name, or a pattern with *, after lm_eval: too"
    )
    parser.add_argument(
        "--include-path", action="append", default=[], metavar="DIR", help="a folder with task files of your own"
    )
    parser.add_argument(
        "--show", action="store_true", help="print the resolved configuration of the task or group that PATTERN names"
    )


def _from_lm_eval_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the run file there instead of printing it")
    parser.add_argument("words", nargs="*", metavar="-- COMMAND", help="the command line of lm-evaluation-harness")


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = math.nan
    if not 0 <= days < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days")
    return days


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = build_parser()
    options, strange = parser.parse_known_args(arguments)
    if strange:
        hint = "; put `--` before the command line of lm_eval" if options.command == "from-lm-eval" else ""
        parser.error(f"unrecognized arguments: {' '.join(strange)}{hint}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code. Errors are printed, not raised."""
    options = _parsed(arguments)
    try:
        code = _run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output has seen enough, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _run(options: argparse.Namespace) -> int:
    from pipeline.console import set_verbosity
    from pipeline.errors import EvaluationError
    from pipeline.interrupts import Interrupted, interruptible

    set_verbosity("quiet" if options.quiet else "verbose" if options.verbose else "normal")
    try:
        with interruptible(_farewell(options.command)):
            return _action(options)()
    except Interrupted as interrupted:
        return interrupted.exit_code
    except EvaluationError as error:
        _report(f"error: {error}", options.debug)
        return error.exit_code
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the outermost boundary: nobody else could tell the user
        kind = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        _report(f"internal error: {kind}; run again with --debug for the traceback", options.debug)
        return 1


def _action(options: argparse.Namespace) -> Callable[[], int]:
    """What the command does; imports what it needs and no more."""
    match options.command:
        case "all":
            from steps.run import run_all

            return lambda: run_all(options.yaml, options.overrides)
        case "check":
            from steps.check import check

            return lambda: check(options.yaml, options.overrides, options.plan)
        case "status":
            from steps.status import status

            return lambda: status(options.yaml, options.overrides)
        case "gc":
            from steps.gc import gc

            return lambda: gc(options.target, options.unused_for, options.dry_run)
        case "tasks" if options.show:
            from tasks.configuration import show_configurations

            return lambda: show_configurations(options.pattern, options.include_path)
        case "tasks":
            from tasks.listing import list_tasks

            return lambda: list_tasks(options.pattern, options.include_path)
        case "from-lm-eval":
            from migration.from_lm_eval import from_lm_eval

            return lambda: from_lm_eval(options.words, options.output)
    from steps.run import run_step

    return lambda: run_step(options.command, options.yaml, options.overrides)


def _farewell(command: str) -> str:
    """The line for an interrupt: how to go on, where there is work to go on with."""
    if command == "all" or command in STEPS:
        again = shlex.join(["python", *sys.argv])
        return f"interrupted; nothing finished is lost. Go on with: {again}"
    return "interrupted"


def _report(text: str, debug: bool) -> None:
    if debug:
        import traceback

        traceback.print_exc()
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
