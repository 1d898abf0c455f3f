"""The effective generation settings of a request: several sources, weakest first, under one set of names."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from pipeline.errors import InputError
from pipeline.requests import GenerationSettings

# Names that mean the same in transformers, vLLM, OpenAI's API or lm-evaluation-harness.
_SYNONYMS = {
    "max_new_tokens": "max_gen_toks",
    "max_tokens": "max_gen_toks",
    "max_completion_tokens": "max_gen_toks",
    "stop": "until",
    "stop_sequences": "until",
}
_FIELDS = {field.name for field in msgspec.structs.fields(GenerationSettings)}


Sources = Sequence[tuple[str, Mapping[str, Any]]]
Where = Callable[[str, str], str]  # the place of a setting, from its source and name


def effective_generation(sources: Sources, where: Where = lambda source, name: source) -> GenerationSettings:
    """The settings of `sources`, each named, the later winning. Raises InputError for an unknown name or value."""
    merged: dict[str, Any] = {}
    for source, settings in sources:
        normal = _normal(settings, partial(where, source))
        do_sample = normal.pop("do_sample", None)
        merged |= normal
        if do_sample is False:
            merged["temperature"] = 0.0
        elif do_sample and not merged.get("temperature"):
            merged["temperature"] = 1.0
    return msgspec.convert(merged, GenerationSettings, strict=False)


def _normal(settings: Mapping[str, Any], where: Callable[[str], str]) -> dict[str, Any]:
    """One source's settings under their common names."""
    normal: dict[str, Any] = {}
    for name, value in settings.items():
        known = _SYNONYMS.get(name, name)
        if known not in _FIELDS and known != "do_sample":
            near = difflib.get_close_matches(name, [*_FIELDS, "do_sample", *_SYNONYMS], 1)
            hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(sorted(_FIELDS))}"
            raise InputError(f"there is no generation setting {name!r}", where=where(name), fix=hint)
        if known == "until":
            value = [value] if isinstance(value, str) else list(value or [])
        if known in _FIELDS:
            _check(name, known, value, where)
        normal[known] = value
    return normal


def _check(name: str, known: str, value: Any, where: Callable[[str], str]) -> None:
    try:
        settings = msgspec.convert({known: value}, GenerationSettings, strict=False)
    except msgspec.ValidationError as error:
        wanted = str(error).partition(" - at")[0]
        raise InputError(f"the generation setting {name} is {value!r}: {wanted}", where=where(name)) from error
    bounds = {
        "max_gen_toks": settings.max_gen_toks >= 1,
        "temperature": settings.temperature >= 0,
        "top_p": 0 < settings.top_p <= 1,
        "top_k": settings.top_k >= 0,
        "min_p": 0 <= settings.min_p <= 1,
        "repetition_penalty": settings.repetition_penalty > 0,
    }
    if not bounds.get(known, True):
        raise InputError(f"the generation setting {name} is out of range: {value}", where=where(name))
