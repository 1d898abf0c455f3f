"""The `quantization` setting as the configuration class of transformers; unknown names are errors there and here."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from typing import Any

from pipeline.config import QuantizationSettings
from pipeline.errors import ModelError
from pipeline.near import did_you_mean


def quantization_config(settings: QuantizationSettings) -> Any:
    """The object that `from_pretrained` takes. Raises ModelError for a method or argument that there is not.

    transformers itself would ignore an unknown argument, and the model would be another than the one asked for.
    """
    from transformers.quantizers.auto import AUTO_QUANTIZATION_CONFIG_MAPPING

    kinds: dict[str, Any] = {
        name.removesuffix("_4bit").removesuffix("_8bit"): kind
        for name, kind in AUTO_QUANTIZATION_CONFIG_MAPPING.items()
    }
    kind = kinds.get(settings.method)
    if kind is None:
        raise ModelError(f"there is no quantization method {settings.method!r}", fix=_near(settings.method, kinds))
    known = [name for name, one in inspect.signature(kind.__init__).parameters.items() if _named(one)]
    for name in settings.arguments:
        if name not in known:
            raise ModelError(f"quantization: {settings.method} has no argument {name!r}", fix=_near(name, known))
    try:
        return kind(**settings.arguments)
    except (TypeError, ValueError) as error:
        raise ModelError(f"quantization: {settings.method} does not take these arguments: {error}") from error


def _named(parameter: inspect.Parameter) -> bool:
    return parameter.name != "self" and parameter.kind is not inspect.Parameter.VAR_KEYWORD


def _near(name: str, known: Collection[str]) -> str:
    return did_you_mean(name, known, f"Known: {', '.join(sorted(known))}")
