"""Prompts, continuations and targets equal lm-evaluation-harness 0.4.13's own, byte for byte."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import TaskSettings
from pipeline.fingerprint import FileHashes
from tasks.definition import scoring_settings
from tasks.loader import load_tasks
from tasks.task import Example, PromptSettings

os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
pytest.importorskip("lm_eval", reason="the reference is lm_eval")

DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the real data are not here")
Prompts = list[tuple[Any, ...]]


def bundled_config(name: str, **changes: Any) -> dict[str, Any]:
    """The settings of lm_eval's own task file."""
    import lm_eval
    from lm_eval.tasks._yaml_loader import load_yaml

    family, _, _ = name.partition("_")
    folder = Path(lm_eval.__path__[0]) / "tasks" / family
    config = load_yaml(folder / f"{name.removeprefix('blimp_')}.yaml")
    return {key: value for key, value in config.items() if key not in ("tag", "dataset_name")} | changes


def reference(
    config: dict[str, Any],
    settings: PromptSettings,
    files: dict[str, str],
    cache: Path,
    limit: int | None = None,
) -> Prompts:
    """(context, continuation …) of every request, as lm_eval builds it; contexts as JSON of messages under chat."""
    from lm_eval.api.task import ConfigurableTask

    config = config | {"dataset_path": "json", "dataset_kwargs": {"data_files": files, "cache_dir": str(cache)}}
    if settings.num_fewshot is not None:
        config["num_fewshot"] = settings.num_fewshot
    task = ConfigurableTask(config=config)
    task.set_fewshot_seed(settings.fewshot_seed)
    task.build_all_requests(
        limit=limit,
        system_instruction=settings.system_instruction,
        apply_chat_template=settings.chat,
        fewshot_as_multiturn=settings.fewshot_as_multiturn,
        chat_template=_messages_as_json if settings.chat else None,
    )
    return [
        instance.args[: 1 if config.get("output_type") == "generate_until" else None] for instance in task.instances
    ]


def _messages_as_json(messages: list[dict[str, str]], add_generation_prompt: bool) -> str:
    assert add_generation_prompt == (messages[-1]["role"] != "assistant")
    return json.dumps(messages)


def ours(
    name: str, settings: PromptSettings, files: dict[str, str], folder: Path | None = None, limit: int | None = None
) -> tuple[Prompts, list[Example]]:
    """The same of this project's task."""
    entry = TaskSettings(name=name, data_files=files)
    (task,) = load_tasks([entry], [str(folder)] if folder else [], True, FileHashes()).tasks
    examples = list(task.examples(settings, limit))
    flat: Prompts = []
    for example in examples:
        for request in example.requests:
            context = request.prompt if isinstance(request.prompt, str) else json.dumps(request.prompt)
            if request.type in ("generate_until", "loglikelihood_rolling"):
                flat.append((context,))
            flat += [(context, continuation) for continuation in request.continuations]
    return flat, examples


GSM8K = {"train": str(DATA / "gsm8k" / "train.jsonl"), "test": str(DATA / "gsm8k" / "test.jsonl")}
SETTINGS = {
    "plain": PromptSettings(),
    "zero-shot": PromptSettings(num_fewshot=0),
    "another seed": PromptSettings(fewshot_seed=7),
    "system": PromptSettings(system_instruction="Think."),
    "chat": PromptSettings(chat=True),
    "chat, turns": PromptSettings(chat=True, fewshot_as_multiturn=True, system_instruction="Think."),
}


@needs_data
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_gsm8k(settings: PromptSettings, tmp_path: Path) -> None:
    expected = reference(bundled_config("gsm8k"), settings, GSM8K, tmp_path, limit=30)
    found, examples = ours("gsm8k", settings, GSM8K, limit=30)
    assert found == expected
    assert len(found) == 30
    assert all(example.target == example.document.data["answer"] for example in examples)


@needs_data
def test_gsm8k_chosen_documents_get_the_prompts_of_the_whole_run() -> None:
    (task,) = load_tasks([TaskSettings(name="gsm8k", data_files=GSM8K)], [], False, FileHashes()).tasks
    whole = list(task.examples(PromptSettings(), limit=50))
    chosen = list(task.examples(PromptSettings(), samples=[41, 3]))
    assert chosen == [whole[3], whole[41]]


@needs_data
@pytest.mark.parametrize("paradigm", ["causative", "principle_A_domain_1", "wh_vs_that_with_gap"])
@pytest.mark.parametrize("settings", [PromptSettings(), PromptSettings(num_fewshot=2), SETTINGS["chat"]])
def test_blimp(paradigm: str, settings: PromptSettings, tmp_path: Path) -> None:
    files = {"train": str(DATA / "blimp" / f"{paradigm}.jsonl")}
    expected = reference(bundled_config(f"blimp_{paradigm}"), settings, files, tmp_path, limit=100)
    found, examples = ours(f"blimp_{paradigm}", settings, files, limit=100)
    assert found == expected
    assert len(found) == 200
    assert {example.target for example in examples} == {0}


@needs_data
def test_gsm8k_scores_by_the_same_filters_and_metrics() -> None:
    """The bundled file says of filters, metric and generation what lm_eval's file says."""
    config = bundled_config("gsm8k")
    (task,) = load_tasks([TaskSettings(name="gsm8k", data_files=GSM8K)], [], False, FileHashes()).tasks
    said = scoring_settings(task)
    assert said["filter_list"] == config["filter_list"]
    assert said["metric_list"] == config["metric_list"]
    assert dict(task.generation_kwargs) == config["generation_kwargs"]


