"""What a task is to the steps: documents, the requests about each, and what to make of the answers.

Struct definitions alone. Reading YAML is `tasks/loader.py`; a task knows no model and no file of the run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from pipeline.requests import CandidateRule, Prompt, RequestType
from tasks.seeds import Seeds


@dataclass(frozen=True)
class Document:
    """One item of a data set as read. `doc_id` is its content's hash, `#k` for the k-th repetition (from 2)."""

    index: int
    doc_id: str
    data: dict[str, Any]


@dataclass(frozen=True)
class RequestSpec:
    """One request about a document, before generation settings and model are known."""

    type: RequestType
    prompt: Prompt
    continuations: tuple[str, ...] = ()  # candidates, for next_token
    candidate_rule: CandidateRule = "either"  # for next_token
    generation: Mapping[str, Any] | None = None  # generation settings of this request's own, unresolved names allowed


@dataclass(frozen=True)
class Example:
    """A document with what to ask about it."""

    document: Document
    prompt: Prompt  # what is shown as the row's prompt; the requests' own are mostly the same
    requests: tuple[RequestSpec, ...]
    target: Any
    choices: list[str] | None = None
    answer: str | None = None  # in a run of predictions: what another tool has generated; None where it has nothing


@dataclass(frozen=True)
class TaskCode:
    """A function or class that a task's file names, as steps 2 to 4 find it again: no path is in any key."""

    path: Path
    name: str
    content: str  # see `tasks.code_content`
    where: str = field(default="", compare=False)  # file:line, for messages


@dataclass(frozen=True)
class FilterSpec:
    """One step of a filter pipeline: a registered name and its arguments.

    A filter of the task's own is named by its key in `Task.code`; it gets the answers to the whole task at once.
    """

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    where: str = field(default="", compare=False)  # file:line, for messages


@dataclass(frozen=True)
class FilterPipeline:
    """Filters in order, under the name that the values bear."""

    name: str
    steps: tuple[FilterSpec, ...]


@dataclass(frozen=True)
class MetricSpec:
    """One metric as asked for. `aggregation` and `higher_is_better` are None where the metric's own hold.

    `function` and `aggregation` may be keys in `Task.code`. Where the task has `process_results`, that function makes
    the values, and the metrics say how those of a name are aggregated.
    """

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    aggregation: str | None = None
    higher_is_better: bool | None = None
    where: str = field(default="", compare=False)  # file:line, for messages
    label: str | None = None  # tells its values from those of another of the same name
    function: str | None = None  # what values a row, where that is not the registered metric `name`


@dataclass(frozen=True)
class Expansion:
    """One row of step 2 for each entry of a column: the entry's parts become columns of that row's document.

    A document whose list is empty gives no row. `name` is the new column that tells a document's rows apart;
    `failures` are responses that stand for a failed call, which become error rows.
    """

    over: str
    into: tuple[str, ...]
    name: str
    failures: tuple[str, ...] = ()


@dataclass(frozen=True)
class PromptSettings:
    """What a run may set about prompts, over what the task's file says; None leaves the task's own.

    `chat`: whether text prompts become chat messages (tasks in message form always are).
    """

    num_fewshot: int | None = None
    fewshot_seed: int = 1234
    chat: bool = False
    fewshot_as_multiturn: bool = False
    system_instruction: str | None = None


class ClassScorer(Protocol):
    """What a Python class says of the answers to its requests. Every method raises TaskError where the class fails."""

    def check(self) -> None:
        """Load the class. Raises MissingPackageError too."""
        ...

    def values(self, document: Mapping[str, Any], results: Sequence[Any]) -> Mapping[str, Any]:
        """A row's values by name, as the class gives them; raises whatever it raises. `results`: one a request."""
        ...

    def names(self) -> Sequence[str]:
        """Of the values that the class has an aggregation for."""
        ...

    def aggregation(self, name: str) -> str | None:
        """The registered aggregation of the values of a name; None where `figure` makes theirs."""
        ...

    def figure(self, name: str, values: list[Any]) -> float:
        """The figure of all values of a name by the class's own function."""
        ...

    def higher_is_better(self, name: str) -> bool: ...

    def packed(self) -> str:
        """What a worker process makes the same of; it holds paths, and belongs in no basis."""
        ...


class Task(Protocol):
    """One task, loaded without its data; data are read when `examples` is first called."""

    name: str
    version: str
    output_type: RequestType | str
    generation_kwargs: Mapping[str, Any]  # the task's own generation settings, unresolved names allowed
    repeats: int
    filters: Sequence[FilterPipeline]
    metrics: Sequence[MetricSpec]
    primary_metric: str | None
    slices: Sequence[str]
    slice_groups: Mapping[str, Mapping[str, Sequence[str]]]  # slice -> a group's name -> values, averaged unweighted
    expand: Expansion | None
    cluster: str | None
    num_fewshot: int
    limit: float | None  # the run entry's own, over the run's; whoever calls `examples` passes it
    code: Mapping[str, TaskCode]  # functions of the task's own that steps 2 to 4 call, by the key that specs name
    process_results: str | None  # a key in `code`: the function that values a row's answers, instead of metrics
    unsafe_code: bool  # whether its metrics would run what a model has written
    seeds: Seeds  # for the task's own code
    # Where a Python class makes the requests and values the answers; a filtered response is then a list, for each
    # request a text, (log-likelihood, greedy), or the log-likelihood of a whole text.
    scorer: ClassScorer | None

    def request_basis(self) -> dict[str, Any]:
        """The settings that the requests follow from, as JSON can hold them; of documents `inputs` tells."""
        ...

    def inputs(self) -> dict[str, str]:
        """Content hashes of the files that the documents come from, by a name that a person knows."""
        ...

    def count(self) -> int:
        """How many documents there are, asked about or not. Raises InputError where they cannot be read."""
        ...

    def examples(
        self, settings: PromptSettings, limit: int | float | None = None, samples: Sequence[int] | None = None
    ) -> Iterator[Example]:
        """The documents in order with their requests. The first `limit` (a count, or a fraction below 1)."""
        ...


@dataclass(frozen=True)
class Group:
    """Tasks (or groups) under one name. `metrics` names what is averaged; empty averages what all members have."""

    name: str
    members: tuple[str, ...]
    alias: str | None = None
    metrics: tuple[Mapping[str, Any], ...] = ()  # {metric, aggregation: mean, weight_by_size, filter_list}
    version: str | None = None


@dataclass(frozen=True)
class TaskSet:
    """What the run's task entries resolve to: tasks in order, and the groups over them."""

    tasks: tuple[Task, ...]
    groups: tuple[Group, ...]
    skipped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by entry: tasks left out for want of data

    def without(self, names: Collection[str], skipped: Mapping[str, tuple[str, ...]] | None = None) -> TaskSet:
        """The same without some tasks, and without groups of which nothing is left; `skipped` replaces what it was."""
        tasks = tuple(task for task in self.tasks if task.name not in names)
        groups = {group.name: group for group in self.groups}
        gone = set(names)
        while empty := [name for name, group in groups.items() if gone.issuperset(group.members)]:
            gone.update(empty)
            groups = {name: group for name, group in groups.items() if name not in gone}
        kept = tuple(
            replace(group, members=tuple(member for member in group.members if member not in gone))
            for group in groups.values()
        )
        return TaskSet(tasks, kept, self.skipped if skipped is None else skipped)
