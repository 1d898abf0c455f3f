"""`--model`, `--model_args` and what else of a command line decides the engine, as settings of a run file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from migration.command import READERS, LmEvalCommand
from migration.launch import LAUNCHER_OPTIONS
from migration.model_args import HF_ARGUMENTS, UNKNOWN_ARGUMENT
from migration.models import MODEL_TYPES
from migration.run_file import RunFile
from models.locate import is_hub_name
from pipeline.near import or_meant

Translate = Callable[[Any, str, LmEvalCommand, RunFile], None]

_ENGINE = "step1.engine"
_DTYPES = {"half": "float16", "float": "float32"}  # torch's short names
_KNOWN_DTYPES = ("auto", "float32", "bfloat16", "float16")
_DEVICE = re.compile(r"cpu|mps|cuda(:\d+)?")
_SECRET = re.compile(r"((use_)?auth_|hf_|access_|api_)?(token|key)|password")  # whose values no message repeats


def translate_model(command: LmEvalCommand, run: RunFile) -> None:
    """Put model and engine into `run`; what cannot be done goes into the command's problems."""
    name = command.flags.get("model", "hf")
    kind = MODEL_TYPES.get(name)
    if kind is None:
        command.refuse(f"--model {name}", f"lm_eval 0.4.13 has no such model type{or_meant(name, MODEL_TYPES)}")
    elif kind.status == "refused":
        command.refuse(f"--model {name}", kind.refusal())
    run.put(f"{_ENGINE}.backend", "hf")
    arguments = command.flags.get("model_args", {})
    if not arguments.get("pretrained") and (kind is None or kind.status == "supported"):
        command.refuse("--model_args", "no model is named; add pretrained=<folder or hub name>")
    for argument, value in arguments.items():
        _translate_argument(argument, value, name, command, run)
    run.put(f"{_ENGINE}.use_model_generation_config", True, "as lm_eval, which inherits all of generation_config.json")
    _batches(command, run)
    if command.flags.get("device"):
        _device(command.flags["device"], "--device", command, run)
    _processes(command, run)
    _as_one_line(run)


def _translate_argument(name: str, value: Any, model: str, command: LmEvalCommand, run: RunFile) -> None:
    where = f"--model_args {name}" if _SECRET.fullmatch(name) else f"--model_args {name}={value}"
    kind = MODEL_TYPES.get(model)
    own = {one.name: one for one in kind.arguments} if kind else {}
    option = own.get(name) or HF_ARGUMENTS.get(name)
    if option is None:
        known = [*own, *HF_ARGUMENTS]
        command.refuse(where, f"{UNKNOWN_ARGUMENT}{or_meant(name, known, 'leave it out')}")
        return
    try:
        value = None if value is None else READERS[option.kind](value)
    except ValueError as error:
        command.refuse(where, str(error))
        return
    if value is None or value in option.neutral:
        return
    if option.status == "refused":
        command.refuse(where, option.refusal())
    elif name in ARGUMENT_TRANSLATIONS:
        ARGUMENT_TRANSLATIONS[name](value, where, command, run)
    elif option.setting:
        run.put(option.setting, value)


def _dtype(value: str, where: str, command: LmEvalCommand, run: RunFile) -> None:
    name = _DTYPES.get(value, value)
    if name not in _KNOWN_DTYPES:
        command.refuse(where, f"weights are held as {', '.join(_KNOWN_DTYPES[1:])}; give one of these, or auto")
    elif name != "auto":
        run.put(f"{_ENGINE}.dtype", name)


def _backend(value: str, where: str, command: LmEvalCommand, run: RunFile) -> None:
    if value not in ("causal", "seq2seq"):
        command.refuse(where, "causal, seq2seq or default is expected")
    else:
        run.put(f"{_ENGINE}.architecture", value)


def _peft(value: str, where: str, command: LmEvalCommand, run: RunFile) -> None:
    if command.flags.get("model_args", {}).get("delta"):
        command.refuse(where, "lm_eval takes no delta beside it; leave one of the two out")
        return
    comment = "the base is evaluated too; lm_eval evaluates the adapter alone, with the base's tokenizer"
    run.put("step1.adapters", [{"path": value, "tokenizer": "base"}], comment)
    if is_hub_name(value):
        run.comment("step1.adapters", f"if it is on the hub, fetch it first: hf download {value} --local-dir {value}")