CHOICES = [
    {
        "q": f"Which is {n}?",
        "options": [f"no. {n}", f"no. {n + 1}", f" no. {n + 2}"],
        "gold": n % 3,
        "hint": "It is",
        "id": n,
    }
    for n in range(8)
]
CHOICES.append(CHOICES[2])  # a repetition: the sampler must not show it before itself
TEXTS = [{"q": f"Say {n}\n", "a": f"[{n}", "long": f"a text of {n} words "} for n in range(12)]
MULTIPLE = {
    "output_type": "multiple_choice",
    "doc_to_text": "{{q}}",
    "doc_to_target": "gold",
    "doc_to_choice": "options",
    "num_fewshot": 3,
    "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
}
GENERATED = {
    "output_type": "generate_until",
    "doc_to_text": "q",
    "doc_to_target": "{{a}}",
    "num_fewshot": 2,
    "generation_kwargs": {"until": ["\n"]},
    "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
}
VARIANTS: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "shots from the evaluated split": (CHOICES, MULTIPLE | {"validation_split": "test"}),
    "named test split as pool": (CHOICES, MULTIPLE | {"test_split": "test", "fewshot_split": "test"}),
    "first examples in order": (
        CHOICES,
        MULTIPLE | {"validation_split": "test", "training_split": "train", "fewshot_config": {"sampler": "first_n"}},
    ),
    "own examples": (
        CHOICES,
        MULTIPLE | {"test_split": "test", "fewshot_config": {"samples": CHOICES[:5], "sampler": "first_n"}},
    ),
    "description and delimiters": (
        CHOICES,
        MULTIPLE
        | {
            "test_split": "test",
            "fewshot_split": "train",
            "description": "About {{q}}",
            "target_delimiter": " => ",
            "fewshot_delimiter": "\n##\n",
        },
    ),
    "letters for choices": (
        CHOICES,
        MULTIPLE
        | {
            "test_split": "test",
            "fewshot_split": "train",
            "doc_to_choice": ["A", "B", "C"],
            "doc_to_target": "{{gold}}",
            "doc_to_text": "{{q}}\n{% for o in options %}{{'ABC'[loop.index0]}}. {{o}}\n{% endfor %}Answer:",
        },
    ),
    "target by its text": (
        CHOICES,
        MULTIPLE | {"test_split": "test", "fewshot_split": "train", "doc_to_target": "{{options[gold]}}"},
    ),
    "prefix of the answer": (
        CHOICES,
        MULTIPLE | {"test_split": "test", "fewshot_split": "train", "gen_prefix": "{{hint}}"},
    ),
    "prefix from a column": (TEXTS, GENERATED | {"test_split": "test", "fewshot_split": "train", "gen_prefix": "long"}),
    "prefix that some documents lack": (
        [{**text, "long": None if number % 3 else "So"} for number, text in enumerate(TEXTS)],
        GENERATED | {"test_split": "test", "fewshot_split": "train", "gen_prefix": "long"},
    ),
    "other examples than questions": (
        TEXTS,
        GENERATED
        | {
            "test_split": "test",
            "fewshot_split": "train",
            "gen_prefix": "So",
            "fewshot_config": {
                "doc_to_text": "Example: {{q|trim|upper}}",
                "doc_to_target": "{{a|regex_replace('[0-9]', '#')}}",
                "gen_prefix": "",
                "target_delimiter": "->",
                "fewshot_delimiter": "|",
            },
        },
    ),
    "template that ends in a line break": (
        TEXTS,
        GENERATED | {"test_split": "test", "fewshot_split": "train", "doc_to_text": "{{long}}\n"},
    ),
    "loglikelihood": (
        TEXTS,
        GENERATED
        | {
            "output_type": "loglikelihood",
            "test_split": "test",
            "fewshot_split": "train",
            "doc_to_target": " {{a}}",
            "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        },
    ),
    "loglikelihood_rolling": (
        TEXTS,
        {
            "output_type": "loglikelihood_rolling",
            "test_split": "test",
            "doc_to_text": "",
            "doc_to_target": "{{long}}",
            "metric_list": [
                {"metric": "word_perplexity", "aggregation": "weighted_perplexity", "higher_is_better": False}
            ],
        },
    ),
}
RUNS = {
    "plain": PromptSettings(),
    "chat": PromptSettings(chat=True, system_instruction="Be brief."),
    "turns": PromptSettings(chat=True, fewshot_as_multiturn=True),
}


@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_form_of_prompt(
    variant: str, settings: PromptSettings, tmp_path: Path, write_task: Callable[[str, dict[str, Any]], Path]
) -> None:
    documents, keys = VARIANTS[variant]
    files = {}
    for split, rows in (("test", documents), ("train", documents[::-1])):
        file = tmp_path / f"{split}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        files[split] = str(file)
    folder = write_task("variant", keys)
    expected = reference({"task": "variant", **keys}, settings, files, tmp_path / "cache")
    found, _ = ours("variant", settings, files, folder)
    assert found == expected


@pytest.fixture
def write_task(tmp_path: Path) -> Callable[[str, dict[str, Any]], Path]:
    def write(name: str, keys: dict[str, Any]) -> Path:
        folder = tmp_path / "tasks"
        folder.mkdir()
        (folder / f"{name}.yaml").write_text(json.dumps({"task": name, **keys}))
        return folder

    return write
