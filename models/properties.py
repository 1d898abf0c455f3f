"""What a model's files say about how it runs: number format, longest sequence, end ids, generation defaults.

Read from JSON alone, without torch: these values stand in keys and in `check --plan`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from models.chat_templates import chat_templates
from models.json_files import read_json
from pipeline.errors import ModelError

Architecture = Literal["causal", "seq2seq"]

DEFAULT_MAX_LENGTH = 2048
_LENGTH_FIELDS = ("n_positions", "max_position_embeddings", "n_ctx", "max_seq_len", "max_sequence_length", "seq_length")
_DTYPES = frozenset({"float32", "bfloat16", "float16"})
# Fields of generation_config.json that this project follows under the same names.
_FOLLOWED = ("repetition_penalty", "temperature", "top_k", "top_p", "min_p")
# What transformers draws from where neither the model nor the call says anything.
_TRANSFORMERS_TOP_K = 50
# Fields of generation_config.json that would change a text and that this project does not follow, with neutral values.
_NOT_FOLLOWED: Mapping[str, Any] = {
    "num_beams": 1,
    "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0,
    "encoder_repetition_penalty": 1.0,
    "typical_p": 1.0,
    "epsilon_cutoff": 0.0,
    "eta_cutoff": 0.0,
    "penalty_alpha": 0.0,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
    "bad_words_ids": None,
    "sequence_bias": None,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    "min_length": 0,
    "min_new_tokens": 0,
    "exponential_decay_length_penalty": None,
    "top_h": None,
    "guidance_scale": 1.0,
    "watermarking_config": None,
    "token_healing": False,
    "stop_strings": None,
}


def model_config(folder: Path) -> dict[str, Any]:
    """The content of config.json. Raises ModelError where it is missing or broken."""
    return read_json(folder / "config.json", what="model")


def _text_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    nested = config.get("text_config")
    return nested if isinstance(nested, Mapping) else config


def resolve_architecture(setting: Literal["auto", "causal", "seq2seq"], config: Mapping[str, Any]) -> Architecture:
    """Whether the model continues a text or has an encoder for it: the setting, else what the config says."""
    if setting != "auto":
        return setting
    return "seq2seq" if config.get("is_encoder_decoder") is True else "causal"


def decoder_start_id(folder: Path) -> int:
    """The token that the decoder of a sequence-to-sequence model starts from. Raises ModelError where none is named."""
    for name in ("generation_config.json", "config.json"):
        named = read_json(folder / name, what="model") if (folder / name).exists() else {}
        if isinstance(named.get("decoder_start_token_id"), int):
            return int(named["decoder_start_token_id"])
    raise ModelError(
        "the model's files do not name the token that its decoder starts from (decoder_start_token_id)",
        where=str(folder),
        fix="Add it to config.json; T5 uses its padding token.",
    )


def resolve_dtype(setting: str, config: Mapping[str, Any]) -> str:
    """The number format of the weights: the setting, or for `auto` what the checkpoint was saved in, else float32."""
    if setting != "auto":
        return setting
    for source in (_text_config(config), config):
        named = source.get("dtype") or source.get("torch_dtype")
        if isinstance(named, str) and named.removeprefix("torch.") in _DTYPES:
            return named.removeprefix("torch.")
    return "float32"


def resolve_max_length(setting: int | None, config: Mapping[str, Any]) -> int:
    """The longest sequence in tokens: the setting, else what the config says, else 2048."""
    if setting is not None:
        return setting
    source = _text_config(config)
    for name in _LENGTH_FIELDS:
        value = source.get(name)
        if isinstance(value, int) and value > 0:
            return value
    return DEFAULT_MAX_LENGTH


def has_chat_template(folder: Path) -> bool:
    """Whether a chat template comes with the tokenizer in `folder`."""
    return bool(chat_templates(folder))


def end_ids(folder: Path) -> tuple[int, ...]:
    """The end-of-sequence ids that the model's own files name, generation_config.json before config.json."""
    for name in ("generation_config.json", "config.json"):
        if (folder / name).exists():
            named = read_json(folder / name, what="model").get("eos_token_id")
            if isinstance(named, int):
                return (named,)
            if named:
                return tuple(named)
    return ()


def generation_defaults(folder: Path) -> dict[str, Any]:
    """What the model's files say about decoding, for `use_model_generation_config`, as generation settings.

    As transformers reads it for a call that says by itself whether it samples: generation_config.json, or config.json
    where there is none, over transformers' own `top_k: 50`. `do_sample` is always off: a file that asks for sampling
    does not make the run sample, in lm_eval neither. Raises ModelError where a file asks for something that the
    engine does not do: following the rest of it would be neither the model's configuration nor the run's.
    """
    path = folder / "generation_config.json"
    path = path if path.exists() else folder / "config.json"
    content = read_json(path, what="model") if path.exists() else {}
    for name, neutral in _NOT_FOLLOWED.items():
        value = content.get(name)
        if value is not None and value != neutral and value != []:
            raise ModelError(
                f"{path.name} sets {name}: {value}, which this engine does not follow",
                where=str(path),
                fix="Leave use_model_generation_config off, or remove the field.",
            )
    named = {name: content[name] for name in _FOLLOWED if content.get(name) is not None}
    return {"do_sample": False, "top_k": _TRANSFORMERS_TOP_K, **named}
