"""JSON files of model, adapter and tokenizer folders, read without torch or transformers; faults name the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from pipeline.errors import ModelError


def read_json(path: Path, *, what: str) -> dict[str, Any]:
    """A JSON file of a `what` folder. Raises ModelError where it is missing or broken."""
    try:
        content = msgspec.json.decode(path.read_bytes())
    except FileNotFoundError as error:
        raise ModelError(f"the {what} folder has no {path.name}", where=str(path.parent)) from error
    except msgspec.DecodeError:
        content = _lenient_json(path, what)
    if not isinstance(content, dict):
        raise ModelError(f"{path.name} of the {what} is no JSON object", where=str(path))
    return content


def _lenient_json(path: Path, what: str) -> Any:
    """JSON as Python writes it: generation and model configurations may hold NaN or Infinity."""
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=str)
    except ValueError as error:
        raise ModelError(
            f"{path.name} of the {what} is broken: {error}", where=str(path), fix="Copy or save it again."
        ) from error
