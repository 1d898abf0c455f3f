"""The effective generation settings of a request: several sources, weakest first, under one set of names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from pipeline.errors import InputError
from pipeline.near import did_you_mean
from pipeline.requests import GenerationSettings

# Names that mean the same in transformers, vLLM, OpenAI's API or lm-evaluation-harness.
_SYNONYMS = {
    "max_new_tokens": "max_gen_toks",
    "max_tokens": "max_gen_toks",
    "max_completion_tokens": "max_gen_toks",
    "stop": "until",
    "stop_sequences": "until",
}
_SAMPLING = ("temperature", "top_k", "top_p", "min_p")
# Settings of beam search and their only value here, at which they say nothing.
_ALWAYS: Mapping[str, Any] = {"num_beams": 1}
_FIELDS = {field.name for field in msgspec.structs.fields(GenerationSettings)}


Sources = Sequence[tuple[str, Mapping[str, Any]]]
Where = Callable[[str, str], str]  # the place of a setting, from its source and name


def effective_generation(sources: Sources, where: Where = lambda source, name: source) -> GenerationSettings:
    """The settings of `sources`, each named, the later winning. Raises InputError for an unknown name or value.

    A source says whether to sample by `do_sample`, or else by its temperature. Of a temperature that is not used
    a later `do_sample: true` makes use. Greedy settings have neutral `top_k`, `top_p` and `min_p`: they decide nothing.
    """
    merged: dict[str, Any] = {}
    samples = False
    for source, settings in sources:
        normal = _normal(settings, partial(where, source))
        if "temperature" in normal:
            samples = normal["temperature"] > 0
        samples = normal.pop("do_sample", samples)
        merged |= normal
    if samples:
        return GenerationSettings(**{**merged, "temperature": merged.get("temperature") or 1.0})
    kept = {name: value for name, value in merged.items() if name not in _SAMPLING}
    return GenerationSettings(**kept)


def _normal(settings: Mapping[str, Any], where: Callable[[str], str]) -> dict[str, Any]:
    """One source's settings under their common names, each of its type."""
    normal: dict[str, Any] = {}
    for name, value in settings.items():
        known = _SYNONYMS.get(name, name)
        if known in _FIELDS:
            normal[known] = _checked(name, known, value, where)
        elif known == "do_sample":
            if not isinstance(value, bool | None):
                raise InputError(f"the generation setting do_sample is {value!r}: true or false", where=where(name))
            normal |= {} if value is None else {known: value}
        elif name not in _ALWAYS:
            others = f"Known: {', '.join(sorted(_FIELDS))}"
            fix = did_you_mean(name, [*_FIELDS, "do_sample", *_SYNONYMS], others)
            raise InputError(f"there is no generation setting {name!r}", where=where(name), fix=fix)
        elif value != _ALWAYS[name]:
            raise InputError(
                f"the generation setting {name!r} is {value}: there is no beam search",
                where=where(name),
                fix="Leave it out; the answers are then greedy, or samples.",
            )
    return normal


def _checked(name: str, known: str, value: Any, where: Callable[[str], str]) -> Any:
    if known == "until":
        value = [value] if isinstance(value, str) else list(value or [])
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
    return getattr(settings, known)
