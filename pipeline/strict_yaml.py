"""YAML as this project reads it: PyYAML's parser with plainer rules for scalars, and a line for every value.

Only `true` and `false` are booleans, `1e-5` is a number, `12:30`, `2024-01-01`, `010` and `1_000` are text, and a key
stands once. It knows no setting; what values mean is for its callers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.events import CollectionEndEvent, CollectionStartEvent
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from pipeline.errors import ConfigError, InputError, Problem
from pipeline.near import path_meant

try:
    from yaml import CSafeLoader as _Parser
except ImportError:  # PyYAML built without libyaml: the same language, ten times slower
    from yaml import SafeLoader as _Parser  # type: ignore[assignment]

# Makes the value of a tagged node from its plain content (text, list or dict) and its line.
TagConstructor = Callable[[Any, int], Any]
# Keys and list indices from the top of a document down to one of its values.
SettingPath = tuple[str | int, ...]

_STANDARD = "tag:yaml.org,2002:"
_MERGE = _STANDARD + "merge"
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_DEEPEST = 100
_SUFFIXES = (".yaml", ".yml")
_UNPRINTABLE = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_HINTS = {
    "mapping values are not allowed": "text that holds `: ` must be quoted, and keys must be indented alike",
    "cannot start any token": "text that begins with @, %, ` or a tab must be quoted; indent with spaces",
    "tab character": "indent with spaces, not tabs",
    "alias": "text that begins with * must be quoted",
    "anchor": "text that begins with & must be quoted",
    "another document": "a file holds one document; take the line `---` out",
    "unexpected end of stream": "a quote that opens here is never closed",
    "expected ',' or": "a bracket that opens here is never closed, or a comma is missing",
    "did not find expected key": "look for a missing colon, or a line indented differently from its neighbours",
}


class _Loader(_Parser):
    """PyYAML's composer with the resolvers below in place of YAML 1.1's."""


_Loader.yaml_implicit_resolvers = {}


def _resolve(kind: str, pattern: str, first: str) -> None:
    starts = [*first, ""] if kind == "null" else list(first)
    _Loader.add_implicit_resolver(_STANDARD + kind, re.compile(rf"(?:{pattern})\Z"), starts)


_resolve("bool", "true|True|TRUE|false|False|FALSE", "tTfF")
_resolve("null", "~|null|Null|NULL|", "~nN")
_resolve("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789")
_resolve("float", r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", "-+.0123456789")
_resolve("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "-+.")
_resolve("merge", "<<", "<")


@dataclass(frozen=True)
class Located:
    """A document's plain value, and where each part of it stands."""

    value: Any
    source: str
    _root: Node | None = None

    def line(self, path: SettingPath = ()) -> int:
        """Line (from 1) of the key or list item at `path`; of its nearest parent where it does not stand."""
        line, node = _line(self._root), self._root
        for part in path:
            found = _child(node, part)
            if found is None:
                break
            line, node = found
        return line

    def where(self, path: SettingPath = ()) -> str:
        """`source:line` of the key or list item at `path`."""
        return f"{self.source}:{self.line(path)}"


def read(
    path: Path,
    *,
    constructors: Mapping[str, TagConstructor] | None = None,
    on_duplicate: Callable[[Problem], None] | None = None,
) -> Located:
    """The document in the file `path`; `parse` says the rest. Raises InputError for a file that cannot be read."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        fix = path_meant(path, lambda entry: entry.suffix in _SUFFIXES)
        raise InputError("no such file", where=str(path), fix=fix) from None
    except IsADirectoryError:
        raise InputError("this is a folder, and a YAML file is wanted", where=str(path)) from None
    except OSError as error:
        raise InputError(f"the file cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        message = f"byte 0x{error.object[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise ConfigError([Problem(f"{path}:{line}", message)]) from None
    return parse(text, str(path), constructors=constructors, on_duplicate=on_duplicate)


def parse(
    text: str,
    source: str,
    *,
    constructors: Mapping[str, TagConstructor] | None = None,
    on_duplicate: Callable[[Problem], None] | None = None,
) -> Located:
    """The one document in `text`; an empty one is None.

    `constructors` make the values of own tags, such as `!function`. Repeated keys are errors, unless `on_duplicate`
    takes them: then the last one wins. Raises ConfigError with all faults; a fault of the syntax ends the reading.
    """
    try:
        _refuse_deep_nesting(text, source)
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
        builder = _Builder(source, constructors or {}, on_duplicate)
        value = None if root is None else builder.build(root)
    except (yaml.reader.ReaderError, UnicodeEncodeError) as error:
        raise ConfigError([_unprintable(text, source)]) from error
    except yaml.MarkedYAMLError as error:
        raise ConfigError([_syntax_problem(error, text, source)]) from error
    if builder.problems:
        raise ConfigError(builder.problems)
    return Located(value, source, root)


def _refuse_deep_nesting(text: str, source: str) -> None:
    """libyaml's composer calls itself for each level and would end the process. Few texts could be that deep."""
    if sum(text.count(opening) for opening in "[{-?") <= _DEEPEST:
        return
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, CollectionStartEvent)
        depth -= isinstance(event, CollectionEndEvent)
        if depth > _DEEPEST:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise ConfigError([Problem(f"{source}:{line}", f"values are nested more than {_DEEPEST} levels deep")])


