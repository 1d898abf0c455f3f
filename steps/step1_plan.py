"""What step 1 would do: models with their identities, tasks, and for each unit the basis of its view and its calls.

Nothing here loads a model, so `status` and `check --plan` use it too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from models.adapters import adapter_tokenizer
from models.chat import missing_template
from models.chat_templates import DEFAULT, chat_templates
from models.checkpoints import NamedAdapter, expand_adapters
from models.engine import ANSWERS_VERSION
from models.generation import effective_generation
from models.identity import ModelIdentity, model_identity, tokenizer_fingerprint
from models.locate import model_folder
from models.properties import generation_defaults, model_config, resolve_architecture, resolve_dtype, resolve_max_length
from pipeline.config import INHERITED_BY_TASKS, NEUTRAL_ENGINE, Step1Settings, TaskSettings
from pipeline.errors import DataError, InputError, blamed_on, raise_all
from pipeline.fingerprint import FileHashes, canonical, digest
from pipeline.lock_file import Basis
from pipeline.requests import GenerationSettings
from pipeline.rows import to_plain
from steps.calls import Call, Sampling, example_calls, generation_dict
from steps.manifest import Manifest, ModelRecord, make_manifest
from steps.units import Unit
from tasks.hub_data import HubUnreachableError, lacking_hub
from tasks.index import check_folders
from tasks.loader import load_tasks
from tasks.places import place
from tasks.seeds import Seeds
from tasks.task import Example, PromptSettings, RequestSpec, Task, TaskSet

VERSION = 1
_OF_TASK = "generation_kwargs"  # the task's own settings, by their key
Where = Callable[..., str]  # the place in the run's file of the setting at a path, such as ("tasks", 0)


@dataclass(frozen=True)
class PlannedModel:
    """A model of the run: the base, or an adapter of it. Requests for an adapter bear the model's name."""

    record: ModelRecord
    identity: ModelIdentity
    adapter: NamedAdapter | None = None

    def inputs(self) -> dict[str, str]:
        """The content hashes that make the identity, by names that a person knows."""
        return dict(_flat("", self.identity.as_dict()))


