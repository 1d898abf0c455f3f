"""The packages that an engine's settings need: asked for by name before anything is loaded, and named in lock files."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

from pipeline.config import EngineSettings
from pipeline.errors import MissingPackageError

# Quantization method -> the modules that transformers needs for it, with the names to install them by.
_QUANTIZATION: Mapping[str, Mapping[str, str]] = {
    "aqlm": {"aqlm": "aqlm[gpu,cpu]", "accelerate": "accelerate"},
    "auto-round": {"auto_round": "auto-round"},
    "awq": {"gptqmodel": "gptqmodel", "accelerate": "accelerate"},
    "bitnet": {"accelerate": "accelerate"},
    "bitsandbytes": {"bitsandbytes": "bitsandbytes", "accelerate": "accelerate"},
    "compressed-tensors": {"compressed_tensors": "compressed-tensors"},
    "eetq": {"kernels": "kernels", "accelerate": "accelerate"},
    "fp8": {"accelerate": "accelerate"},
    "gptq": {"optimum": "optimum", "gptqmodel": "gptqmodel"},
    "hqq": {"hqq": "hqq"},
    "mxfp4": {"accelerate": "accelerate", "kernels": "kernels"},
    "quanto": {"optimum.quanto": "optimum-quanto", "accelerate": "accelerate"},
    "torchao": {"torchao": "torchao"},
    "vptq": {"vptq": "vptq", "accelerate": "accelerate"},
}


def check_packages(settings: EngineSettings, config: Mapping[str, Any]) -> None:
    """Look for what `settings`, and a model saved quantized by its `config`, need. Raises MissingPackageError."""
    if settings.device_map is not None:
        _require("accelerate", "device_map")
    if (settings.attn_implementation or "").startswith("flash_attention") and not _installed("kernels"):
        _require("flash_attn", f"attn_implementation: {settings.attn_implementation}", "flash-attn")
    for method, asker in _methods(settings, config).items():
        for module, package in _QUANTIZATION.get(method, {}).items():
            _require(module, asker, package)
    if settings.quantization is not None:  # the weights are placed while they are quantized
        _require("accelerate", "quantization")


def deciding_packages(settings: EngineSettings, config: Mapping[str, Any]) -> list[str]:
    """The packages whose versions decide the numbers, as they are called where one installs them."""
    named = [package for method in _methods(settings, config) for package in _QUANTIZATION.get(method, {}).values()]
    return ["torch", "transformers", "tokenizers", "peft", *(one.partition("[")[0] for one in named)]


def _methods(settings: EngineSettings, config: Mapping[str, Any]) -> dict[str, str]:
    """The quantization methods in use, each with what asks for it."""
    methods = {}
    if settings.quantization is not None:
        methods[settings.quantization.method] = f"quantization by {settings.quantization.method}"
    saved = config.get("quantization_config")
    if isinstance(saved, Mapping):
        method = str(saved.get("quant_method"))
        methods[method] = f"the model, which is saved quantized by {method},"
    return methods


def _require(module: str, asker: str, package: str = "") -> None:
    if not _installed(module):
        raise MissingPackageError(module, asker, package)


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a submodule of a package that is not there
        return False