class _Builder:
    """Turns nodes into plain values, gathering faults."""

    def __init__(
        self,
        source: str,
        constructors: Mapping[str, TagConstructor],
        on_duplicate: Callable[[Problem], None] | None,
    ) -> None:
        self.problems: list[Problem] = []
        self._source = source
        self._constructors = constructors
        self._on_duplicate = on_duplicate or self.problems.append
        self._built: dict[int, Any] = {}  # an anchor's value is built once, however often it is named
        self._open: set[int] = set()

    def build(self, node: Node) -> Any:
        identity = id(node)
        if identity in self._built:
            return self._built[identity]
        if identity in self._open:
            self._fault(node, "an anchor's value holds itself")
            return None
        self._open.add(identity)
        value = self._tagged(node)
        self._open.discard(identity)
        self._built[identity] = value
        return value

    def _tagged(self, node: Node) -> Any:
        constructor = self._constructors.get(node.tag)
        if constructor is not None:
            return constructor(self._content(node), _line(node))
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        plain = _STANDARD + ("map" if isinstance(node, MappingNode) else "seq")
        if node.tag != plain:
            self._unknown_tag(node)
        return self._content(node)

    def _content(self, node: Node) -> Any:
        if isinstance(node, SequenceNode):
            return [self.build(item) for item in node.value]
        if isinstance(node, MappingNode):
            return self._mapping(node)
        return node.value

    def _mapping(self, node: MappingNode) -> dict[Any, Any]:
        own: dict[Any, Any] = {}
        lines: dict[Any, int] = {}
        merged: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merged = self._merged(value_node) | merged
                continue
            key, value = self.build(key_node), self.build(value_node)
            if not isinstance(key, (str, int, float, bool, type(None))):
                self._fault(key_node, "a key must be a plain word; text that begins with { or [ must be quoted")
                continue
            if key in lines:
                fault = f"the key {key!r} is already set on line {lines[key]}; remove one of the two"
                self._on_duplicate(Problem(f"{self._source}:{_line(key_node)}", fault))
            own[key] = value
            lines[key] = _line(key_node)
        return merged | own

    def _merged(self, node: Node) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        for part in _merge_sources(node):
            value = self.build(part)
            if isinstance(value, dict):
                result = value | result  # the earlier mapping wins, as the YAML merge key says
            else:
                self._fault(part, "`<<` takes the name of a mapping, as in `<<: *name`")
        return result

    def _scalar(self, node: ScalarNode) -> Any:
        text: str = node.value
        try:
            match node.tag.removeprefix(_STANDARD):
                case "str" | "merge" | "!":
                    return text
                case "null":
                    return None
                case "bool":
                    return _BOOLEANS[text]
                case "int":
                    return int(text)
                case "float":
                    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        except (KeyError, ValueError):
            self._fault(node, f"{text[:40]!r} cannot be read as {node.tag.removeprefix(_STANDARD)}")
            return None
        self._unknown_tag(node)
        return text

    def _unknown_tag(self, node: Node) -> None:
        tag = node.tag.replace(_STANDARD, "!!")
        self._fault(node, f"the tag {tag} has no meaning here; text that begins with ! must be quoted")

    def _fault(self, node: Node, message: str) -> None:
        self.problems.append(Problem(f"{self._source}:{_line(node)}", message))


def _line(node: Node | None) -> int:
    return 1 if node is None else int(node.start_mark.line) + 1


def _merge_sources(node: Node) -> list[Node]:
    return list(node.value) if isinstance(node, SequenceNode) else [node]


def _child(node: Node | None, part: str | int) -> tuple[int, Node] | None:
    """Line and node of one member; in a mapping the last of its name, own ones before merged ones."""
    if isinstance(node, SequenceNode) and isinstance(part, int) and 0 <= part < len(node.value):
        item = node.value[part]
        return _line(item), item
    if not isinstance(node, MappingNode):
        return None
    for key, value in reversed(node.value):
        if key.tag != _MERGE and isinstance(key, ScalarNode) and key.value == str(part):
            return _line(key), value
    return next(_inherited(node, part), None)


def _inherited(node: MappingNode, part: str | int) -> Iterator[tuple[int, Node]]:
    for key, value in node.value:
        if key.tag == _MERGE:
            for source in _merge_sources(value):
                found = _child(source, part)
                if found is not None:
                    yield found


def _unprintable(text: str, source: str) -> Problem:
    found = _UNPRINTABLE.search(text)
    place = found.start() if found else 0
    character = f"the character U+{ord(found.group()):04X}" if found else "a character"
    line = text.count("\n", 0, place) + 1
    return Problem(
        f"{source}:{line}", f'{character} cannot stand in YAML; write it as an escape in "…", or take it out'
    )


def _syntax_problem(error: yaml.MarkedYAMLError, text: str, source: str) -> Problem:
    last = text.rstrip().count("\n")
    said = " ".join(part for part in (error.context, error.problem) if part)
    mark = error.problem_mark or error.context_mark
    if mark is not None and (mark.line > last or "end of stream" in said):
        mark = error.context_mark or mark  # the end of the file explains nothing: show where the open thing began
    line = min(mark.line, last) if mark is not None else 0
    hint = next((hint for sign, hint in _HINTS.items() if sign in said), "")
    return Problem(f"{source}:{line + 1}", f"this is not YAML: {said}" + (f" ({hint})" if hint else ""))
