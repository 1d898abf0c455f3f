"""Loading a model with transformers: architecture, number format, devices; every weight must come from the files."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

from models.properties import model_config, resolve_architecture, resolve_dtype, resolve_max_length
from models.quantization import quantization_config
from pipeline.config import EngineSettings
from pipeline.errors import EngineError, MissingPackageError, ModelError

_POSITION_TABLES = re.compile(r"(^|\.)(wpe|embed_positions|position_embeddings)$")
_KINDS = {"causal": "a causal language model", "seq2seq": "a sequence-to-sequence model"}
_CLASSES = {"causal": "AutoModelForCausalLM", "seq2seq": "AutoModelForSeq2SeqLM"}


def resolve_device(setting: str) -> str:
    """The device's name; `auto` is CUDA where there is one. Raises ModelError for one that is not there."""
    import torch

    if setting == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if setting.startswith("cuda") and not torch.cuda.is_available():
        raise ModelError(f"device: {setting}, and torch finds no CUDA here", fix="Use device: auto or cpu.")
    return setting


def load_model(folder: Path, settings: EngineSettings, delta: Path | None = None) -> Any:
    """The model of `folder`, ready to answer, the weights in `delta` added to its own.

    Raises ModelError for files that are not such a model.
    """
    model, report = _pretrained(folder, folder, settings)
    _check_complete(folder, report, _kind(folder, settings))
    _check_positions(folder, model, resolve_max_length(settings.max_length, model_config(folder)))
    if delta is not None:
        _add_delta(model, delta, _pretrained(delta, folder, settings)[0])
    model = model.eval().requires_grad_(False)
    if settings.device_map is not None or settings.quantization is not None:
        return model  # placed while loading
    try:
        return model.to(resolve_device(settings.device))
    except RuntimeError as error:
        raise EngineError(f"the model does not fit on {settings.device}: {error}", where=str(folder)) from error


def _kind(folder: Path, settings: EngineSettings) -> str:
    return _KINDS[resolve_architecture(settings.architecture, model_config(folder))]


def _pretrained(folder: Path, base: Path, settings: EngineSettings) -> tuple[Any, dict[str, Any]]:
    """The model in `folder`, read as `base` is, and what transformers says about its tensors."""
    try:
        import transformers
        from safetensors import SafetensorError
    except ImportError as error:
        raise MissingPackageError("transformers", "backend: hf", "torch transformers") from error
    library: Any = transformers  # whose annotations do not tell of output_loading_info
    library.utils.logging.disable_progress_bar()  # progress is this pipeline's own
    architecture = resolve_architecture(settings.architecture, model_config(base))
    try:
        model, report = getattr(library, _CLASSES[architecture]).from_pretrained(
            folder,
            trust_remote_code=settings.trust_remote_code,
            local_files_only=True,
            output_loading_info=True,
            **_arguments(base, settings),
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, AttributeError, SafetensorError) as error:
        raise _load_error(folder, error, _KINDS[architecture]) from error
    return model, report


def _arguments(base: Path, settings: EngineSettings) -> dict[str, Any]:
    """Those arguments of `from_pretrained` that settings decide; transformers' defaults stay where nothing is set."""
    import torch

    arguments: dict[str, Any] = {"dtype": getattr(torch, resolve_dtype(settings.dtype, model_config(base)))}
    if settings.attn_implementation is not None:
        arguments["attn_implementation"] = settings.attn_implementation
    if settings.quantization is not None:
        arguments["quantization_config"] = quantization_config(settings.quantization)
        arguments["device_map"] = {"": resolve_device(settings.device)}
    if settings.device_map is not None:
        arguments["device_map"] = settings.device_map
    return arguments


def _load_error(folder: Path, error: Exception, kind: str) -> ModelError:
    text = str(error)
    fix = f"Check that the folder holds {kind}, and that its files are whole."
    if "trust_remote_code" in text:
        fix = "The model comes with Python code of its own: set trust_remote_code: true under engine if you trust it."
    elif "attention" in text.lower() or "attn_implementation" in text:
        fix = "Choose another attn_implementation under engine, or leave it out."
    return ModelError(f"the model cannot be loaded: {text.strip().splitlines()[0]}", where=str(folder), fix=fix)


def _check_complete(folder: Path, report: dict[str, Any], kind: str) -> None:
    missing = sorted(report.get("missing_keys", ()))
    if missing:
        raise ModelError(
            f"the weights lack {len(missing)} of the model's tensors, which would be random: {', '.join(missing[:3])}",
            where=str(folder),
            fix=f"The files are incomplete, or this is not {kind}.",
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


def _add_delta(model: Any, folder: Path, delta: Any) -> None:
    """Add each tensor of `delta` to the model's of the same name; one that two modules share counts once."""
    import torch

    own, added = dict(model.named_parameters()), dict(delta.named_parameters())
    for name, parameter in own.items():
        other = added.get(name)
        if other is None or other.shape != parameter.shape:
            found = "has none" if other is None else f"has {tuple(other.shape)}"
            raise ModelError(
                f"the delta weights belong to another model: for {name} {tuple(parameter.shape)} the delta {found}",
                where=str(folder),
                fix="Give the model that the delta was made from as step1.model.",
            )
        with torch.no_grad():
            parameter += other.to(parameter.device)
