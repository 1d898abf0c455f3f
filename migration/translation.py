"""An lm-evaluation-harness command line as a run file: each flag by its row of the table, or a problem with the reason.

The model arguments are `model_translation.py`.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from migration.command import LmEvalCommand
from migration.flags import FLAGS
from migration.launch import ENVIRONMENT
from migration.model_translation import translate_model
from migration.run_file import RunFile
from migration.task_names import lacks
from migration.values import DEFAULT_SEEDS
from models.generation import effective_generation
from pipeline.errors import InputError
from tasks.index import HARNESS, TaskIndex

Translate = Callable[[Any, LmEvalCommand, RunFile], None]

# Bundled tasks whose documents are made to a length in the model's own tokens, by how their names begin.
_COUNT_TOKENS = ("ruler", "niah_", "longcxt", "babilong")
_LONGEST_NAME = 60


def translate(command: LmEvalCommand) -> RunFile:
    """The run that does what the command does; what cannot be done is added to the command's problems."""
    run = RunFile()
    _check_environment(command)
    _check_together(command)
    translate_model(command, run)
    for name, value in command.flags.items():
        _translate_flag(name, value, command, run)
    _defaults(command, run)
    for step in ("step2", "step3", "step4"):
        if step not in run.settings():
            run.put(step, {})
    return run


def _translate_flag(name: str, value: Any, command: LmEvalCommand, run: RunFile) -> None:
    option = FLAGS[name]
    if value is False and option.kind == "switch":
        return
    if name in TRANSLATIONS:
        TRANSLATIONS[name](value, command, run)
    elif option.status == "refused":
        if value not in option.neutral:
            command.refuse(f"--{name}", option.refusal())
    elif option.setting:
        run.put(option.setting, value)


def _check_together(command: LmEvalCommand) -> None:
    """What lm_eval itself refuses: flags that contradict one another."""
    flags = command.flags
    if flags.get("samples") and flags.get("limit") is not None:
        command.refuse("--samples", "lm_eval takes no --limit beside it; leave one of the two out")
    if (flags.get("log_samples") or flags.get("predict_only")) and not flags.get("output_path"):
        name = "predict_only" if flags.get("predict_only") else "log_samples"
        command.refuse(f"--{name}", "lm_eval wants --output_path beside it; add --output_path DIR")
    if flags.get("fewshot_as_multiturn") and not flags.get("apply_chat_template"):
        command.refuse(
            "--fewshot_as_multiturn", "turns need a chat template; add --apply_chat_template, or leave it out"
        )


def _defaults(command: LmEvalCommand, run: RunFile) -> None:
    """What lm_eval does without any flag, and this project only where it is told."""
    flags = command.flags
    if not flags.get("tasks"):
        command.refuse("--tasks", "no task is named; add --tasks NAME")
    run.put(
        "output_dir", f"output/{_run_name(command)}", "this project's own files; runs beside each other share calls"
    )
    if not flags.get("apply_chat_template"):
        run.put("step1.apply_chat_template", False)
    run.put("step1.trust_task_code", True, "lm_eval runs the Python code of task files unasked")
    if "metadata" not in flags and any(name.startswith(_COUNT_TOKENS) for name in flags.get("tasks", ())):
        run.put("step1.metadata", _model_names(command), "these tasks count the model's tokens")


def _tasks(value: list[str], command: LmEvalCommand, run: RunFile) -> None:
    own = _own_names(command)
    if value[:1] in (["list"], ["list_groups"], ["list_subtasks"], ["list_tags"]):
        command.refuse(
            f"--tasks {value[0]}", f"lm_eval 0.4.13 lists tasks otherwise; use python main.py tasks {HARNESS}"
        )
    entries: list[str] = []
    for name in value:
        if _is_path(name):
            entries.append(name)
        elif name in own:
            entries.append(own[name])
        else:
            matching = [own[one] for one in sorted(fnmatch.filter(own, name))]
            entries += [*([] if matching and lacks(name) else [f"{HARNESS}{name}"]), *matching]
    run.put("step1.tasks", entries)


def _is_path(name: str) -> bool:
    """Whether the name is that of a task file, or of a folder with some."""
    return name.endswith((".yaml", ".yml")) or (Path(name).is_dir() and any(Path(name).glob("*.yaml")))


def _own_names(command: LmEvalCommand) -> dict[str, str]:
    """Tasks, groups and tags that the folders of --include_path define, and what to write for each.

    That is the name itself, or the file where this project has a task of the name too.
    """
    bundled = TaskIndex()
    found: dict[str, str] = {}
    for folder in _folders(command.flags.get("include_path")):
        path = Path(folder).expanduser()
        if not path.is_dir():
            command.refuse(f"--include_path {folder}", "there is no such folder")
            continue
        index = bundled.with_folder(path)
        found |= {tag: tag for tag in index.tags}
        for name, known in index.definitions.items():
            found[name] = str(known[0].path) if name in bundled.definitions else name
    return found


def _folders(value: Any) -> list[str]:
    return [] if not value else [str(one) for one in value] if isinstance(value, list) else [str(value)]


def _include_path(value: Any, command: LmEvalCommand, run: RunFile) -> None:
    run.put("step1.include_path", _folders(value))


def _num_fewshot(value: int, command: LmEvalCommand, run: RunFile) -> None:
    if value < 0:
        command.refuse(f"--num_fewshot {value}", "a number of examples is 0 or more")
    else:
        run.put("step1.num_fewshot", value, "for every task; lm_eval leaves tasks at 0 whose file says 0")


