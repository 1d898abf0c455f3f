"""Run files: from YAML and `--set` to the settings of a step, with the place where each setting stands.

A file holds one step's settings at its top level, or several steps' under `step1:` … `step4:` with what they share
beside them; a step's own key wins over a shared one, whole, and `--set` over the whole file. Relative paths in settings
are relative to the current working directory, as on the command line. Environment variables are not expanded.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.config import INHERITED_BY_TASKS, STEP_SETTINGS, Settings, Shared
from pipeline.config_problems import dotted, explained, settings_at, unknown_key
from pipeline.errors import ConfigError, Problem
from pipeline.strict_yaml import Located, SettingPath, parse, read


@dataclass(frozen=True)
class Override:
    """One `--set`: a setting's path, its value, and the text as it was typed."""

    path: SettingPath
    value: Any
    text: str

    @property
    def where(self) -> str:
        return f"--set {self.text}"


@dataclass(frozen=True)
class Origin:
    """Where the settings of one step come from."""

    document: Located
    section: SettingPath  # of the step within the document; empty where the document is the step
    overrides: tuple[Override, ...]

    def where(self, path: SettingPath) -> str:
        """`file:line` of a setting, or the `--set` that gave it; of its nearest parent where it has its default."""
        for override in reversed(self.overrides):
            if path[: len(override.path)] == override.path:
                return override.where
        own = _member(self.document.value, self.section)
        if not path or not self.section or (isinstance(own, dict) and path[0] in own):
            return self.document.where(self.section + path)
        shared = path[0] in self.document.value or path[0] in Shared.model_fields
        return self.document.where(path if shared else self.section)

    def blame(self, path: SettingPath) -> str:
        """As `where`, for a fault at `path`: an override below it has most likely made it."""
        inside = [override for override in self.overrides if override.path[: len(path)] == path]
        return inside[-1].where if path and inside else self.where(path)


@dataclass(frozen=True)
class Loaded:
    """The settings of one step, and where each comes from."""

    settings: Shared
    origin: Origin

    def where(self, *path: str | int) -> str:
        """`file:line` of the setting at `path`, such as `where("tasks", 0)`."""
        return self.origin.where(path)


def load(path: Path, step: str, overrides: Sequence[str] = ()) -> Loaded:
    """The settings of `step` ("step1" … "step4"). Raises ConfigError with all faults, InputError for no file."""
    file = _RunFile(read(path), overrides, step)
    return file.loaded([step])[step]


def load_all(path: Path, overrides: Sequence[str] = (), *, complete: bool = False) -> dict[str, Loaded]:
    """The settings of the steps that the file holds, in order; with `complete`, of all four.

    A step that `complete` adds has its defaults; step 1 has none for what it must be told. Raises as `load`.
    """
    file = _RunFile(read(path), overrides, None)
    return file.loaded(STEP_SETTINGS if complete else file.steps())


def parse_overrides(texts: Sequence[str]) -> list[Override]:
    """`a.b.0=value` as paths and values; values are YAML. Raises ConfigError."""
    overrides, problems = [], []
    for text in texts:
        name, equals, value = text.partition("=")
        parts = name.split(".")
        if not equals or not all(parts):
            problems.append(Problem(f"--set {text}", "write --set KEY=VALUE, such as --set step1.limit=10"))
            continue
        try:
            parsed = parse(value, "").value
        except ConfigError as error:
            problems += [Problem(f"--set {text}", problem.message) for problem in error.problems]
            continue
        path = tuple(int(part) if re.fullmatch(r"\d+", part) else part for part in parts)
        overrides.append(Override(path, parsed, text))
    if problems:
        raise ConfigError(problems)
    return overrides


