"""A task whose file names a Python class: it says what is asked about each document, and what the answers are worth.

The class is lm_eval's kind (`python_class.py`); steps 2 to 4 know of it by `scorer` alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pipeline.errors import ConfigError, TaskError
from pipeline.fingerprint import FileHashes
from pipeline.rows import to_plain
from tasks.class_data import ClassData, LocalSettings
from tasks.class_requests import as_data, keep_messages, request_specs
from tasks.class_scorer import PythonScorer
from tasks.definition import CodeTable, filter_pipelines
from tasks.documents import number_documents, selected
from tasks.python_class import PythonClass
from tasks.seeds import Seeds
from tasks.task import ClassScorer, Document, Example, Expansion, FilterPipeline, MetricSpec, PromptSettings, TaskCode
from tasks.task_code import task_code
from tasks.task_config import TaskConfig, unsupported
from tasks.task_file import with_functions


@dataclass(frozen=True)
class EntrySettings:
    """What the run says of the task, over what its class says."""

    num_fewshot: int | None = None
    limit: float | None = None
    generation: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class _Made:
    """An object of the class with its data and its documents, as the class has them."""

    task: Any
    data: ClassData
    documents: list[Any]


class PythonTask:
    """See `tasks.task.Task`. The class is loaded, and its data are read, when `examples` or `inputs` is called."""

    output_type = "requests"  # of whatever kinds the class asks
    metrics: Sequence[MetricSpec] = ()
    process_results: str | None = None
    expand: Expansion | None = None

    def __init__(
        self,
        config: TaskConfig,
        local: LocalSettings,
        *,
        trusted: bool,
        file_hashes: FileHashes,
        entry: EntrySettings,
        seeds: Seeds,
    ) -> None:
        """Raises TaskError for code that is not trusted, and for settings that a class has no place for."""
        assert config.python_class is not None
        if problems := unsupported(config.file):
            raise ConfigError(problems)
        if config.expand is not None:
            what = "`expand` is not for tasks with a `class`, which have one row a document"
            raise TaskError(what, where=config.file.where("expand"))
        table = CodeTable(trusted, file_hashes)
        code = task_code(config.python_class, trusted, file_hashes)
        self._class = PythonClass(code, config.task, config.file.values, config.file.path, trusted, local, seeds)
        self._settings = with_functions(config.file.values, table.key)
        self.config = config
        self.name = config.task
        self.repeats = config.repeats
        self.num_fewshot = (config.num_fewshot or 0) if entry.num_fewshot is None else entry.num_fewshot
        self.generation_kwargs: Mapping[str, Any] = entry.generation or {}
        self.limit = entry.limit
        self.slices: Sequence[str] = config.slices
        self.slice_groups: Mapping[str, Mapping[str, Sequence[str]]] = config.slice_groups
        self.cluster = config.cluster
        self.primary_metric = config.primary_metric
        self.version = str(config.metadata.get("version", "")) if isinstance(config.metadata, dict) else ""
        self.filters: Sequence[FilterPipeline] = filter_pipelines(config, table)
        self.code: Mapping[str, TaskCode] = table.code
        self.unsafe_code = config.unsafe_code
        self.seeds = seeds
        self.scorer: ClassScorer | None = PythonScorer(self._class)
        self._entry = entry
        self._file_hashes = file_hashes

    def request_basis(self) -> dict[str, Any]:
        """All that the class is given; lm_eval's version is in the content of its code."""
        code = {key: one.content for key, one in self.code.items()}
        asked = {"settings": self._settings, "code": code, "seeds": vars(self.seeds)}
        plain: dict[str, Any] = to_plain(asked, f"the task {self.name}")
        return plain

    def locate(self) -> None:
        """Which files are wanted is not known before the class is asked."""

    def inputs(self) -> dict[str, str]:
        """The files that the class has read. Raises as `examples` does."""
        return self._made.data.inputs()

    def count(self) -> int:
        return len(self._made.documents)

    def class_version(self) -> Any:
        """What the class says of its version."""
        return getattr(self._class.load(), "VERSION", None)

    def examples(
        self, settings: PromptSettings, limit: int | float | None = None, samples: Sequence[int] | None = None
    ) -> Iterator[Example]:
        """The documents in order with the class's requests. Few-shot draws advance over documents that are left out.

        Raises TaskError where the class fails, DataError where its data are not there.
        """
        made, own = self._made.task, self._made.documents
        count = self._shots(made, settings)
        self._called("set_fewshot_seed", lambda: made.set_fewshot_seed(seed=settings.fewshot_seed))
        for document, asked in selected(number_documents(map(as_data, own)), limit, samples):
            if asked or count:
                example = self._example(made, own[document.index], document, count, settings)
                if asked:
                    yield example

    @cached_property
    def _made(self) -> _Made:
        """The object with all that it reads: `inputs` must not grow while prompts are rendered."""
        made, data = self._class.build(self._file_hashes)
        self._check(made)
        documents = self._called("eval_docs", lambda: list(made.eval_docs))
        if self.num_fewshot:
            self._called("fewshot_docs", lambda: next(iter(made.fewshot_docs()), None))
        return _Made(made, data, documents)

    def _check(self, made: Any) -> None:
        """Raises TaskError where the class does by itself what its file should say."""
        if getattr(made, "MULTIMODAL", False):
            raise self._refused("asks about images or sound, which is not supported")
        if getattr(made, "UNSAFE_CODE", False) and not self.unsafe_code:
            raise self._refused("runs what a model has written", "Say so in the task's file: unsafe_code: true")
        repeats = getattr(made.config, "repeats", None) or 1
        if repeats != self.repeats:
            fix = f"Say so in the task's file: repeats: {repeats}"
            raise self._refused(f"asks each request {repeats} times by itself, its file {self.repeats} times", fix)
        names = [one.name for one in getattr(made, "_filters", ())]
        named = [pipeline.name for pipeline in self.filters]
        if names and names != named:
            fix = "Let filter_list in the task's file name what the class does."
            raise self._refused(f"filters answers by {', '.join(names)}, its file by {', '.join(named)}", fix)

    def _shots(self, made: Any, settings: PromptSettings) -> int:
        """How many examples are shown; the class is told, as the harness does."""
        asked = self._entry.num_fewshot if settings.num_fewshot is None else settings.num_fewshot
        own = getattr(made.config, "num_fewshot", None) or 0
        if asked is None and own != self.num_fewshot:
            fix = "Say in the run's YAML which is meant: num_fewshot, of the task's entry or of step1."
            raise self._refused(f"shows {own} examples, its file says {self.num_fewshot}", fix)
        count = own if asked is None else asked
        made.set_config(key="num_fewshot", value=count)
        return count

    def _example(self, made: Any, own: Any, document: Document, count: int, settings: PromptSettings) -> Example:
        """What the class asks about one document, called as the harness calls it."""
        place = f"for document {document.index}"
        template = keep_messages if settings.chat else None
        context = self._called(
            f"fewshot_context, {place},",
            lambda: made.fewshot_context(
                own,
                num_fewshot=count,
                system_instruction=settings.system_instruction,
                apply_chat_template=settings.chat,
                fewshot_as_multiturn=settings.fewshot_as_multiturn,
                chat_template=template,
                gen_prefix=made.doc_to_prefix(own),
            ),
        )
        instances = self._called(
            f"construct_requests, {place},",
            lambda: made.construct_requests(
                doc=own,
                ctx=context,
                metadata=(self.name, document.index, self.repeats),
                apply_chat_template=settings.chat,
                chat_template=template,
            ),
        )
        specs = request_specs(instances if isinstance(instances, list) else [instances], self._class.code.where)
        if not specs:
            raise self._refused(f"asks nothing about document {document.index}")
        target = self._called(f"doc_to_target, {place},", lambda: made.doc_to_target(own))
        return Example(document, specs[0].prompt, specs, target)

    def _called(self, what: str, function: Any) -> Any:
        return self._class.called(what, function)

    def _refused(self, what: str, fix: str = "") -> TaskError:
        return TaskError(f"the class {self._class.code.name} {what}", where=self._class.code.where, fix=fix)
