"""What is wrong with a file's settings, in sentences: from the schema's verdicts to problems with a place.

Reading the files is `config_load.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pipeline.config import STEP_SETTINGS, Settings, Shared
from pipeline.errors import Problem
from pipeline.near import or_meant
from pipeline.strict_yaml import SettingPath

Where = Callable[[SettingPath], str]

# What was wanted, by the name of pydantic's verdict; braces are filled from the verdict's context.
_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping (`key: value`)",
    "model_type": "a mapping (`key: value`)",
    "literal_error": "{expected}",
    "greater_than": "above {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "below {lt:g}",
    "less_than_equal": "at most {le:g}",
    "too_short": "a list with at least {min_length} in it",
    "none_required": "empty",
}


def explained(error: ValidationError, step: str, data: Mapping[str, Any], where: Where) -> list[Problem]:
    """The faults that the schema of `step` finds in `data`, one a setting, in the order of the schema."""
    faults: dict[SettingPath, list[ErrorDetails]] = {}
    for fault in error.errors(include_url=False):
        faults.setdefault(_place(fault, data), []).append(fault)
    return [Problem(where(path), _sentence(path, group, step, data)) for path, group in faults.items()]


def unknown_key(path: SettingPath, step: str | None) -> str:
    """The sentence for a key that the schema does not have there. `step` is None beside the steps' sections."""
    key = str(path[-1])
    if step is None:
        known = [
            *STEP_SETTINGS,
            *dict.fromkeys(name for model in STEP_SETTINGS.values() for name in model.model_fields),
        ]
        places = _places(key, list(STEP_SETTINGS))
    else:
        model = settings_at(STEP_SETTINGS[step], path[:-1])
        known = list(model.model_fields) if model else []
        places = _places(key, [step]) or _places(key, [other for other in STEP_SETTINGS if other != step])
    said = f"there is no setting `{dotted(path)}`" + (f" in {step}" if step else "")
    if places:
        return f"{said}; `{key}` belongs {' or '.join(places)}"
    return said + or_meant(key, known, f"there are {', '.join(known)}" if known else "")


def dotted(path: SettingPath) -> str:
    """A setting's place as `--set` takes it: `tasks.0.limit`."""
    return ".".join(str(part) for part in path)


def settings_at(model: type[Settings], path: Iterable[str | int]) -> type[Settings] | None:
    """The schema that holds at `path` below `model`; None where none does."""
    current: Any = model
    for part in path:
        if isinstance(part, str):
            found = _settings_in(current)
            field = found.model_fields.get(part) if found else None
            current = field.annotation if field else None
    return _settings_in(current)


def _settings_in(annotation: Any) -> type[Settings] | None:
    """The first schema that a type is made of: of `list[TaskSettings] | None`, TaskSettings."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return annotation
    return next((found for part in get_args(annotation) if (found := _settings_in(part))), None)


def _places(key: str, steps: Sequence[str]) -> list[str]:
    """Where the schemas of `steps` have `key`: in a step, or under a mapping of it."""
    places = []
    for step in steps:
        model = STEP_SETTINGS[step]
        if key in model.model_fields:
            places.append(f"to {step}")
        places += [f"under `{name}` of {step}" for name in model.model_fields if _has(model, name, key)]
    return places


def _has(model: type[Settings], name: str, key: str) -> bool:
    inner = settings_at(model, (name,))
    return inner is not None and key in inner.model_fields


def _place(fault: ErrorDetails, data: Any) -> SettingPath:
    """The setting that a verdict is about: its path, less the branches of a union that pydantic puts behind."""
    if fault["type"] == "missing":
        return fault["loc"]
    place: list[str | int] = []
    for part in fault["loc"]:
        members = dict(enumerate(data)) if isinstance(data, list) else data
        if not isinstance(members, dict) or part not in members:
            break
        data = members[part]
        place.append(part)
    return tuple(place)


def _sentence(path: SettingPath, faults: Sequence[ErrorDetails], step: str, data: Any) -> str:
    fault, name = faults[0], dotted(path)
    match fault["type"]:
        case "missing":
            return _missing(path, step)
        case "extra_forbidden":
            return unknown_key(path, step)
        case "invalid_key":
            return f"the key {_shown(path[-1])} is no text; put it in quotes"
        case "value_error":
            return f"{f'`{name}`' if path else step}: {fault['ctx']['error']}"
    wanted = list(dict.fromkeys(_wanted(each, path, step) for each in faults))
    value = fault["input"]
    if fault["loc"][-1:] == ("[key]",):
        return f"the key {_shown(value)} of `{dotted(path[:-1])}` must be text; put it in quotes"
    return f"`{name}` must be {' or '.join(wanted)}, not {_shown(value)}{_advice(value, faults)}"


def _missing(path: SettingPath, step: str) -> str:
    model = settings_at(STEP_SETTINGS[step], path[:-1])
    field = model.model_fields.get(str(path[-1])) if model else None
    meaning = f" ({field.description.rstrip('.')})" if field and field.description else ""
    of = "" if path[0] in Shared.model_fields else f" in {step}"
    return f"`{dotted(path)}` is missing{of}{meaning}"


def _wanted(fault: ErrorDetails, path: SettingPath, step: str) -> str:
    if fault["type"] == "model_type":
        model = settings_at(STEP_SETTINGS[step], path)
        return ("text or " if model and model.shorthand else "") + _WANTED["model_type"]
    if fault["type"] == "literal_error":
        options = _options(fault)
        return (", ".join(options[:-1]) + " or " if options[1:] else "") + options[-1]
    template = _WANTED.get(fault["type"])
    return template.format(**fault.get("ctx", {})) if template else fault["msg"].removeprefix("Input should be ")


def _options(fault: ErrorDetails) -> list[str]:
    return re.findall(r"'([^']*)'", fault["ctx"]["expected"])


def _advice(value: Any, faults: Sequence[ErrorDetails]) -> str:
    """What to write instead, where that can be told."""
    kinds = {fault["type"] for fault in faults}
    if "string_type" in kinds and isinstance(value, (int, float)):
        return "; put it in quotes"
    if "list_type" in kinds and isinstance(value, str):
        return f"; write [{value}]"
    if value is None:
        return "; give a value, or take the key out"
    if not isinstance(value, str):
        return ""
    if "bool_type" in kinds and value.lower() in {"yes", "on", "y", "no", "off", "n"}:
        return f"; write {'true' if value.lower() in {'yes', 'on', 'y'} else 'false'}"
    if kinds & {"int_type", "float_type"} and re.fullmatch(r"[-+]?[\d_]+(\.\d*)?", value):
        return "; write it as a plain number"
    options = [option for fault in faults if fault["type"] == "literal_error" for option in _options(fault)]
    return or_meant(value, options)


def _shown(value: Any) -> str:
    match value:
        case None:
            return "empty"
        case bool():
            return "true" if value else "false"
        case str():
            return repr(value if len(value) <= 60 else value[:57] + "…")
        case list():
            return "a list" if value else "an empty list"
        case dict():
            return "a mapping"
    return str(value)
