"""A task of lm-evaluation-harness's YAML form: its documents, and for each the requests that the harness would make.

The settings come checked from `task_config.py`; where documents come from is `datasets.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pipeline.console import warn_once
from pipeline.errors import ConfigError
from pipeline.fingerprint import FileHashes
from pipeline.requests import Message, Prompt
from pipeline.rows import to_plain
from tasks.data_files import NoSplitError
from tasks.datasets import DataSource
from tasks.definition import CodeTable, asked_settings, filter_pipelines, metric_specs, with_content
from tasks.document_fields import Data, MessagesField, Target, TextField
from tasks.documents import number_documents, selected
from tasks.expansion import expansion
from tasks.fewshot_pool import FewshotPool
from tasks.prompts import Turn, answered_turns, as_messages, as_text, headed, question_turns, system_turns
from tasks.seeds import Seeds
from tasks.split_documents import SplitDocuments
from tasks.task import ClassScorer, Document, Example, FilterPipeline, MetricSpec, PromptSettings, RequestSpec, TaskCode
from tasks.task_config import TaskConfig, unsupported
from tasks.task_fields import TaskFields
from tasks.templates import may_draw, missing_column


@dataclass(frozen=True)
class _Asked:
    """One document that is asked about; `turns` stand before its question, `label` names it in messages."""

    document: Document
    label: str
    turns: list[Turn]
    settings: PromptSettings


class HarnessTask:
    """See `tasks.task.Task`. Nothing is read before `examples` or `inputs` is called."""

    scorer: ClassScorer | None = None

    def __init__(
        self,
        config: TaskConfig,
        source: DataSource,
        *,
        trusted: bool,
        file_hashes: FileHashes,
        limit: float | None = None,
        seeds: Seeds | None = None,
    ) -> None:
        """Raises TaskError for broken templates, for code where it is not trusted, for what cannot be carried out."""
        if problems := unsupported(config.file):
            raise ConfigError(problems)
        table = CodeTable(trusted, file_hashes)
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
        self.filters: Sequence[FilterPipeline] = filter_pipelines(config, table)
        self.metrics: Sequence[MetricSpec] = metric_specs(config, table)
        self.process_results = table.key(config.process_results) if config.process_results is not None else None
        self.code: Mapping[str, TaskCode] = table.code
        self.unsafe_code = config.unsafe_code
        self._file_hashes = file_hashes
        self.seeds = seeds or Seeds()
        self._draws = may_draw(asked_settings(config))
        self._documents = SplitDocuments(source, config, trusted, self.seeds)
        self._pool = FewshotPool(config, self._documents, trusted)
        self._fields = TaskFields(config, {}, trusted)
        self._shot_fields = TaskFields(config, config.fewshot_config, trusted)
        self._shots: dict[int, tuple[Data, list[Turn]]] = {}  # by identity: the pool keeps its documents
        self._lacking: set[str] = set()  # slices that some document has no column for, which is said once
        self._strange = False  # whether a target was none of its choices, which is said once
        self._unconditional = any(metric.name == "acc_mutual_info" for metric in self.metrics)
        self._messages = (
            MessagesField(config.doc_to_messages, config.file.where("doc_to_messages"), trusted)
            if config.doc_to_messages is not None
            else None
        )
        self._description = TextField(config.description, config.file.where("description"), trusted)

    def request_basis(self) -> dict[str, Any]:
        asked = asked_settings(self.config) | {"num_fewshot": self.num_fewshot}
        basis = with_content(asked, self._file_hashes) | {"dataset": self._documents.source.description()}
        if self._draws:
            basis["seeds"] = vars(self.seeds)
        if self.process_results is not None:
            basis["target_as_given"] = True
        if self._unconditional:
            basis["unconditional"] = True
        plain: dict[str, Any] = to_plain(basis, f"the task {self.name}")
        return plain

    def locate(self) -> None:
        """Raises DataError if it can be seen without reading that the documents are not there."""
        with self._names_of_splits():
            self._documents.source.locate(self.config.eval_split)
            if self.num_fewshot:
                self._pool.locate()

    def inputs(self) -> dict[str, str]:
        """The files of the split that is asked about, and of the few-shot examples if there are any."""
        splits = [self.config.eval_split]
        if self.num_fewshot and self._pool.split is not None:
            splits.append(self._pool.split)
        found: dict[str, str] = {}
        with self._names_of_splits():
            for split in splits:
                found |= self._documents.source.hashes(split, self._file_hashes)
        return found

    @contextmanager
    def _names_of_splits(self) -> Iterator[None]:
        """While it lasts, the error for a split that is not there tells what names it."""
        try:
            yield
        except NoSplitError as error:
            raise error.blamed(self.config.split_place(error.split)) from error

    def count(self) -> int:
        return sum(1 for _ in self._documents.read(self.config.eval_split))

    def examples(
        self, settings: PromptSettings, limit: int | float | None = None, samples: Sequence[int] | None = None
    ) -> Iterator[Example]:
        """The documents in order with their requests. Few-shot draws advance over documents that are left out."""
        if self._draws:
            self.seeds.sow()  # for samples and a sampler of the task's own
        count = self.num_fewshot if settings.num_fewshot is None else settings.num_fewshot
        sampler = self._pool.sampler(count, settings.fewshot_seed) if count else None
        documents = number_documents(self._documents.read(self.config.eval_split))
        for document, asked in selected(documents, limit, samples):
            shots = sampler.shots(document.data) if sampler else ()
            if asked:
                label = f"document {document.index}"
                self._check_columns(document.data, label)
                shown = [turn for shot in shots for turn in self._shot(shot, f"a few-shot example of {label}")]
                self._sow_for(document.doc_id)
                turns = [*self._heading(document.data, settings, label), *shown]
                yield self._example(_Asked(document, label, turns, settings))

    def _sow_for(self, place: str) -> None:
        if self._draws:
            self.seeds.sow_for(place)

    def _check_columns(self, data: Data, label: str) -> None:
        """Of columns that no template names: a row needs its cluster to be scored, and may do without a slice."""
        added = (*self.expand.into, self.expand.name) if self.expand else ()
        file = self.config.file
        if self.cluster is not None and self.cluster not in data and self.cluster not in added:
            raise missing_column(self.cluster, data, label, file.where("cluster"))
        for number, name in enumerate(self.slices):
            if name not in data and name not in added and name not in self._lacking:
                self._lacking.add(name)
                warn_once(f"{file.where('slices', number)}: {label} has no column {name!r}, and counts as {name}=None")

    def _heading(self, data: Data, settings: PromptSettings, label: str) -> list[Turn]:
        """The turns before the examples."""
        config = self.config
        description = self._description.text(data, label) if config.description_role == "system" else ""
        return system_turns(settings.system_instruction, description, config.fewshot_delimiter)

    def _shot(self, shot: Data, label: str) -> list[Turn]:
        """The example's turns, rendered when it is first drawn."""
        known = self._shots.get(id(shot))
        if known is None:
            self._sow_for(repr(shot))
            known = self._shots[id(shot)] = (shot, self._rendered_shot(shot, label))
        return known[1]

    def _rendered_shot(self, shot: Data, label: str) -> list[Turn]:
        fields, own = self._shot_fields, self.config.fewshot_config
        target = fields.target.target(shot, label)
        question = fields.question.question(shot, label)
        if isinstance(question, int):
            question = fields.choice(question, shot, label)
        answer = fields.answer(target, shot, label) if target != "" else None
        return answered_turns(
            question,
            answer,
            fields.prefix(shot, label),
            own.get("target_delimiter", self.config.target_delimiter),
            own.get("fewshot_delimiter", self.config.fewshot_delimiter),
        )

    def _example(self, asked: _Asked) -> Example:
        """The document with its requests, target and choices."""
        fields, data, label = self._fields, asked.document.data, asked.label
        target = fields.target.target(data, label)
        choices = fields.choices.choices(data, label) if fields.choices else None
        if self.output_type == "loglikelihood_rolling":
            text = fields.text_target(target, label)
            return Example(asked.document, text, (RequestSpec("loglikelihood_rolling", text),), text)
        if self._messages is not None:
            prompt = self._dialogue(self._messages.messages(data, label), asked.settings)
            return self._generation(asked, prompt, target, choices)
        question = fields.question.question(data, label)
        if isinstance(question, int):
            return self._several_inputs(asked, question, target, choices)
        prompt = self._question(asked, question)
        if self.output_type == "generate_until":
            return self._generation(asked, prompt, target, choices)
        if self.output_type == "loglikelihood":
            text = fields.text_target(target, label)
            return Example(asked.document, prompt, (RequestSpec("loglikelihood", prompt, (text,)),), text)
        assert choices is not None
        return self._choice(asked, prompt, fields.gold(target, choices), choices)

    def _question(self, asked: _Asked, question: str) -> Prompt:
        """The prompt that ends with the document's question."""
        data, label = asked.document.data, asked.label
        prefix = self._fields.prefix(data, label)
        turns = [*asked.turns, *question_turns(question, prefix, self.config.target_delimiter)]
        if self.config.description_role == "user":
            turns = headed(turns, self._description.text(data, label))
        return self._prompt(turns, asked.settings)

    def _generation(self, asked: _Asked, prompt: Prompt, target: Target, choices: list[str] | None) -> Example:
        gold = self._gold_text(target, asked.document.data, asked.label)
        return Example(asked.document, prompt, (RequestSpec("generate_until", prompt),), gold, choices)

    def _choice(self, asked: _Asked, prompt: Prompt, gold: Any, choices: list[str]) -> Example:
        """One question, and which of the choices goes on from it."""
        self._warn_of_strange(gold, choices, asked.label)
        if self.output_type == "next_token":
            return Example(asked.document, prompt, (self._next_token(prompt, choices),), gold, choices)
        joint = self._choice_joint(asked.settings.chat)
        continuations = tuple(f"{joint}{choice}" for choice in choices)
        first = RequestSpec("loglikelihood", prompt, continuations)
        return Example(asked.document, prompt, (first, *self._without_context(continuations)), gold, choices)

    def _warn_of_strange(self, gold: Any, choices: list[str], label: str) -> None:
        """A target that is none of the choices makes its row wrong, as in lm_eval; that all are is likelier a fault."""
        for one in gold if isinstance(gold, list) else [gold]:
            known = one is None or (isinstance(one, int) and 0 <= one < len(choices))
            if not known and not self._strange:
                self._strange = True
                place, rows = self._fields.target.where, "it and others like it are counted as wrong"
                warn_once(f"{place}: the target {one!r} of {label} is none of its {len(choices)} choices: {rows}")

    def _several_inputs(self, asked: _Asked, gold: int, target: Target, choices: list[str] | None) -> Example:
        """One request a choice: the choice is what is asked, the target what each is continued by."""
        fields, data, label = self._fields, asked.document.data, asked.label
        if choices is None or self.output_type != "multiple_choice":
            raise fields.question.fault("an index instead of a question is for output_type multiple_choice", label)
        prefix, joint = fields.prefix(data, label), self._choice_joint(asked.settings.chat)
        continuation = f"{joint}{fields.text_target(target, label)}"
        prompts = [
            self._prompt([*asked.turns, *question_turns(choice, prefix, "")], asked.settings) for choice in choices
        ]
        requests = [RequestSpec("loglikelihood", prompt, (continuation,)) for prompt in prompts]
        alone = self._without_context(tuple(f"{joint}{choice}" for choice in choices))
        return Example(asked.document, prompts[0], (*requests, *alone), gold, choices)

    def _without_context(self, continuations: tuple[str, ...]) -> tuple[RequestSpec, ...]:
        """What acc_mutual_info wants to know besides: each choice with nothing before it."""
        return (RequestSpec("loglikelihood", "", continuations),) if self._unconditional else ()

    def _dialogue(self, messages: list[Message], settings: PromptSettings) -> Prompt:
        system = system_turns(settings.system_instruction, "", "")
        return [*as_messages(system, True), *messages] if system else messages

    def _gold_text(self, target: Target, data: Data, label: str) -> Any:
        """What a generated answer is compared with: texts, or whatever the task's own function wants."""
        if isinstance(target, list) or self.process_results is not None:
            return target
        return self._fields.answer(target, data, label)

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
