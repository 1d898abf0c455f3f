"""How a reward model's folder says that it is to be used: `reward_config.json`, and which kind of head it has.

JSON alone, without torch: what is found here stands in step 3's settings before any model is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from models.json_files import read_json
from models.properties import model_config
from pipeline.errors import ModelError

Head = Literal["classification", "value", "custom"]
HEADS: tuple[Head, ...] = ("classification", "value", "custom")
CONFIG = "reward_config.json"
HEAD_FILES = ("value_head.safetensors", "value_head.bin")
# What a folder's reward_config.json may say: settings of the model, then arguments of the metric.
MODEL_KEYS = frozenset(
    {"head", "sigmoid", "model_class", "output", "special_tokens", "eos", "chat", "max_length", "dtype"}
)
METRIC_KEYS = frozenset({"template", "scale", "chat"})


def reward_config(model: Path, adapter: Path | None = None) -> dict[str, Any]:
    """The content of `reward_config.json`, the adapter's over the model's; empty where neither has one.

    Raises ModelError for a key that it cannot hold.
    """
    found: dict[str, Any] = {}
    for folder in (model, *([adapter] if adapter else [])):
        if not (folder / CONFIG).exists():
            continue
        content = read_json(folder / CONFIG, what="reward model")
        unknown = sorted(set(content) - MODEL_KEYS - METRIC_KEYS)
        if unknown:
            raise ModelError(
                f"{CONFIG} has no key {unknown[0]!r}",
                where=str(folder / CONFIG),
                fix=f"There are {', '.join(sorted(MODEL_KEYS | METRIC_KEYS))}.",
            )
        found |= content
    return found


def resolve_head(setting: str, folder: Path, adapter: Path | None) -> Head:
    """Which kind of head the model has: the setting, or for `auto` what the files show.

    A value head's own file (TRL, LLaMA-Factory) goes before the class that config.json names; a class of
    transformers with one label is a classification head; a class that the folder's own code defines is custom.
    Raises ModelError where nothing tells.
    """
    for known in HEADS:
        if setting == known:
            return known
    if setting != "auto":
        raise ModelError(f"no head is {setting!r}", fix=f"There are auto, {', '.join(HEADS)}.")
    if any((place / name).exists() for place in (folder, adapter) if place for name in HEAD_FILES):
        return "value"
    config = model_config(folder)
    names = [str(name) for name in config.get("architectures") or ()]
    if config.get("auto_map"):
        return "custom"
    if adapter is not None or any(name.endswith("ForSequenceClassification") for name in names):
        return "classification"
    if any(name.endswith(("ForCausalLM", "LMHeadModel", "WithValueHead")) for name in names):
        return "value"
    raise ModelError(
        f"config.json does not tell what kind of reward model this is (architectures: {', '.join(names) or 'none'})",
        where=str(folder),
        fix=f"Set head: {', '.join(HEADS[:-1])} or {HEADS[-1]} for the metric, or in {CONFIG}.",
    )


def custom_class(config: Mapping[str, Any], setting: str | None, folder: Path) -> str:
    """`module.Class` of a model with code of its own: the setting, else the class of `architectures`.

    The class is looked for in the modules that `auto_map` names, first in that of the models. Raises ModelError.
    """
    if setting is not None:
        return setting
    mapped = {str(key): str(value) for key, value in (config.get("auto_map") or {}).items() if isinstance(value, str)}
    modules = [value.rpartition(".")[0] for key, value in mapped.items() if key.startswith("AutoModel")]
    names = config.get("architectures") or ()
    if modules and names:
        return f"{modules[0]}.{names[0]}"
    raise ModelError(
        "config.json does not name the model's class (architectures and auto_map)",
        where=str(folder),
        fix="Name it for the metric: model_class: <module>.<class>, a class of a Python file in the folder.",
    )