class Step1Plan:
    """The whole of step 1 under `settings`. Raises InputError for models, tasks or settings that cannot be used."""

    def __init__(self, settings: Step1Settings, tasks: TaskSet, hashes: FileHashes, where: Where) -> None:
        self.settings = settings
        self.tasks = tasks
        self.where = where
        self.chat_template = Path(settings.chat_template) if settings.chat_template else None
        self.template_name = settings.template_name
        self._hashes = hashes
        self._examples: tuple[str, list[Example]] | None = None
        self._task_bases: dict[str, tuple[dict[str, str], dict[str, Any]]] = {}

    @cached_property
    def folder(self) -> Path:
        """The base model's folder; a hub model is fetched into the hub's cache."""
        with blamed_on(self.where("model")):
            return model_folder(self.settings.model.path, self.settings.model.revision)

    @cached_property
    def tokenizer_folder(self) -> Path:
        """Where the base's tokenizer and chat template are: the model's folder unless another is named."""
        named = self.settings.model.tokenizer
        with blamed_on(self.where("model", "tokenizer")):
            return model_folder(named) if named else self.folder

    @cached_property
    def delta_folder(self) -> Path | None:
        """The folder of weights that are added to the base's."""
        named = self.settings.model.delta
        with blamed_on(self.where("model", "delta")):
            return model_folder(named) if named else None

    @cached_property
    def models(self) -> tuple[PlannedModel, ...]:
        """The base, then its adapters by training step."""
        settings = self.settings
        base = ModelRecord(name=settings.model.name, path=settings.model.path)
        whole = settings.engine.use_model_generation_config
        with blamed_on(self.where("model")):
            weights = model_identity(self.folder, self._hashes, whole_generation_config=whole, delta=self.delta_folder)
        planned = [PlannedModel(base, weights)]
        for adapter in self.adapters:
            record = ModelRecord(
                name=adapter.name, path=base.path, adapter=str(adapter.path), training_step=adapter.step
            )
            with blamed_on(self.blame(adapter)):
                planned.append(PlannedModel(record, weights.with_adapter(adapter.path, self._hashes), adapter))
        return tuple(planned)

    @cached_property
    def adapters(self) -> list[NamedAdapter]:
        """The adapters, patterns expanded."""
        entries = self.settings.adapters
        return expand_adapters(entries, self.settings.model.name, lambda number: self.where("adapters", number))

    def blame(self, adapter: NamedAdapter) -> str:
        """The place of the entry that names an adapter."""
        return self.where("adapters", self.settings.adapters.index(adapter.settings))

    @cached_property
    def engine(self) -> dict[str, Any]:
        """What of the engine decides a result, with `auto` and defaults resolved."""
        engine = self.settings.engine.model_dump(mode="json", exclude=set(NEUTRAL_ENGINE))
        config = model_config(self.folder)
        engine["architecture"] = resolve_architecture(self.settings.engine.architecture, config)
        engine["dtype"] = resolve_dtype(self.settings.engine.dtype, config)
        engine["max_length"] = resolve_max_length(self.settings.engine.max_length, config)
        engine["truncation_side"] = "left"
        engine["answers_version"] = ANSWERS_VERSION
        return engine

    @cached_property
    def tokenizers(self) -> dict[str, str | None]:
        """The hash of each model's tokenizer and template, as they are when first asked for."""
        return {model.record.name: self.tokenizer(model) for model in self.models}

    def tokenizer(self, model: PlannedModel) -> str | None:
        """The hash of tokenizer and template that the model's requests go through, read now. Raises AdapterError."""
        folder = self.tokenizer_folder
        if model.adapter is not None:
            with blamed_on(self.blame(model.adapter)):
                folder = adapter_tokenizer(model.adapter.path, folder, model.adapter.settings.tokenizer)
        named = "apply_chat_template" if self.template_name else "model"
        with blamed_on(self.where("chat_template" if self.chat_template else named)):
            return tokenizer_fingerprint(folder, self.chat_template, self.template_name)

    @property
    def units(self) -> list[Unit]:
        """Every model on every task; task by task, so that models can be compared early."""
        return [Unit(model.record.name, task) for task in self.tasks.tasks for model in self.models]

    def manifest(self) -> Manifest:
        return make_manifest(self.settings, [model.record for model in self.models], self.tasks)

    def model(self, name: str) -> PlannedModel:
        return next(model for model in self.models if model.record.name == name)

    def configuration(self) -> dict[str, Any]:
        """What all processes that share this run must agree on. Raises as `check_data`, before weights are hashed."""
        self.check_data()
        return {
            "models": {model.record.name: model.identity.as_dict() for model in self.models},
            "tokenizers": self.tokenizers,
            "engine": self.engine,
            "tasks": {task.name: self._task_basis(task) for task in self.tasks.tasks},
        }

    def basis(self, unit: Unit) -> Basis:
        """What the unit's view follows from."""
        inputs, settings = self._task_basis(unit.task)
        return Basis(
            version=VERSION,
            inputs=self.model(unit.model).inputs() | inputs,
            settings={"engine": self.engine, "tokenizer": self.tokenizers[unit.model], **settings},
        )

    def _task_basis(self, task: Task) -> tuple[dict[str, str], dict[str, Any]]:
        """The task's inputs and settings as they are when first asked for, which is before its documents are read."""
        if task.name not in self._task_bases:
            self._task_bases[task.name] = task.inputs(), self._task_settings(task)
        return self._task_bases[task.name]

    def _task_settings(self, task: Task) -> dict[str, Any]:
        sampling = self.sampling(task)
        generation = self.generation(task)
        return {
            "task": to_plain(task.request_basis(), f"the requests of {task.name}"),
            "prompt": to_plain(vars(self.prompt_settings), "the prompt settings"),
            "generation": generation_dict(generation),
            "seed": None if generation.greedy else sampling.seed,
            "replicate": sampling.replicate,
            "repeats": sampling.repeats,
            "limit": task.limit,
            "samples": self.settings.samples_of(task.name),
        }

    def sampling(self, task: Task) -> Sampling:
        return Sampling(self.settings.seed, self.settings.replicate, task.repeats)

    @property
    def prompt_settings(self) -> PromptSettings:
        """What the run sets about prompts; shots and limit stand in the task entries."""
        settings = self.settings
        return PromptSettings(
            fewshot_seed=settings.fewshot_seed,
            chat=settings.apply_chat_template not in (False, "auto"),
            fewshot_as_multiturn=settings.fewshot_as_multiturn,
            system_instruction=settings.system_instruction,
        )

    def generation(
        self, task: Task, own: Mapping[str, Any] | None = None, *, of_model: bool = True
    ) -> GenerationSettings:
        """The effective settings, weakest source first: model, run, a request's `own`, task, run's override.

        Without `of_model` those of the model's own file are left out: it may have to be fetched.
        """
        sources: list[tuple[str, Mapping[str, Any]]] = []
        if of_model and self.settings.engine.use_model_generation_config:
            sources.append(("generation_config.json", generation_defaults(self.folder)))
        sources.append(("generation", self.settings.generation))
        if own is not None:
            sources.append((f"a request of {task.name}", own))
        sources.append((_OF_TASK, task.generation_kwargs))
        sources.append(("generation_override", self.settings.generation_override))

        def where(source: str, name: str) -> str:
            if source == _OF_TASK:
                return place(task, source, name)
            return self.where(source, name) if source in Step1Settings.model_fields else source

        return effective_generation(sources, where)

    def check_data(self) -> None:
        """Find the data of all tasks. Raises InputError with every fault, those of the hub as one."""
        faults: list[InputError] = []
        unreached: dict[str, HubUnreachableError] = {}
        for task in self.tasks.tasks:
            try:
                self._task_basis(task)
            except HubUnreachableError as error:
                unreached[task.name] = error
            except InputError as error:
                faults.append(error)
        if unreached:
            faults.append(lacking_hub(unreached, self.where("tasks")))
        raise_all(faults)

    def examples(self, task: Task) -> list[Example]:
        """The task's documents with their requests; kept for the next model, which is asked the same."""
        if self._examples is None or self._examples[0] != task.name:
            before = self._task_basis(task)
            chosen = self.settings.samples_of(task.name)
            examples = list(task.examples(self.prompt_settings, task.limit, chosen))
            lacking = set(chosen or ()) - {example.document.index for example in examples}
            if lacking:
                raise DataError(f"{task.name} has no document {min(lacking)}", where=self.where("samples", task.name))
            if not examples:
                raise self._nothing_to_ask(task)
            if (task.inputs(), self._task_settings(task)) != before:
                what = f"the data or the code of {task.name} changed since the run began"
                raise DataError(
                    what, where=self.where("tasks"), fix="Run the same command again: finished calls are kept"
                )
            self._examples = (task.name, examples)
        return self._examples[1]

    def try_prompts(self, tasks: Iterable[Task]) -> None:
        """Render the first document of each task: a missing column must not come to light hours later.

        Raises ModelError where a task asks in messages and the base's tokenizer has no template for them.
        """
        code = self.settings.engine.trust_remote_code  # which may bring a template of its own
        names = chat_templates(self.tokenizer_folder)
        template = code or self.chat_template is not None or self.template_name in names or DEFAULT in names
        for task in tasks:
            first = next(iter(task.examples(self.prompt_settings, limit=1)), None)
            if first is None:
                raise self._nothing_to_ask(task)
            if not template and not all(isinstance(spec.prompt, str) for spec in first.requests):
                raise missing_template(task.name, self.where("model"), tuple(names))

    def _nothing_to_ask(self, task: Task) -> DataError:
        return DataError(f"{task.name} has no document to ask about", where=self.where("tasks"))

    def calls(self, unit: Unit) -> list[list[Call]]:
        """The calls of each of the task's examples, in their order."""
        scope = digest([self.model(unit.model).identity.as_dict(), self.engine, self.tokenizers[unit.model]])
        sampling, known = self.sampling(unit.task), dict[bytes, GenerationSettings]()

        def generation(spec: RequestSpec) -> GenerationSettings:
            key = canonical(spec.generation)
            if key not in known:
                known[key] = self.generation(unit.task, spec.generation)
            return known[key]

        return [list(example_calls(example, scope, generation, sampling)) for example in self.examples(unit.task)]


