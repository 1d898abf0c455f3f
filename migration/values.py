"""How lm-evaluation-harness reads the values of its command line: numbers, key=value pairs, JSON, lists, seeds.

Each function raises ValueError with what is wrong, without naming the flag.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

DEFAULT_SEEDS = (0, 1234, 1234, 1234)  # Python, numpy, torch, few-shot examples
_CLOSED_BY = {"[": "]", "(": ")", "{": "}"}


def literal(text: str) -> Any:
    """A value as typed there: true and false in any case, numbers, Python literals, else the text itself."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def mapping(words: Sequence[str]) -> dict[str, Any]:
    """`a=1,b=[2,3]`, in one word or several, or one JSON object."""
    first = words[0].strip() if words else ""
    if first.startswith("{"):
        if len(words) > 1:
            raise ValueError(f"one JSON object is expected, and {words[1]!r} follows it")
        try:
            value = json.loads(first)
        except json.JSONDecodeError as error:
            raise ValueError(f"this is no JSON ({error.msg}); quote the whole object for the shell") from None
        return dict(value)
    pairs: dict[str, Any] = {}
    for item in (part for word in words for part in _parts(word)):
        key, equals, value = item.partition("=")
        if not equals or not key.strip():
            raise ValueError(f"key=value is expected, not {item!r}")
        pairs[key.strip()] = literal(value)
    return pairs


def _parts(text: str) -> Iterator[str]:
    """The text cut at commas outside brackets and quotes."""
    part, quote, open_ = "", "", 0
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in _CLOSED_BY:
            open_ += 1
        elif character in _CLOSED_BY.values():
            open_ = max(0, open_ - 1)
        elif character == "," and not open_:
            if part:
                yield part
            part = ""
            continue
        part += character
    if part:
        yield part


def names(value: Any) -> list[str]:
    """Names from texts with commas, each once, in their order."""
    texts = [value] if isinstance(value, str) else list(value)
    return list(dict.fromkeys(name.strip() for text in texts for name in str(text).split(",") if name.strip()))


def seeds(value: Any) -> list[int | None]:
    """Four seeds from `a,b,c,d`, a list, or one number for all; a missing fourth has its default."""
    items = value.split(",") if isinstance(value, str) else list(value) if isinstance(value, list) else [value]
    found = [_seed(item) for item in items]
    if len(found) == 1:
        return found * 4
    if len(found) == 3:
        return [*found, DEFAULT_SEEDS[3]]
    if len(found) != 4:
        raise ValueError(f"one seed is expected or four (python,numpy,torch,fewshot), not {len(found)}")
    return found


def _seed(item: Any) -> int | None:
    if item is None or str(item).strip().lower() == "none":
        return None
    try:
        return int(str(item))
    except ValueError:
        raise ValueError(f"{item!r} is no whole number and not None") from None


def samples(value: Any) -> dict[str, list[int]]:
    """{task: [document index, …]} from JSON, or from a file that holds it."""
    content = value
    if isinstance(value, str):
        source = "" if value.lstrip().startswith("{") else f"{value}: "
        try:
            content = json.loads(Path(value).read_text(encoding="utf-8") if source else value)
        except OSError as error:
            raise ValueError(f"{value} is no JSON object, and no file that can be read: {error.strerror}") from None
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{source}this is no JSON: {error}") from None
    if not isinstance(content, dict) or not all(_indices(item) for item in content.values()):
        raise ValueError('document indices of each task are expected, such as {"gsm8k": [0, 5]}')
    return content


def _indices(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def truth(value: Any) -> bool:
    """True or false, as a value or a word. Raises ValueError for another."""
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "1", "yes"):
        return True
    if str(value).lower() in ("false", "0", "no"):
        return False
    raise ValueError(f"true or false is expected, not {value!r}")


def whole(value: Any) -> int:
    """A whole number, also one written as 4.0. Raises ValueError for another."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"a whole number is expected, not {value!r}") from None
    if isinstance(value, bool) or not number.is_integer():
        raise ValueError(f"a whole number is expected, not {value!r}")
    return int(number)