def _limit(value: float, command: LmEvalCommand, run: RunFile) -> None:
    if value <= 0:
        command.refuse(f"--limit {value}", "this asks about no document; give a number above 0")
    else:
        run.put("step1.limit", value)


def _apply_chat_template(value: bool | str, command: LmEvalCommand, run: RunFile) -> None:
    if isinstance(value, str) and value.lower() in ("false", "no", "0", "none"):
        command.refuse(
            f"--apply_chat_template {value}", f"lm_eval takes {value!r} for a template's name; leave the flag out"
        )
    elif value:
        run.put("step1.apply_chat_template", value)
        multiturn = command.flags.get("fewshot_as_multiturn", True)
        run.put("step1.fewshot_as_multiturn", multiturn)


def _gen_kwargs(value: dict[str, Any], command: LmEvalCommand, run: RunFile) -> None:
    unusable = [name for name, one in value.items() if not _is_generation_setting(name, one, command)]
    if not value or unusable:
        return
    run.put("step1.generation_override", value)
    if "do_sample" not in value and not effective_generation([("--gen_kwargs", value)]).greedy:
        run.comment("step1.generation_override", "lm_eval stays greedy where a task's file says do_sample: false")


def _is_generation_setting(name: str, value: Any, command: LmEvalCommand) -> bool:
    try:
        effective_generation([("--gen_kwargs", {name: value})])
    except InputError as error:
        command.refuse(f"--gen_kwargs {name}={value}", f"{error.what}; leave it out. {error.fix}".rstrip(". "))
        return False
    return True


def _output_path(value: str, command: LmEvalCommand, run: RunFile) -> None:
    if value.endswith(".json"):
        folder = str(Path(value).parent)
        run.put("step4.lm_eval_layout", folder, f"the files are called as in a folder, not {Path(value).name}")
    else:
        run.put("step4.lm_eval_layout", value)


def _log_samples(value: bool, command: LmEvalCommand, run: RunFile) -> None:
    run.put("step4.lm_eval_samples", True)


def _predict_only(value: bool, command: LmEvalCommand, run: RunFile) -> None:
    run.put("predict_only", True)
    run.put("step4.lm_eval_samples", True)


def _seed(value: list[int | None], command: LmEvalCommand, run: RunFile) -> None:
    """Those that are not lm_eval's defaults, which are this project's too."""
    settings = ("step1.python_seed", "step1.numpy_seed", "seed", "step1.fewshot_seed")
    for setting, seed, default in zip(settings, value, DEFAULT_SEEDS, strict=True):
        if seed is None and setting in ("seed", "step1.fewshot_seed"):
            run.put(setting, default, "None there, which gives other examples or samples each time")
        elif seed != default:
            run.put(setting, seed)


def _metadata(value: dict[str, Any], command: LmEvalCommand, run: RunFile) -> None:
    if "token" in value:
        command.refuse("--metadata token", "secrets come from the environment and are written nowhere; set HF_TOKEN")
    run.put("step1.metadata", {**_model_names(command), **value}, "with the model's names, as lm_eval adds them")


def _model_names(command: LmEvalCommand) -> dict[str, Any]:
    arguments = command.flags.get("model_args", {})
    return {name: str(arguments[name]) for name in ("pretrained", "tokenizer") if arguments.get(name)}


def _unsafe(value: bool, command: LmEvalCommand, run: RunFile) -> None:
    if not command.flags.get("predict_only"):  # which runs no code
        command.refuse("--confirm_run_unsafe_code", FLAGS["confirm_run_unsafe_code"].refusal())


def _check_environment(command: LmEvalCommand) -> None:
    for name, value in command.environment.items():
        option = ENVIRONMENT.get(name)
        refused = option is not None and option.status == "refused" and value not in option.neutral
        if option is not None and refused and not command.flags.get("predict_only"):
            command.refuse(f"{name}={value}", option.refusal())


def _nothing(value: Any, command: LmEvalCommand, run: RunFile) -> None:
    """For flags that need no setting, or that the model's arguments take in."""


def _run_name(command: LmEvalCommand) -> str:
    """A folder name from the model and the tasks, so that runs of other models and tasks have others."""
    arguments = command.flags.get("model_args", {})
    model = Path(str(arguments.get("pretrained", "model"))).name or "model"
    tasks = [Path(name).stem.replace("*", "") for name in command.flags.get("tasks", [])]
    shown = "_".join(tasks[:3]) + (f"_and_{len(tasks) - 3}_more" if len(tasks) > 3 else "")
    name = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in f"{model}_{shown}")
    return name[:_LONGEST_NAME].strip("._-") or "run"


TRANSLATIONS: Mapping[str, Translate] = {
    "tasks": _tasks,
    "include_path": _include_path,
    "num_fewshot": _num_fewshot,
    "limit": _limit,
    "apply_chat_template": _apply_chat_template,
    "gen_kwargs": _gen_kwargs,
    "output_path": _output_path,
    "log_samples": _log_samples,
    "predict_only": _predict_only,
    "seed": _seed,
    "metadata": _metadata,
    "confirm_run_unsafe_code": _unsafe,
    **dict.fromkeys(
        (
            "model",
            "model_args",
            "batch_size",
            "max_batch_size",
            "device",
            "use_cache",
            "cache_requests",
            "check_integrity",
            "verbosity",
            "fewshot_as_multiturn",
        ),
        _nothing,
    ),
}