def _device(value: str, where: str, command: LmEvalCommand, run: RunFile) -> None:
    if not _DEVICE.fullmatch(value):
        command.refuse(f"{where} {value}" if where == "--device" else where, "cpu, cuda, cuda:N or mps is expected")
    else:
        run.put(f"{_ENGINE}.device", value)


def _parallelize(value: bool, where: str, command: LmEvalCommand, run: RunFile) -> None:
    run.put(f"{_ENGINE}.device_map", "auto")


def _quantization(name: str) -> Translate:
    def translate(value: Any, where: str, command: LmEvalCommand, run: RunFile) -> None:
        given: dict[str, Any] = run.get(f"{_ENGINE}.quantization") or {"method": "bitsandbytes"}
        run.put(f"{_ENGINE}.quantization", {**given, name: value})

    return translate


def _gptq(value: Any, where: str, command: LmEvalCommand, run: RunFile) -> None:
    if isinstance(value, str):
        command.refuse(where, "one file of several cannot be chosen; give a folder that holds that file alone")
    else:
        run.comment(_ENGINE, "a GPTQ checkpoint is loaded as its config.json says")


def _nothing(value: Any, where: str, command: LmEvalCommand, run: RunFile) -> None:
    """For arguments that need no setting, or that a flag of the same name goes with."""


def _batches(command: LmEvalCommand, run: RunFile) -> None:
    """Rows of a batch: a number, or `auto` up to --max_batch_size."""
    arguments = command.flags.get("model_args", {})
    given = {name: command.flags.get(name) or arguments.get(name) for name in ("batch_size", "max_batch_size")}
    size = str(given["batch_size"] or "")
    rows = given["max_batch_size"] if size.startswith("auto") else given["batch_size"]
    if not rows:
        return
    if not str(rows).isdigit() or int(rows) < 1:
        command.refuse(f"--batch_size {rows}", "a number above 0, auto or auto:N is expected")
    else:
        run.put(f"{_ENGINE}.max_batch_size", int(rows), "batches are bounded by batch_tokens too")


def _processes(command: LmEvalCommand, run: RunFile) -> None:
    """Processes that share the work: what accelerate or torchrun was told."""
    for name, value in command.launcher.items():
        option = LAUNCHER_OPTIONS[name]
        if option.status == "refused" and value not in option.neutral and value is not False:
            command.refuse(f"--{name} {'' if value is True else value}".rstrip(), option.refusal())
    if not command.launched:
        return
    if command.launcher.get("cpu"):
        run.put(f"{_ENGINE}.device", "cpu")
    elif run.get(f"{_ENGINE}.device"):
        run.drop(f"{_ENGINE}.device")  # several processes choose their devices by themselves, there and here
    count = command.launcher.get("num_processes") or command.launcher.get("nproc_per_node")
    spread = run.get(f"{_ENGINE}.device_map") is not None
    if count is None and not spread:
        run.comment(_ENGINE, "add replicas: N for N devices; accelerate takes their number from its own configuration")
    elif count and count > 1 and spread:
        command.refuse("--model_args parallelize", "the launcher starts a whole model on each device; choose one")
    elif count and count > 1:
        run.put(f"{_ENGINE}.replicas", count, "a process for each device")


def _as_one_line(run: RunFile) -> None:
    """`model: path` where nothing but the path is said of it."""
    model = run.settings().get("step1", {}).get("model", {})
    if list(model) == ["path"]:
        run.drop("step1.model.path")
        run.put("step1.model", model["path"])


ARGUMENT_TRANSLATIONS: Mapping[str, Translate] = {
    "backend": _backend,
    "dtype": _dtype,
    "torch_dtype": _dtype,
    "peft": _peft,
    "parallelize": _parallelize,
    "autogptq": _gptq,
    "gptqmodel": _gptq,
    **{
        name: _quantization(name)
        for name in (
            "load_in_8bit",
            "load_in_4bit",
            "bnb_4bit_compute_dtype",
            "bnb_4bit_quant_type",
            "bnb_4bit_use_double_quant",
        )
    },
    "device": _device,
    **dict.fromkeys(("batch_size", "max_batch_size", "logits_cache", "low_cpu_mem_usage"), _nothing),
}
