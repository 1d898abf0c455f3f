"""A run file as text, written setting by setting, with a comment beside those that need a word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from pipeline.strict_yaml import parse

# Settings stand in this order, others behind them as they come.
_ORDER = ["output_dir", "seed", "predict_only", "model", "path", "adapters", "engine", "backend", "tasks"]
_ORDER += ["step1", "step2", "step3", "step4"]
_PLAIN = re.compile(r"[\w./~-][\w./:*+=~-]*")


@dataclass
class RunFile:
    """The settings of a run by dotted path, such as `step1.engine.dtype`."""

    heading: list[str] = field(default_factory=list)  # comment lines at the top
    _values: dict[str, Any] = field(default_factory=dict)
    _comments: dict[str, str] = field(default_factory=dict)

    def put(self, path: str, value: Any, comment: str = "") -> None:
        """Set the setting at `path`; the comment stands behind it."""
        self._values[path] = value
        if comment:
            self._comments[path] = comment

    def get(self, path: str) -> Any:
        """The setting's value; None where it is not set."""
        return self._values.get(path)

    def drop(self, path: str) -> None:
        """Leave the setting out again."""
        self._values.pop(path, None)
        self._comments.pop(path, None)

    def comment(self, path: str, text: str) -> None:
        """Say `text` beside the setting, which may be a whole section, behind what is said there already."""
        self._comments[path] = f"{self._comments[path]}; {text}" if path in self._comments else text

    def settings(self) -> dict[str, Any]:
        """The settings as nested mappings."""
        tree: dict[str, Any] = {}
        for path, value in self._values.items():
            *parents, name = path.split(".")
            section = tree
            for parent in parents:
                section = section.setdefault(parent, {})
            section[name] = value
        return tree

    def text(self) -> str:
        """The file's content."""
        lines = [f"# {line}".rstrip() for line in self.heading]
        lines += self._lines(self.settings(), "")
        return "\n".join(lines) + "\n"

    def _lines(self, section: dict[str, Any], prefix: str) -> Iterator[str]:
        indent = "  " * prefix.count(".")
        for name, value in sorted(section.items(), key=lambda item: _rank(item[0])):
            path = f"{prefix}{name}"
            remark = f"  # {self._comments[path]}" if path in self._comments else ""
            if isinstance(value, dict) and value and path not in self._values:
                yield f"{indent}{name}:{remark}"
                yield from self._lines(value, f"{path}.")
            elif isinstance(value, list) and path in ("step1.tasks", "step1.adapters"):
                yield f"{indent}{name}:{remark}"
                yield from (f"{indent}  - {flow(item)}" for item in value)
            else:
                yield f"{indent}{name}: {flow(value)}{remark}"


def _rank(name: str) -> int:
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


def flow(value: Any) -> str:
    """The value on one line of YAML; text is quoted only where it would be read as something else."""
    match value:
        case dict():
            return "{" + ", ".join(f"{flow(key)}: {flow(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(flow(item) for item in value) + "]"
        case str() if _PLAIN.fullmatch(value) and parse(value, "").value == yaml.safe_load(value) == value:
            return value
        case str():
            quoted = yaml.safe_dump(value, default_style='"', allow_unicode=True, width=float("inf"))
            return quoted.strip()
    return str(yaml.safe_dump(value, allow_unicode=True, width=float("inf"))).removesuffix("...\n").strip()