class _RunFile:
    """One file with the overrides of the command; `only` is the step that the command is about, None for all."""

    def __init__(self, document: Located, overrides: Sequence[str], only: str | None) -> None:
        self._document = document
        self._only = only
        self._top = document.value
        if not isinstance(self._top, dict):
            raise ConfigError([Problem(document.where(), "a run file must hold a mapping of settings (`key: value`)")])
        self._sections = [step for step in STEP_SETTINGS if step in self._top]
        self._overrides = parse_overrides(overrides)
        if not self._sections and only is None:
            self._only = self._inferred()

    def steps(self) -> list[str]:
        """The steps whose settings the file holds."""
        return self._sections or [step for step in STEP_SETTINGS if step == self._only]

    def loaded(self, steps: Iterable[str]) -> dict[str, Loaded]:
        wanted = list(steps)
        problems = self._misplaced(wanted)
        results: dict[str, Loaded] = {}
        for step in wanted:
            origin, data, faults = self._step(step)
            try:
                results[step] = Loaded(STEP_SETTINGS[step].model_validate(data), origin)
            except ValidationError as error:
                faults += explained(error, step, data, origin.blame)
            problems += faults
        if problems:
            raise ConfigError(sorted(dict.fromkeys(problems), key=_line_of))
        return results

    def _step(self, step: str) -> tuple[Origin, dict[Any, Any], list[Problem]]:
        """What is given for `step`: the shared keys, its own, and the overrides, in that order."""
        alone = not self._sections and step == self._only
        shared = self._top if alone else {key: self._top[key] for key in self._top if _knows(step, key)}
        section: SettingPath = (step,) if step in self._sections else ()
        own = self._top.get(step) or {}  # a section with nothing in it has its defaults
        problems: list[Problem] = []
        if not isinstance(own, dict):
            problems.append(Problem(self._document.where(section), f"`{step}` must be a mapping (`key: value`)"))
            own = {}
        data = _copied(shared | own)
        applied: list[Override] = []
        here = [(override, _path_in(override, step, alone)) for override in self._overrides]
        _let_go(data, {path for _, path in here if path is not None})
        for override, path in here:
            if path is None:
                continue
            fault = _assign(data, STEP_SETTINGS[step], path, override.value)
            if fault:
                problems.append(Problem(override.where, fault))
            applied.append(Override(path, override.value, override.text))
        return Origin(self._document, section, tuple(applied)), data, problems

    def _misplaced(self, wanted: Sequence[str]) -> list[Problem]:
        """Shared keys that no step has, and overrides that no wanted step takes."""
        problems: list[Problem] = []
        unknown = [key for key in self._top if key not in STEP_SETTINGS and not _anyone_knows(key)]
        if self._sections:
            problems += [Problem(self._document.where((key,)), unknown_key((key,), None)) for key in unknown]
        for override in self._overrides:
            first = override.path[0]
            if first in STEP_SETTINGS:
                if first not in wanted or not override.path[1:]:
                    problems.append(Problem(override.where, f"this sets nothing in {', '.join(wanted)}"))
            elif self._sections and not _anyone_knows(first):
                problems.append(Problem(override.where, unknown_key((first,), None)))
        return problems

    def _inferred(self) -> str:
        """The step of a file without sections: by the keys that one step alone has, else by the file's name."""
        scores = {step: sum(_alone_knows(step, key) for key in self._top) for step in STEP_SETTINGS}
        best = max(scores.values())
        likely = [step for step, score in scores.items() if score == best]
        if best and len(likely) == 1:
            return likely[0]
        named = re.match(r"step[1-4](?!\d)", Path(self._document.source).name)
        if named:
            return named.group()
        message = "which step these settings are for cannot be told; put them under `step1:` … `step4:`"
        raise ConfigError([Problem(self._document.where(), f"{message}, or name the file step1….yaml … step4….yaml")])


def _line_of(problem: Problem) -> float:
    """Sorts problems as the file is read; those of the command line come last."""
    line = problem.where.rpartition(":")[2]
    return int(line) if line.isdecimal() and not problem.where.startswith("--set ") else math.inf


def _knows(step: str, key: Any) -> bool:
    return key in STEP_SETTINGS[step].model_fields


def _anyone_knows(key: Any) -> bool:
    return any(_knows(step, key) for step in STEP_SETTINGS)


def _alone_knows(step: str, key: Any) -> bool:
    return [other for other in STEP_SETTINGS if _knows(other, key)] == [step]


def _path_in(override: Override, step: str, alone: bool) -> SettingPath | None:
    """The override's path within `step`; None where it is not about that step."""
    first = override.path[0]
    if first == step:
        return override.path[1:] or None
    if first in STEP_SETTINGS:
        return None
    return override.path if alone or _knows(step, first) else None


def _let_go(data: dict[Any, Any], paths: Collection[SettingPath]) -> None:
    """Take out of the task entries what the command line sets for the whole run: it wins over all of the file."""
    entries = data.get("tasks")
    for entry in entries if isinstance(entries, list) else ():
        for name in INHERITED_BY_TASKS:
            if (name,) in paths and isinstance(entry, dict):
                entry.pop(name, None)


def _assign(data: Any, model: type[Settings], path: SettingPath, value: Any) -> str | None:
    """Set `path` below `data`, making mappings on the way; what keeps it from being done, in a sentence."""
    for depth, part in enumerate(path):
        here = dotted(path[:depth])
        if isinstance(data, list) and part not in range(len(data)):
            return f"`{here}` is a list of {len(data)}, counted from 0, and has no `{part}`"
        if not isinstance(data, (list, dict)):
            return f"`{here}` is no mapping and no list, and has no `{part}`"
        holder: Any = data
        if depth == len(path) - 1:
            holder[part] = value
            break
        data = holder.get(part) if isinstance(holder, dict) else holder[part]
        below = settings_at(model, path[: depth + 1])
        if data is None:
            data = {}
        elif isinstance(data, str) and below is not None and below.shorthand:
            data = {below.shorthand: data}
        holder[part] = data
    return None


def _member(value: Any, path: SettingPath) -> Any:
    for part in path:
        value = value[part]
    return value


def _copied(value: Any) -> Any:
    """A copy in which nothing is shared, so that an override of one place cannot reach an anchor's others."""
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copied(item) for item in value]
    return value
