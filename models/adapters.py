"""Whether a LoRA fits its base, by the files alone: kind, rank, tensor shapes, tokenizer. Loads nothing.

What can be seen on the loaded model alone (that it is alive, that the base stays what it was) is `hf_adapters.py`.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from models.identity import adapter_config, adapter_weights, tokenizer_fingerprint
from models.properties import Architecture, model_config, resolve_architecture
from pipeline.errors import AdapterError

Shapes = Mapping[str, tuple[int, ...]]

_LORA_TENSOR = re.compile(
    r"^base_model\.model\.(?P<module>.+?)\.lora_(?P<embedding>embedding_)?(?P<side>[AB])(?:\.weight)?$"
)
_PREFIX = "base_model.model."
_TASK_TYPES: Mapping[Architecture, str] = {"causal": "CAUSAL_LM", "seq2seq": "SEQ_2_SEQ_LM"}


def check_adapter(folder: Path, base_folder: Path, architecture: Architecture | None = None) -> None:
    """Check what the files tell; `architecture` is by default what the base's config says.

    Raises AdapterError for an adapter that is no LoRA or does not fit the base.
    """
    config = adapter_config(folder)
    _check_kind(folder, config, architecture or resolve_architecture("auto", model_config(base_folder)))
    weights = adapter_weights(folder)
    if weights.suffix != ".safetensors" or "quantization_config" in model_config(base_folder):
        return  # shapes stand in no header, or are not those of the layers; they are checked after loading
    adapter = safetensors_shapes(weights)
    check_ranks(folder, config, adapter)
    base: dict[str, tuple[int, ...]] = {}
    for file in sorted(base_folder.glob("*.safetensors")):
        base |= safetensors_shapes(file)
    if base:
        check_shapes(folder, adapter, base)


def adapter_note(folder: Path, base: str) -> str | None:
    """A remark where the adapter names another base than `base`: paths differ between machines, so no error."""
    named = adapter_config(folder).get("base_model_name_or_path")
    if not named or Path(str(named)).name == Path(base).name:
        return None
    return f"{folder} was trained on {named}, by its adapter_config.json; it is used on {base}, whose shapes fit"


def _check_kind(folder: Path, config: Mapping[str, Any], architecture: Architecture) -> None:
    kind = config.get("peft_type")
    if kind != "LORA":
        raise AdapterError(
            f"the adapter is of the kind {kind}, and only LORA is supported",
            where=str(folder),
            fix="Merge it into its base and evaluate it as a model of its own.",
        )
    task = config.get("task_type")
    if task not in (None, _TASK_TYPES[architecture]):
        raise AdapterError(
            f"the adapter was trained for {task}, and the base answers as {_TASK_TYPES[architecture]}",
            where=str(folder),
        )
    if config.get("bias", "none") != "none":
        raise AdapterError(
            f"the adapter trains bias terms (bias: {config['bias']}), which PEFT writes into the base",
            where=str(folder),
            fix="Merge it into its base and evaluate it as a model of its own.",
        )
    if not isinstance(config.get("r"), int) or config["r"] < 1:
        raise AdapterError("adapter_config.json names no rank (r)", where=str(folder))


def safetensors_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor by the file's header. Raises AdapterError for a file that is cut short."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            size = path.stat().st_size
            header = json.loads(file.read(length)) if length < size else None
    except (OSError, struct.error, ValueError):
        header = None
    entries = {name: entry for name, entry in (header or {}).items() if name != "__metadata__"}
    if header is None or 8 + length + max((entry["data_offsets"][1] for entry in entries.values()), default=0) > size:
        raise AdapterError(
            f"{path.name} is broken or cut short",
            where=str(path.parent),
            fix="Is it still being written? Copy it again.",
        )
    return {name: tuple(entry["shape"]) for name, entry in entries.items()}


def lora_modules(names: Iterator[str] | Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Module name -> {"A": tensor name, "B": tensor name} of an adapter's LoRA tensors."""
    modules: dict[str, dict[str, str]] = {}
    for name in names:
        match = _LORA_TENSOR.match(name)
        if match:
            side = match["side"].lower() if match["embedding"] else match["side"]
            modules.setdefault(match["module"], {})[side] = name
    return modules


