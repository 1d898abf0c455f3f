"""Loading a causal model with transformers: number format, device, and that every weight came from the files."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

from models.properties import model_config, resolve_dtype, resolve_max_length
from pipeline.config import EngineSettings
from pipeline.errors import EngineError, MissingPackageError, ModelError

_POSITION_TABLES = re.compile(r"(^|\.)(wpe|embed_positions|position_embeddings)$")


def resolve_device(setting: str) -> str:
    """The device's name; `auto` is CUDA where there is one. Raises ModelError for one that is not there."""
    import torch

    if setting == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if setting.startswith("cuda") and not torch.cuda.is_available():
        raise ModelError(f"device: {setting}, and torch finds no CUDA here", fix="Use device: auto or cpu.")
    return setting


def load_causal_model(folder: Path, settings: EngineSettings) -> Any:
    """The model of `folder`, ready to answer. Raises ModelError for files that are not such a model."""
    try:
        import torch
        import transformers
        from safetensors import SafetensorError
    except ImportError as error:
        raise MissingPackageError("transformers", "backend: hf", "torch transformers") from error
    library: Any = transformers  # whose annotations do not tell of output_loading_info
    library.utils.logging.disable_progress_bar()  # progress is this pipeline's own
    config = model_config(folder)
    try:
        model, report = library.AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=getattr(torch, resolve_dtype(settings.dtype, config)),
            trust_remote_code=settings.trust_remote_code,
            local_files_only=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        raise _load_error(folder, error) from error
    _check_complete(folder, report)
    _check_positions(folder, model, resolve_max_length(settings.max_length, config))
    try:
        return model.to(resolve_device(settings.device)).eval().requires_grad_(False)
    except RuntimeError as error:
        raise EngineError(f"the model does not fit on {settings.device}: {error}", where=str(folder)) from error


def _load_error(folder: Path, error: Exception) -> ModelError:
    text = str(error)
    fix = "Check that the folder holds a causal language model, and that its files are whole."
    if "trust_remote_code" in text:
        fix = "The model comes with Python code of its own: set trust_remote_code: true under engine if you trust it."
    return ModelError(f"the model cannot be loaded: {text.strip().splitlines()[0]}", where=str(folder), fix=fix)


def _check_complete(folder: Path, report: dict[str, Any]) -> None:
    missing = sorted(report.get("missing_keys", ()))
    if missing:
        raise ModelError(
            f"the weights lack {len(missing)} of the model's tensors, which would be random: {', '.join(missing[:3])}",
            where=str(folder),
            fix="The files are incomplete, or this is no causal language model.",
        )
    extra = sorted(report.get("unexpected_keys", ()))
    if extra:
        logging.getLogger(__name__).info("%s: %d tensors are not used: %s", folder, len(extra), ", ".join(extra[:3]))


def _check_positions(folder: Path, model: Any, max_length: int) -> None:
    """Learned positions end where their table ends; rotary ones go on."""
    for name, module in model.named_modules():
        rows = getattr(module, "num_embeddings", None)
        if rows is not None and _POSITION_TABLES.search(name) and rows < max_length:
            raise ModelError(
                f"max_length is {max_length}, and the model has positions for {rows} tokens alone",
                where=str(folder),
                fix=f"Set max_length: {rows} under engine.",
            )
