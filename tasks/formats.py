"""Records of one's own test set into messages and a target: Alpaca, ShareGPT, and tables with named columns.

One function a form, each from one record; the task around them is `own_data.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.config import ColumnSettings
from pipeline.errors import DataError
from pipeline.near import did_you_mean, listed
from pipeline.requests import Message
from tasks.data_readers import Record

Question = tuple[list[Message], Any]  # the messages, and the target
_ROLES = {
    "system": "system",
    "human": "user",
    "user": "user",
    "observation": "user",
    "gpt": "assistant",
    "assistant": "assistant",
}
_LISTED = 30


def alpaca(record: Record, _columns: ColumnSettings, system_instruction: str | None) -> Question:
    """instruction, input, output, history, system. The record's own `system` goes before the run's instruction."""
    for name in ("instruction", "output"):
        if not isinstance(record.data.get(name), str):
            raise _not_alpaca(record, name)
    messages = _opening(record, "system", system_instruction)
    messages += _history(record, "history")
    instruction, asked = record.data["instruction"], _text(record, "input")
    messages.append({"role": "user", "content": f"{instruction}\n{asked}" if asked else instruction})
    return messages, record.data["output"]


def sharegpt(record: Record, _columns: ColumnSettings, system_instruction: str | None) -> Question:
    """conversations [{from, value}] and system, or messages [{role, content}].

    The target is the assistant's last turn, all before it is asked; where a user has the last word, it is `chosen`, as
    in preference pairs.
    """
    turns = _turns(record)
    if turns[0]["role"] == "system":
        system, turns = turns[:1], turns[1:]
    else:
        system = _opening(record, "system", system_instruction)
    if turns and turns[-1]["role"] == "assistant":
        return [*system, *_asked(record, turns[:-1])], turns[-1]["content"]
    chosen = record.data.get("chosen")
    target = chosen.get("value", chosen.get("content")) if isinstance(chosen, Mapping) else chosen
    if not isinstance(target, str):
        fix = "Let the dialogue end with the right answer, as a turn of gpt (or assistant)."
        raise DataError("the dialogue ends with no answer to compare with", where=record.where, fix=fix)
    return [*system, *_asked(record, turns)], target


def named_columns(record: Record, columns: ColumnSettings, system_instruction: str | None) -> Question:
    """A prompt (text, or messages) and a target (text, a number, or a list of texts)."""
    prompt = column(record, columns.prompt or "prompt", "prompt")
    target = target_column(record, columns.target or "target")
    messages = _opening(record, columns.system, system_instruction)
    messages += _history(record, columns.history)
    if isinstance(prompt, str):
        return [*messages, {"role": "user", "content": prompt}], target
    turns = _messages(record, prompt, "role", "content")
    if turns[0]["role"] == "system":
        return turns, target
    return [*messages, *turns], target


FORMS: dict[str, Callable[[Record, ColumnSettings, str | None], Question]] = {
    "alpaca": alpaca,
    "sharegpt": sharegpt,
    **dict.fromkeys(("json", "jsonl", "csv", "tsv", "parquet"), named_columns),
}


def column(record: Record, name: str, setting: str | None = None) -> Any:
    """The value of a column; `columns.<setting>` may name another. Raises DataError with the columns that there are."""
    if name in record.data:
        return record.data[name]
    there = [str(key) for key in record.data]
    fix = f"{did_you_mean(name, there)} The columns are {listed(there, _LISTED) or 'none'}.".lstrip()
    if setting is not None:
        fix += f" Say which one it is: columns: {{{setting}: <column>}}"
    raise DataError(f"there is no column {name!r}", where=record.where, fix=fix)


def target_column(record: Record, name: str) -> Any:
    """The right answer or answers of a record. Raises DataError for what is neither text nor number nor a list."""
    target = column(record, name, "target")
    listed = target if isinstance(target, list) else [target]
    if not all(isinstance(one, (str, int, float)) for one in listed):
        raise DataError(f"the column {name} must be text, and is {target!r}"[:200], where=record.where)
    return target


def _opening(record: Record, name: str | None, system_instruction: str | None) -> list[Message]:
    system = (_text(record, name) if name else "") or system_instruction
    return [{"role": "system", "content": system}] if system else []


def _text(record: Record, name: str) -> str:
    value = record.data.get(name) or ""
    if not isinstance(value, str):
        raise DataError(f"the field {name} must be text, and is {value!r}"[:200], where=record.where)
    return value


def _history(record: Record, name: str | None) -> list[Message]:
    history = (record.data.get(name) if name else None) or []
    pairs = [tuple(turn) for turn in history if isinstance(turn, list)] if isinstance(history, list) else []
    whole = len(pairs) == len(history) and all(len(pair) == 2 for pair in pairs)
    if not whole or not all(isinstance(text, str) for pair in pairs for text in pair):
        raise DataError(f"the field {name} must be a list of [question, answer]", where=record.where)
    return [
        message
        for question, answer in pairs
        for message in (Message(role="user", content=question), Message(role="assistant", content=answer))
    ]


def _turns(record: Record) -> list[Message]:
    if "messages" in record.data and "conversations" not in record.data:
        return _messages(record, record.data["messages"], "role", "content")
    return _messages(record, column(record, "conversations"), "from", "value")


def _messages(record: Record, turns: Any, role: str, content: str) -> list[Message]:
    """Turns in any of the usual vocabularies as messages; at least one."""
    if not isinstance(turns, list) or not turns or not all(isinstance(turn, Mapping) for turn in turns):
        what = f"a dialogue must be a list of {{{role}, {content}}}, and is {turns!r}"
        raise DataError(what[:200], where=record.where)
    found: list[Message] = []
    for turn in turns:
        known = _ROLES.get(str(turn.get(role)))
        if known is None or not isinstance(turn.get(content), str):
            what = f"a turn must have `{role}` (one of {', '.join(_ROLES)}) and the text `{content}`, and is {turn!r}"
            raise DataError(what[:200], where=record.where)
        found.append({"role": known, "content": turn[content]})
    return found


def _asked(record: Record, turns: list[Message]) -> list[Message]:
    if not turns or turns[-1]["role"] != "user":
        raise DataError("the dialogue asks nothing before its answer", where=record.where)
    return turns


def _not_alpaca(record: Record, name: str) -> DataError:
    if name in record.data:
        return DataError(f"the field {name} must be text, and is {record.data[name]!r}"[:200], where=record.where)
    fields = ", ".join(map(str, record.data))
    return DataError(
        f"the record has no field {name!r}",
        where=record.where,
        fix=f"Its fields are {fields or 'none'}. The Alpaca form has instruction, input, output, history, system.",
    )
