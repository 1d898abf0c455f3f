"""How many parameters a model has, by the headers of its weight files; nothing is loaded."""

from __future__ import annotations

import math
from pathlib import Path

from models.adapters import safetensors_shapes
from models.identity import adapter_weights, model_weights
from pipeline.errors import InputError

UNKNOWN = -1


def parameter_count(folder: Path, adapter: Path | None = None) -> int:
    """The numbers in the weights of the model in `folder` and of the LoRA in `adapter`; tensors that share their
    memory stand in the files once. -1 where the weights are not safetensors, or are not there."""
    try:
        files = [path for path in model_weights(folder) if not path.name.endswith(".json")]
        if adapter is not None:
            files.append(adapter_weights(adapter))
        if any(path.suffix != ".safetensors" for path in files):
            return UNKNOWN
        return sum(math.prod(shape) for path in files for shape in safetensors_shapes(path).values())
    except InputError:
        return UNKNOWN
