"""Step 4 in lm-evaluation-harness's layout: how step 1 ran one model, by its lock file; the texts it was sent.

What the harness's files say of it is put together by `step4_lm_eval_experiment.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from models.identity import tokenizer_fingerprint
from models.locate import model_folder
from pipeline.config import Step1Settings
from pipeline.errors import InputError, ModelError
from pipeline.lock_file import Entry, LockFile
from pipeline.requests import Prompt
from steps.context import Context
from steps.manifest import ModelRecord
from steps.prompt_texts import PromptTexts
from steps.write_out import as_json
from tasks.task import Task


@dataclass(frozen=True)
class ModelRun:
    """One model of the run as step 1 asked it; `entries` are its lock file's, by task."""

    context: Context
    model: ModelRecord
    entries: Mapping[str, Entry]

    @classmethod
    def of(cls, context: Context, model: ModelRecord, tasks: Sequence[Task]) -> ModelRun:
        """Raises InputError where step 1 has not run."""
        entries = LockFile(context.folder, "step1", model.name).entries()
        known = {task.name: entries[task.name] for task in tasks if task.name in entries}
        if not known:
            raise InputError(f"step 1 has not run for {model.name}", fix=f"Run {context.command('step1')}")
        return cls(context, model, known)

    @property
    def entry(self) -> Entry:
        """The task's that was run last: engine and tokenizer are the same for all."""
        return max(self.entries.values(), key=lambda entry: entry.started)

    @cached_property
    def settings(self) -> Step1Settings:
        """The settings of step 1 as it ran. Raises InputError for a lock file that another version has written."""
        try:
            return Step1Settings.model_validate(self.entry.run.get("configuration"))
        except ValidationError as error:
            raise InputError(
                f"step 1's lock file for {self.model.name} holds settings of another version of this project",
                where=str(self.context.folder.lock_file("step1", self.model.name)),
                fix=f"Remove it and run {self.context.command('step1')}: finished calls are kept",
            ) from error

    @property
    def source(self) -> str:
        """What the harness calls the model's kind; predictions have none of its."""
        return "CUSTOM" if self.settings.imports else self.settings.engine.backend

    @property
    def arguments(self) -> dict[str, Any]:
        """The harness's model_args that say the same, as far as they were given."""
        settings = self.settings
        if settings.imports:
            return {}
        engine, model = settings.engine, settings.model
        given = {
            "pretrained": model.path,
            "peft": self.model.adapter,
            "revision": model.revision,
            "tokenizer": model.tokenizer,
            "delta": model.delta,
            "dtype": self.engine.get("dtype"),
            "max_length": engine.max_length,
            "add_bos_token": engine.add_bos_token,
            "attn_implementation": engine.attn_implementation,
            "trust_remote_code": engine.trust_remote_code or None,
        }
        return {name: value for name, value in given.items() if value is not None}

    @property
    def name(self) -> str:
        """What the harness names its folder after: the adapter, else the model."""
        given = self.arguments
        return str(given.get("peft") or given.get("delta") or given.get("pretrained") or self.model.name)

    def generation(self, task: Task) -> dict[str, Any]:
        """The settings that the run and the task give for generating, weakest first, as they stand in the files."""
        return {**self.settings.generation, **task.generation_kwargs, **self.settings.generation_override}

    @cached_property
    def texts(self) -> PromptTexts:
        """Prompts as they were sent. Raises ModelError where the tokenizer is gone or another one by now."""
        return PromptTexts(self.settings, self.tokenizer_folder)

    def text(self, prompt: Prompt) -> str:
        return as_json(prompt) if self.settings.imports else self.texts(prompt)

    @property
    def engine(self) -> Mapping[str, Any]:
        """What of the engine decided a result, with its defaults resolved; empty for predictions."""
        engine: Mapping[str, Any] = self.entry.basis.settings.get("engine", {})
        return engine

    def tokenizer_folder(self) -> Path:
        """Of the base's folder and the adapter's the one whose tokenizer step 1 has used. Raises ModelError."""
        settings = self.settings
        file = Path(settings.chat_template) if settings.chat_template else None
        known = self.entry.basis.settings.get("tokenizer")
        folders = [self._folder_of_base_tokenizer(), *([Path(self.model.adapter)] if self.model.adapter else [])]
        for folder in folders:
            if tokenizer_fingerprint(folder, file, settings.template_name) == known:
                return folder
        raise ModelError(
            "the tokenizer or its chat template has changed since step 1, whose prompts it would render otherwise now",
            where=str(folders[0]),
            fix=f"Run {self.context.command('step1')} and the steps after it.",
        )

    def _folder_of_base_tokenizer(self) -> Path:
        model = self.settings.model
        if model.tokenizer:
            return model_folder(model.tokenizer, download=False)
        return model_folder(model.path, model.revision, download=False)
