"""What exactly answers: the content of weights, adapters and tokenizers as values that keys and lock files hold.

No torch and no transformers here: planning and `status` read identities without loading anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from models.chat_templates import DEFAULT, chat_templates, chosen_template, template_file_text
from models.json_files import read_json
from models.locate import hub_commit
from pipeline.errors import AdapterError, ModelError
from pipeline.fingerprint import FileHashes, digest, text_digest

_WEIGHT_PATTERNS = ("*.safetensors", "pytorch_model*.bin", "*.gguf", "*.safetensors.index.json", "*.bin.index.json")
_UNNAMED_CONFIG_FIELDS = frozenset({"_name_or_path", "transformers_version"})
# Where the adapter came from and how it was trained: none of it changes what the adapter computes.
_UNNAMED_ADAPTER_FIELDS = frozenset(
    {"base_model_name_or_path", "revision", "inference_mode", "auto_mapping", "peft_version", "lora_dropout"}
)
_UNNAMED_TOKENIZER_FIELDS = frozenset(
    {
        "_commit_hash",
        "auto_map",
        "backend",
        "chat_template",
        "is_local",
        "local_files_only",
        "model_max_length",
        "name_or_path",
        "padding_side",
        "processor_class",
        "special_tokens_map_file",
        "tokenizer_file",
        "truncation_side",
    }
)
_ADAPTER_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")


@dataclass(frozen=True)
class ModelIdentity:
    """What a model's weights are: a hub commit or the content of a folder, and the adapter's content if there is one.

    `as_dict` goes into keys and lock files; two models with equal values compute the same.
    """

    base: Mapping[str, Any]
    adapter: Mapping[str, Any] | None = field(default=None)

    def as_dict(self) -> dict[str, Any]:
        plain: dict[str, Any] = {"base": dict(self.base)}
        if self.adapter is not None:
            plain["adapter"] = dict(self.adapter)
        return plain

    def with_adapter(self, folder: Path, hashes: FileHashes) -> ModelIdentity:
        """The same base with the LoRA in `folder`."""
        return replace(self, adapter=adapter_identity(folder, hashes))


def model_identity(
    folder: Path, hashes: FileHashes, *, whole_generation_config: bool = False, delta: Path | None = None
) -> ModelIdentity:
    """The identity of the base model in `folder`: its hub commit for a hub snapshot, else its content.

    `whole_generation_config`: penalties and sampling of generation_config.json count too, not its end ids alone.
    `delta`: the folder of weights that are added to the base's. Raises ModelError where a folder holds no model.
    """
    base = _content(folder, hashes, whole_generation_config)
    if delta is not None:
        base["delta"] = _content(delta, hashes, False)
    return ModelIdentity(base)


def _content(folder: Path, hashes: FileHashes, whole_generation_config: bool) -> dict[str, Any]:
    commit = hub_commit(folder)
    if commit is not None:
        return {"commit": commit}
    weights = model_weights(folder)
    config = read_json(folder / "config.json", what="model")
    base: dict[str, Any] = {
        "weights": {path.name: hashes(path) for path in weights},
        "config": digest({name: value for name, value in config.items() if name not in _UNNAMED_CONFIG_FIELDS}),
    }
    code = {path.name: hashes(path) for path in sorted(folder.glob("*.py"))}
    if code:
        base["code"] = code
    generation = _generation_part(folder, whole_generation_config)
    if generation:
        base["generation_config"] = digest(generation)
    return base


def model_weights(folder: Path) -> list[Path]:
    """The weight files of the model in `folder`, sorted. Raises ModelError where there are none."""
    weights = sorted({path for pattern in _WEIGHT_PATTERNS for path in folder.glob(pattern)})
    weights = [path for path in weights if path.name not in _ADAPTER_WEIGHTS]
    if not weights:
        raise ModelError("the model folder has no weights", where=str(folder), fix=_what_a_model_has(folder))
    return weights


def _what_a_model_has(folder: Path) -> str:
    if (folder / "adapter_config.json").exists():
        return "It holds a LoRA adapter: name its base as the model and this folder under adapters."
    return "A model folder has config.json and *.safetensors (or pytorch_model*.bin)."


def _generation_part(folder: Path, whole: bool) -> dict[str, Any]:
    path = folder / "generation_config.json"
    if not path.exists():
        return {}
    content = read_json(path, what="model")
    if whole:
        return {name: value for name, value in content.items() if name not in _UNNAMED_CONFIG_FIELDS}
    return {name: content[name] for name in ("eos_token_id", "pad_token_id") if content.get(name) is not None}


def adapter_weights(folder: Path) -> Path:
    """The weight file of the LoRA in `folder`. Raises AdapterError where there is none."""
    for name in _ADAPTER_WEIGHTS:
        if (folder / name).exists():
            return folder / name
    raise AdapterError(
        "the adapter folder has no adapter_model.safetensors",
        where=str(folder),
        fix="Wait until the trainer has finished writing the checkpoint, or correct the path under adapters.",
    )


def adapter_config(folder: Path) -> dict[str, Any]:
    """The content of adapter_config.json. Raises AdapterError where it is missing or broken."""
    if not folder.is_dir():
        raise AdapterError("there is no such adapter folder", where=str(folder), fix="Correct the path under adapters.")
    if not (folder / "adapter_config.json").exists():
        whole = (folder / "config.json").exists()
        fix = (
            "It looks like a whole model: give it as the model of a run of its own."
            if whole
            else "An adapter folder as PEFT writes it has adapter_config.json and adapter_model.safetensors."
        )
        raise AdapterError("the folder is no adapter: it has no adapter_config.json", where=str(folder), fix=fix)
    try:
        return read_json(folder / "adapter_config.json", what="adapter")
    except ModelError as error:
        raise AdapterError(error.what, where=error.where, fix=error.fix) from error


def adapter_identity(folder: Path, hashes: FileHashes) -> dict[str, Any]:
    """The content of a LoRA: its weights' hash and its configuration's, never optimizer or trainer state."""
    config = adapter_config(folder)
    counting = {name: value for name, value in config.items() if name not in _UNNAMED_ADAPTER_FIELDS}
    if isinstance(counting.get("target_modules"), list):  # PEFT writes a set, in an order that varies
        counting["target_modules"] = sorted(counting["target_modules"])
    return {"weights": hashes(adapter_weights(folder)), "config": digest(counting)}


def tokenizer_fingerprint(
    folder: Path, chat_template_file: Path | None = None, template_name: str | None = None
) -> str | None:
    """The hash of everything that decides how `folder`'s tokenizer turns requests into tokens, template included.

    Equal for the same tokenizer saved twice: padding, truncation and names do not count. None where the folder
    holds no tokenizer. `chat_template_file` takes the place of the tokenizer's own template; of several templates the
    one called `template_name` counts alone. Raises ModelError where none is called so.
    """
    config_path = folder / "tokenizer_config.json"
    config = read_json(config_path, what="tokenizer") if config_path.exists() else {}
    vocabulary = _vocabulary(folder)
    if not vocabulary and chat_template_file is None:
        return None
    counting = {name: value for name, value in config.items() if name not in _UNNAMED_TOKENIZER_FIELDS}
    if isinstance(counting.get("tokenizer_class"), str):  # the two names of one tokenizer, by transformers' version
        counting["tokenizer_class"] = counting["tokenizer_class"].removesuffix("Fast")
    parts: dict[str, Any] = {
        "vocabulary": vocabulary,
        "config": counting,
        "template": _template(folder, chat_template_file, template_name),
    }
    for name in ("special_tokens_map.json", "added_tokens.json"):
        if (folder / name).exists():
            parts[name] = read_json(folder / name, what="tokenizer")
    return digest(parts)


def _template(folder: Path, file: Path | None, name: str | None) -> Any:
    if file is not None:
        return template_file_text(file)
    if name is not None:
        return chosen_template(folder, name)
    templates = chat_templates(folder)
    if not templates:
        return None
    return templates[DEFAULT] if set(templates) == {DEFAULT} else templates


def _vocabulary(folder: Path) -> dict[str, str]:
    path = folder / "tokenizer.json"
    if path.exists():
        content = read_json(path, what="tokenizer")
        return {path.name: digest({name: content[name] for name in content if name not in ("padding", "truncation")})}
    patterns = ("vocab*", "merges*", "*.model", "*.spm", "*.tiktoken", "*.bpe", "*.codes", "tokenization*.py")
    files = sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})
    return {path.name: text_digest(path.read_bytes()) for path in files}
