"""The `doc_to_*` fields of a task together: what of a document is question, answer, choices and prefix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.document_fields import ChoicesField, Data, PrefixField, QuestionField, Target, TargetField
from tasks.task_config import FieldValue, TaskConfig


class TaskFields:
    """The `doc_to_*` fields of a task, or of its few-shot examples where these have their own."""

    def __init__(self, config: TaskConfig, own: Mapping[str, Any], trusted: bool) -> None:
        def setting(key: str) -> tuple[FieldValue, str]:
            if own.get(key) is not None or (key == "gen_prefix" and key in own):
                return own[key], config.file.where("fewshot_config", key)
            return getattr(config, key), config.file.where(key)

        question, target = setting("doc_to_text"), setting("doc_to_target")
        choices, prefix = setting("doc_to_choice"), setting("gen_prefix")
        has_choices = config.doc_to_choice is not None
        self.question = QuestionField(*question, trusted, has_choices)
        self.target = TargetField(*target, trusted, has_choices, free=config.process_results is not None)
        self.choices = ChoicesField(*choices, trusted) if choices[0] is not None else None
        self._prefix = PrefixField(*prefix, trusted) if prefix[0] is not None else None

    def prefix(self, data: Data, label: str) -> str:
        """The beginning of the answer that is given; empty where there is none."""
        return self._prefix.text(data, label) if self._prefix is not None else ""

    def text_target(self, target: Target, label: str) -> str:
        if not isinstance(target, str):
            raise self.target.fault(f"the target must be text, and is {target!r}", label)
        return target

    def answer(self, target: Target, data: Data, label: str) -> str:
        """The target as text: the choice that an index names, the first of several targets."""
        if isinstance(target, int) and self.choices is not None:
            return self.choice(target, data, label)
        first = target[0] if isinstance(target, list) and target else target
        if isinstance(first, list):
            raise self.target.fault(f"the answer must be text, and is {first!r}", label)
        return str(first)  # a column of numbers, as JSON has them

    def choice(self, index: int, data: Data, label: str) -> str:
        """The choice that an index names. Raises TaskError where there is none."""
        choices = self.choices.choices(data, label) if self.choices is not None else []
        if not 0 <= index < len(choices):
            what = f"the choice {index}, counted from 0, is named, and there are {len(choices)} choices"
            raise self.target.fault(what, label)
        return choices[index]

    def gold(self, target: Target, choices: list[str]) -> Any:
        """The index of the right choice, or of each right one; what names none of the choices stays as it is."""
        if isinstance(target, list):
            return [_index(one, choices) for one in target]
        return _index(target, choices)


def _index(target: Any, choices: list[str]) -> Any:
    return choices.index(target) if isinstance(target, str) and target in choices else target