def make_plan(settings: Step1Settings, hashes: FileHashes, where: Where) -> Step1Plan:
    """The plan of step 1; `where` gives the place of a setting in the run's file. Raises InputError."""
    settings, tasks = run_tasks(settings, hashes, where)
    return Step1Plan(settings, tasks, hashes, where)


def run_tasks(settings: Step1Settings, hashes: FileHashes, where: Where) -> tuple[Step1Settings, TaskSet]:
    """The settings with the run's defaults in each task entry, and the tasks that these name."""
    entries = [_with_run_defaults(entry, settings) for entry in settings.tasks]
    check_folders(settings.include_path, lambda number: where("include_path", number))
    tasks = load_tasks(
        entries,
        settings.include_path,
        settings.trust_task_code,
        hashes,
        lambda number: where("tasks", number),
        seeds=Seeds(settings.python_seed, settings.numpy_seed),
    )
    return settings.model_copy(update={"tasks": entries}), tasks


def _with_run_defaults(entry: TaskSettings, settings: Step1Settings) -> TaskSettings:
    """The entry with the run's `limit` and `num_fewshot` where it has none of its own, and the run's metadata."""
    inherited = {name: getattr(settings, name) for name in INHERITED_BY_TASKS if getattr(entry, name) is None}
    return entry.model_copy(update={**inherited, "metadata": {**settings.metadata, **entry.metadata}})


def _flat(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name in value:
            yield from _flat(f"{path} {name}".strip(), value[name])
    else:
        yield path, str(value)


def distinct(calls: Sequence[Sequence[Call]]) -> dict[str, Call]:
    """The calls by key: equal requests are one call."""
    return {call.key: call for group in calls for call in group}
