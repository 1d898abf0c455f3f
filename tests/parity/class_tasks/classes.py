"""Task classes of the kinds that people write against lm_eval, on documents of a few columns."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import exp
from typing import Any

import numpy as np
from lm_eval.api.instance import Instance
from lm_eval.api.metrics import mean, weighted_perplexity
from lm_eval.api.task import ConfigurableTask, MultipleChoiceTask, PerplexityTask


def share(key: str, items: list[tuple[str, dict[str, Any]]]) -> float:
    """Over all documents at once: of those whose answer has the kind `key`, the share that was found."""
    found = [said.strip() in gold["answers"] for said, gold in items if gold["kind"] == key]
    return sum(found) / len(found) if found else 0.0


class TwoKinds(ConfigurableTask):
    """Generates, and scores one continuation besides; aggregates objects; takes no settings."""

    VERSION = 3
    DATASET_PATH = "made/spans"
    DATASET_NAME = None

    def __init__(self, config: Any = None) -> None:
        super().__init__(config={"metadata": {"version": self.VERSION}})

    def has_training_docs(self) -> bool:
        return True

    def has_validation_docs(self) -> bool:
        return True

    def has_test_docs(self) -> bool:
        return False

    def training_docs(self) -> Any:
        return self.dataset["train"]

    def validation_docs(self) -> Any:
        return self.dataset["validation"]

    def doc_to_text(self, doc: dict[str, Any], doc_to_text: Any = None) -> str:
        return f"Background: {doc['context']}\n\nQuestion: {doc['question']}\n\nAnswer:"

    def doc_to_target(self, doc: dict[str, Any], doc_to_target: Any = None) -> str:
        return " " + (doc["answers"]["text"] or ["unanswerable"])[0]

    def construct_requests(
        self, doc: dict[str, Any], ctx: str, chat_template: Any = None, apply_chat_template: bool = False, **kwargs: Any
    ) -> list[Instance]:
        settings = {"until": ["\n"], "max_gen_toks": 5 + len(doc["question"]) % 2}
        return [
            Instance(request_type="generate_until", doc=doc, arguments=(ctx, settings), idx=0, **kwargs),
            Instance(request_type="loglikelihood", doc=doc, arguments=(ctx, " unanswerable"), idx=0, **kwargs),
        ]

    def process_results(self, doc: dict[str, Any], results: list[Any]) -> dict[str, Any]:
        said, (logprob, greedy) = results
        golds = {"answers": doc["answers"]["text"], "kind": "long" if len(doc["question"]) > 30 else "short"}
        values = {"no_answer": exp(logprob), "greedy": int(greedy), "words": (logprob, len(doc["context"].split()))}
        return values | {"long": (said, golds), "short": (said, golds)}

    def aggregation(self) -> dict[str, Callable[..., float]]:
        own = {key: partial(share, key) for key in ("long", "short")}
        return {"no_answer": mean, "greedy": np.mean, "words": weighted_perplexity, **own}

    def higher_is_better(self) -> dict[str, bool]:
        return {"no_answer": False, "greedy": True, "words": False, "long": True, "short": True}


class Choices(MultipleChoiceTask):
    """The older kind, without a configuration of its own; documents are made of those that are read."""

    VERSION = 1
    DATASET_PATH = "made/choices"

    def has_training_docs(self) -> bool:
        return False

    def has_validation_docs(self) -> bool:
        return True

    def has_test_docs(self) -> bool:
        return False

    def validation_docs(self) -> list[dict[str, Any]]:
        return [{**doc, "gold": int(doc["label"])} for doc in self.dataset["validation"]]

    def doc_to_text(self, doc: dict[str, Any]) -> str:
        return f"Question: {doc['question']}\nAnswer:"

    def construct_requests(self, doc: dict[str, Any], ctx: str, **kwargs: Any) -> list[Instance]:
        return super().construct_requests(doc, ctx, metadata=kwargs["metadata"])


class Pages(PerplexityTask):
    """Documents that are texts and no mappings."""

    VERSION = 1
    DATASET_PATH = "made/pages"

    def has_validation_docs(self) -> bool:
        return False

    def has_test_docs(self) -> bool:
        return True

    def test_docs(self) -> list[str]:
        return [doc["page"] for doc in self.dataset["test"]]

    def fewshot_context(self, doc: str, num_fewshot: int, **kwargs: Any) -> str:
        return ""

    def construct_requests(self, doc: str, ctx: str, **kwargs: Any) -> Instance:
        return super().construct_requests(doc, ctx, metadata=kwargs["metadata"])


class FromSettings(ConfigurableTask):
    """Takes the whole task file, and adds a value to those that its metrics give."""

    def __init__(
        self, data_dir: Any = None, cache_dir: Any = None, download_mode: Any = None, config: Any = None
    ) -> None:
        config.pop("class")
        self.bonus = config.pop("bonus")
        super().__init__(data_dir, cache_dir, download_mode, config)

    def download(self, dataset_kwargs: Any = None, **kwargs: Any) -> None:
        super().download(dataset_kwargs, **kwargs)
        for split in list(self.dataset):
            self.dataset[split] = self.dataset[split].filter(lambda doc: doc["question"] != "left out")

    def process_results(self, doc: dict[str, Any], results: list[Any]) -> dict[str, Any]:
        return {**super().process_results(doc, results), "bonus": self.bonus + len(doc["question"])}

    def aggregation(self) -> dict[str, Callable[..., float]]:
        return {**super().aggregation(), "bonus": max}

    def higher_is_better(self) -> dict[str, bool]:
        return {**super().higher_is_better(), "bonus": True}
