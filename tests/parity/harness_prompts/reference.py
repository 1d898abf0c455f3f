"""lm_eval's own task over documents given here: its requests, and what it makes of answers."""

from __future__ import annotations

import copy
import inspect
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from tasks.own_generators import note_generators, rewind_generators
from tasks.task import PromptSettings
from tests.parity.harness_prompts import answers

Splits = Mapping[str, list[dict[str, Any]]]
Prompts = list[tuple[Any, ...]]
Answers = dict[int, list[list[Any]]]  # of each request of a document, one a repetition


@dataclass(frozen=True)
class Row:
    """What a filter pipeline gives of a document's answers, and their values by metric."""

    filtered: Any
    values: dict[str, Any]


@dataclass(frozen=True)
class Scored:
    """Rows by document and filter pipeline; figures by `metric,filter`."""

    rows: dict[tuple[int, str], Row]
    figures: dict[str, Any]


def read_config(path: Path) -> dict[str, Any]:
    """A task file's settings with its functions, as lm_eval's factory hands them to the task."""
    from lm_eval.tasks._yaml_loader import load_yaml

    config = load_yaml(path)
    for function in filter(inspect.isfunction, config.values()):
        note_generators(function.__globals__)
    return {key: value for key, value in config.items() if key not in ("tag", "group", "task_list")}


def split_names(config: Mapping[str, Any]) -> list[str]:
    named = [config.get(f"{name}_split") for name in ("training", "validation", "test", "fewshot")]
    named.append((config.get("fewshot_config") or {}).get("split"))
    return list(dict.fromkeys(name for name in named if name))


class Reference:
    """A task made of a configuration and documents. Raises whatever lm_eval raises."""

    def __init__(self, config: dict[str, Any], splits: Splits) -> None:
        from datasets import Dataset, DatasetDict
        from lm_eval.api.task import ConfigurableTask

        data = DatasetDict({name: Dataset.from_list(records) for name, records in splits.items()})
        with mock.patch("datasets.load_dataset", return_value=data):
            self.task = ConfigurableTask(config=_seeded(copy.deepcopy(config)))
        self._own_fewshot = config.get("num_fewshot")

    def requests(self, settings: PromptSettings) -> tuple[dict[int, Prompts], set[int]]:
        """(context, continuation or settings …) of each document; and which were shown among their own examples."""
        task, shown = self.task, set()
        count = self._own_fewshot if settings.num_fewshot is None else settings.num_fewshot
        task.set_config(key="num_fewshot", value=count)
        task.set_fewshot_seed(settings.fewshot_seed)
        with _watched(task, shown):
            task.build_all_requests(
                system_instruction=settings.system_instruction,
                apply_chat_template=settings.chat,
                fewshot_as_multiturn=settings.fewshot_as_multiturn,
                chat_template=_messages_as_json if settings.chat else None,
            )
        found: dict[int, Prompts] = {}
        for instance in task.instances:
            found.setdefault(instance.doc_id, []).append(_explicit(instance.args))
        return found, shown

    def answer(self, generator: random.Random) -> Answers:
        """Give each request of the last `requests` made-up answers, one a repetition."""
        found: Answers = {}
        documents = dict(self.task.doc_iterator())
        for instance in self.task.instances:
            right = _right(self.task, documents[instance.doc_id])
            instance.resps = [self._answer(instance, generator, right) for _ in range(instance.repeats)]
            found.setdefault(instance.doc_id, []).append(list(instance.resps))
        return found

    def _answer(self, instance: Any, generator: random.Random, right: list[Any]) -> Any:
        if instance.request_type == "generate_until":
            return answers.text(generator, right, answers.forms_for(self.task.config.filter_list or ()))
        scored = answers.score(generator)
        return scored[0] if instance.request_type == "loglikelihood_rolling" else scored

    def scored(self) -> Scored:
        """What lm_eval makes of the answers, by its own filters, metrics and aggregations."""
        from lm_eval.evaluator_utils import _compute_task_aggregations

        self.task.apply_filters()
        requests: dict[int, list[Any]] = {}
        for instance in self.task.instances:
            requests.setdefault(instance.doc_id, []).append(instance)
        rows: dict[tuple[int, str], Row] = {}
        columns: dict[tuple[str, str], list[Any]] = {}
        for name in self.task.instances[0].filtered_resps:
            for index, document in self.task.doc_iterator():
                filtered = [one.filtered_resps[name] for one in sorted(requests[index], key=lambda one: one.idx)]
                values = self.task.process_results(document, filtered)
                rows[index, name] = Row(filtered, values)
                for metric, value in values.items():
                    columns.setdefault((metric, name), []).append(value)
        figures, _ = _compute_task_aggregations(self.task, columns, bootstrap_iters=0)
        return Scored(rows, {key: value for key, value in figures.items() if "_stderr," not in key})


def _right(task: Any, document: Any) -> list[Any]:
    """Texts that a right answer may be, as far as the task tells."""
    target = task.doc_to_target(document)
    choices = task.doc_to_choice(document) if task.config.doc_to_choice is not None else None
    named = target if isinstance(target, list) else [target]
    if choices:
        named = [choices[one] if isinstance(one, int) and 0 <= one < len(choices) else one for one in named]
    return [*named, *(choices or ())]


def _explicit(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The settings of a generation with its length, which the model class supplies where a task leaves it out."""
    context, *rest = arguments
    return (context, *({"max_gen_toks": 256, **one} if isinstance(one, dict) else one for one in rest))


def _messages_as_json(messages: list[dict[str, str]], add_generation_prompt: bool) -> str:
    assert add_generation_prompt == (messages[-1]["role"] != "assistant")
    return json.dumps(messages)


def _watched(task: Any, shown: set[int]) -> Any:
    """While it lasts, documents are noted whose few-shot examples hold the document itself."""
    numbers = iter(range(1_000_000))
    original = task.fewshot_context

    def fewshot_context(doc: Any, *arguments: Any, **settings: Any) -> Any:
        number, sample = next(numbers), task.sampler.sample

        def drawn(*given: Any, **more: Any) -> Any:
            found = sample(*given, **more)
            if doc in found:
                shown.add(number)
            return found

        with mock.patch.object(task.sampler, "sample", drawn):
            return original(doc, *arguments, **settings)

    return mock.patch.object(task, "fewshot_context", fewshot_context)


def _seeded(config: dict[str, Any]) -> dict[str, Any]:
    """The settings with functions that make documents drawing the same at each call, as they do here."""
    makers = ("process_docs", "custom_dataset")
    seeded = {name: _sown(config[name]) for name in makers if callable(config.get(name))}
    fewshot = config.get("fewshot_config")
    if isinstance(fewshot, dict) and callable(fewshot.get("process_docs")):
        seeded["fewshot_config"] = fewshot | {"process_docs": _sown(fewshot["process_docs"])}
    return config | seeded


def _sown(function: Callable[..., Any]) -> Callable[..., Any]:
    def sown(*arguments: Any, **settings: Any) -> Any:
        import numpy as np

        random.seed(0)
        np.random.seed(1234)
        rewind_generators()
        return function(*arguments, **settings)

    return sown
