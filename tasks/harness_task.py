"""A task of lm-evaluation-harness's YAML form: its documents, and for each the requests that the harness would make.

The settings come checked from `task_config.py`; where documents come from is `datasets.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.errors import TaskError
from pipeline.fingerprint import FileHashes
from pipeline.requests import Prompt
from pipeline.rows import to_plain
from tasks.datasets import DataSource
from tasks.definition import filter_pipelines, metric_specs, task_definition
from tasks.document_fields import ChoicesField, MessagesField, Target, TargetField, TextField
from tasks.documents import number_documents, selected
from tasks.expansion import expansion
from tasks.fewshot_pool import FewshotPool
from tasks.prompts import Turn, answered_turns, as_messages, as_text, headed, question_turns, system_turns
from tasks.split_documents import SplitDocuments
from tasks.task import Example, FilterPipeline, MetricSpec, PromptSettings, RequestSpec
from tasks.task_config import FieldValue, TaskConfig

Data = Mapping[str, Any]
_CHOICE_TYPES = ("multiple_choice", "next_token")


class HarnessTask:
    """See `tasks.task.Task`. Nothing is read before `examples` or `inputs` is called."""

    def __init__(
        self,
        config: TaskConfig,
        source: DataSource,
        *,
        trusted: bool,
        file_hashes: FileHashes,
        limit: float | None = None,
    ) -> None:
        """Raises TaskError for broken templates, and for code where it is not trusted."""
        self.config = config
        self.name = config.task
        self.output_type = config.output_type
        self.generation_kwargs: Mapping[str, Any] = config.generation_kwargs
        self.repeats = config.repeats
        self.num_fewshot = config.num_fewshot or 0
        self.limit = limit
        self.slices: Sequence[str] = config.slices
        self.slice_groups: Mapping[str, Mapping[str, Sequence[str]]] = config.slice_groups
        self.expand = expansion(config.expand)
        self.cluster = config.cluster
        self.primary_metric = config.primary_metric
        self.version = str(config.metadata.get("version", "")) if isinstance(config.metadata, dict) else ""
        self.filters: Sequence[FilterPipeline] = filter_pipelines(config)
        self.metrics: Sequence[MetricSpec] = metric_specs(config)
        self._file_hashes = file_hashes
        self._documents = SplitDocuments(source, config, trusted)
        self._pool = FewshotPool(config, self._documents, trusted)
        self._fields = _Fields(config, {}, trusted)
        self._shot_fields = _Fields(config, config.fewshot_config, trusted)
        self._messages = (
            MessagesField(config.doc_to_messages, config.file.where("doc_to_messages"), trusted)
            if config.doc_to_messages is not None
            else None
        )
        self._description = TextField(config.description, config.file.where("description"), trusted)

    def definition(self) -> dict[str, Any]:
        """Sections `request`, `filters`, `metrics`, `aggregation`; each holds all that its step depends on."""
        sections = task_definition(self.config, self._file_hashes)
        sections["request"]["dataset"] = self._documents.source.description()
        plain: dict[str, Any] = to_plain(sections, f"the task {self.name}")
        return plain

    def locate(self) -> None:
        """Raises DataError if it can be seen without reading that the documents are not there."""
        self._documents.source.locate(self.config.eval_split)
        if self.num_fewshot:
            self._pool.locate()

    def inputs(self) -> dict[str, str]:
        """The files of the split that is asked about, and of the few-shot examples if there are any."""
        splits = [self.config.eval_split]
        if self.num_fewshot and self._pool.split is not None:
            splits.append(self._pool.split)
        found: dict[str, str] = {}
        for split in splits:
            found |= self._documents.source.hashes(split, self._file_hashes)
        return found

    def examples(
        self, settings: PromptSettings, limit: int | float | None = None, samples: Sequence[int] | None = None
    ) -> Iterator[Example]:
        """The documents in order with their requests. Few-shot draws advance over documents that are left out."""
        count = self.num_fewshot if settings.num_fewshot is None else settings.num_fewshot
        sampler = self._pool.sampler(count, settings.fewshot_seed) if count else None
        documents = number_documents(self._documents.read(self.config.eval_split))
        for document, asked in selected(documents, limit, samples):
            shots = sampler.shots(document.data) if sampler else ()
            if asked:
                label = f"document {document.index}"
                turns = self._opening(document.data, shots, settings, label)
                yield Example(document, *self._requests(document.data, turns, settings, label))

    def _opening(self, data: Data, shots: Sequence[Data], settings: PromptSettings, label: str) -> list[Turn]:
        """All turns before the question."""
        config = self.config
        description = self._description.text(data, label) if config.description_role == "system" else ""
        turns = system_turns(settings.system_instruction, description, config.fewshot_delimiter)
        for shot in shots:
            turns += self._shot(shot, f"a few-shot example of {label}")
        return turns

    def _shot(self, shot: Data, label: str) -> list[Turn]:
        fields, own = self._shot_fields, self.config.fewshot_config
        target = fields.target.target(shot, label)
        answer = fields.answer(target, shot, label) if target != "" else None
        return answered_turns(
            fields.question.text(shot, label),
            answer,
            fields.prefix.text(shot, label) if fields.prefix else "",
            own.get("target_delimiter", self.config.target_delimiter),
            own.get("fewshot_delimiter", self.config.fewshot_delimiter),
        )

    def _requests(
        self, data: Data, turns: list[Turn], settings: PromptSettings, label: str
    ) -> tuple[Prompt, tuple[RequestSpec, ...], Any, list[str] | None]:
        """Prompt, requests, target and choices of one document."""
        fields = self._fields
        target = fields.target.target(data, label)
        choices = fields.choices.choices(data, label) if fields.choices else None
        if self.output_type == "loglikelihood_rolling":
            text = fields.text_target(target, label)
            return text, (RequestSpec("loglikelihood_rolling", text),), text, None
        if self._messages is not None:
            system = system_turns(settings.system_instruction, "", "")
            dialogue = (
                [*as_messages(system, True), *self._messages.messages(data, label)]
                if system
                else (self._messages.messages(data, label))
            )
            answer = target if isinstance(target, list) else fields.answer(target, data, label)
            return dialogue, (RequestSpec("generate_until", dialogue),), answer, choices
        question = fields.question.text(data, label)
        prefix = fields.prefix.text(data, label) if fields.prefix else ""
        turns = [*turns, *question_turns(question, prefix, self.config.target_delimiter)]
        if self.config.description_role == "user":
            turns = headed(turns, self._description.text(data, label))
        prompt = self._prompt(turns, settings)
        if self.output_type == "generate_until":
            answer = target if isinstance(target, list) else fields.answer(target, data, label)
            return prompt, (RequestSpec("generate_until", prompt),), answer, choices
        if self.output_type == "loglikelihood":
            text = fields.text_target(target, label)
            return prompt, (RequestSpec("loglikelihood", prompt, (text,)),), text, None
        assert choices is not None
        gold = fields.gold(target, choices, label)
        if self.output_type == "next_token":
            return prompt, (self._next_token(prompt, choices),), gold, choices
        joint = self._choice_joint(settings.chat)
        continuations = tuple(f"{joint}{choice}" for choice in choices)
        return prompt, (RequestSpec("loglikelihood", prompt, continuations),), gold, choices

    def _prompt(self, turns: Sequence[Turn], settings: PromptSettings) -> Prompt:
        form = self.config.prompt_form
        if form == "text" and not settings.chat:
            return as_text(turns)
        return as_messages(turns, settings.fewshot_as_multiturn or form == "turns")

    def _next_token(self, prompt: Prompt, choices: Sequence[str]) -> RequestSpec:
        """By the rule `last`, the delimiter stands before each choice, as it does in a text."""
        rule = self.config.candidate_rule
        delimiter = self.config.target_delimiter if rule == "last" else ""
        return RequestSpec("next_token", prompt, tuple(delimiter + choice for choice in choices), rule)

    def _choice_joint(self, chat: bool) -> str:
        """A chat template ends the question itself; behind a prefix without a space the delimiter still stands."""
        prefix = self.config.gen_prefix
        if chat and not (prefix and not prefix[-1].isspace()):
            return ""
        return self.config.target_delimiter


class _Fields:
    """The `doc_to_*` fields of a task, or of its few-shot examples where these have their own."""

    def __init__(self, config: TaskConfig, own: Mapping[str, Any], trusted: bool) -> None:
        def setting(key: str) -> tuple[FieldValue, str]:
            if own.get(key) is not None or (key == "gen_prefix" and key in own):
                return own[key], config.file.where("fewshot_config", key)
            return getattr(config, key), config.file.where(key)

        question, target = setting("doc_to_text"), setting("doc_to_target")
        choices, prefix = setting("doc_to_choice"), setting("gen_prefix")
        self.question = TextField(*question, trusted)
        self.target = TargetField(*target, trusted, has_choices=config.doc_to_choice is not None)
        self.choices = ChoicesField(*choices, trusted) if choices[0] is not None else None
        self.prefix = TextField(*prefix, trusted) if prefix[0] is not None else None

    def text_target(self, target: Target, label: str) -> str:
        if not isinstance(target, str):
            raise self.target.fault(f"the target must be text, and is {target!r}", label)
        return target

    def answer(self, target: Target, data: Data, label: str) -> str:
        """The target as text: the choice that an index names, the first of several targets."""
        if isinstance(target, int) and self.choices is not None:
            choices = self.choices.choices(data, label)
            return choices[self._checked(target, choices, label)]
        first = target[0] if isinstance(target, list) and target else target
        if isinstance(first, list):
            raise self.target.fault(f"the answer must be text, and is {first!r}", label)
        return str(first)  # a column of numbers, as JSON has them

    def gold(self, target: Target, choices: list[str], label: str) -> int | list[int]:
        """The index of the right choice, or of each right one."""
        if isinstance(target, list):
            return [self._index(one, choices, label) for one in target]
        return self._index(target, choices, label)

    def _index(self, target: Any, choices: list[str], label: str) -> int:
        if isinstance(target, str):
            if target in choices:
                return choices.index(target)
            if not target.isdigit():  # a table's cell is text, an index too
                raise self.target.fault(f"the target {target!r} is none of the choices {choices}", label)
            target = int(target)
        if not isinstance(target, int):
            raise self.target.fault(f"the target must be a choice or its index, and is {target!r}", label)
        return self._checked(target, choices, label)

    def _checked(self, index: int, choices: list[str], label: str) -> int:
        if not 0 <= index < len(choices):
            raise TaskError(
                f"the target is the choice {index}, counted from 0, and {label} has {len(choices)} choices",
                where=self.target.where,
            )
        return index