def check_ranks(folder: Path, config: Mapping[str, Any], adapter: Shapes) -> None:
    """Every LoRA pair is whole and has the rank that the configuration names for it."""
    modules = lora_modules(adapter)
    if not modules:
        raise AdapterError("the adapter's weights hold no LoRA tensors", where=str(folder))
    ranks = {int(config["r"]), *(int(rank) for rank in (config.get("rank_pattern") or {}).values())}
    for module, sides in modules.items():
        if sorted(sides) not in (["A", "B"], ["a", "b"]):
            raise AdapterError(f"the adapter lacks one of the two LoRA matrices of {module}", where=str(folder))
        rank = adapter[sides.get("A") or sides["a"]][0]
        if rank not in ranks:
            raise AdapterError(
                f"{module} has rank {rank}, and adapter_config.json says r: {config['r']}",
                where=str(folder),
                fix="Weights and configuration come from two different trainings; copy both again.",
            )


def check_shapes(folder: Path, adapter: Shapes, base: Shapes) -> None:
    """The adapter's matrices fit the base's. Raises AdapterError for an adapter of another base."""
    modules = lora_modules(adapter)
    found = 0
    for module, sides in modules.items():
        weight = _find(f"{module}.weight", base)
        if weight is None:
            continue
        found += 1
        ours = _dimensions(adapter, sides)
        if ours not in (weight, weight[::-1]):  # GPT-2 keeps its matrices transposed
            raise _other_base(folder, f"its {module} is {_times(ours)}, the base's is {_times(weight)}")
    if not found:
        raise _other_base(folder, f"the base has no {next(iter(modules))}")
    for name, shape in adapter.items():
        saved = None if ".lora_" in name else _find(name.removeprefix(_PREFIX), base)
        if saved is not None and saved != shape:
            raise _other_base(
                folder, f"its {name.removeprefix(_PREFIX)} is {_times(shape)}, the base's {_times(saved)}"
            )


def _dimensions(adapter: Shapes, sides: Mapping[str, str]) -> tuple[int, ...]:
    """What the product of a module's pair can be added to: [out, in], of embeddings [dimension, vocabulary]."""
    a, b = (adapter[sides.get(side) or sides[side.lower()]] for side in ("A", "B"))
    return (b[0], a[1])


def _find(name: str, base: Shapes) -> tuple[int, ...] | None:
    """The base's tensor of that name; a base saved without its head has no outermost prefix."""
    while name:
        if name in base:
            return base[name]
        head, _, name = name.partition(".")
        if head.isdigit():
            return None
    return None


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _other_base(folder: Path, what: str) -> AdapterError:
    return AdapterError(
        f"the adapter belongs to another base: {what}",
        where=str(folder),
        fix="Give the base that it was trained on as the model (base_model_name_or_path in adapter_config.json).",
    )


def adapter_tokenizer(folder: Path, base_folder: Path, choice: Literal["base", "adapter"] | None) -> Path:
    """The folder whose tokenizer and template count for the adapter's requests.

    Raises AdapterError where the adapter carries others than the base's and nobody has chosen.
    """
    own = tokenizer_fingerprint(folder)
    if own is None or own == tokenizer_fingerprint(base_folder):
        return base_folder
    if choice is None:
        raise AdapterError(
            "the adapter's folder carries a tokenizer or chat template that differs from the base's",
            where=str(folder),
            fix=f"Choose one under adapters:  - {{path: {folder}, tokenizer: base}}  (or tokenizer: adapter)",
        )
    return folder if choice == "adapter" else base_folder
