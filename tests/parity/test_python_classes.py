"""Python task classes through lm_eval 0.4.13 and through the four steps: equal prompts, answers, values, figures."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from models.chat import render_chat
from pipeline.rows import restore
from tests.project import Project, write_lines
from tests.tiny_models import make_base

os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
lm_eval = pytest.importorskip("lm_eval", reason="the reference is lm_eval")

TASKS = Path(__file__).parent / "class_tasks"
BUNDLED = ("squadv2", "squad_completion", "fda", "swde")
THINGS = ("honey", "iron", "eight", "a play", "carbon", "Lima", "noon", "water", "a penguin", "Jupiter")


def spans() -> list[dict[str, Any]]:
    return [
        {
            "id": f"id{number}",
            "title": f"Of {thing}",
            "context": f"Here we tell of {thing}, the {number}th thing of {len(THINGS)}.",
            "question": f"What is it that is told of{' here' * (number % 3)}?",
            "answers": {"text": [thing] if number % 4 else [], "answer_start": [16] if number % 4 else []},
        }
        for number, thing in enumerate(THINGS)
    ]


def completions() -> list[dict[str, Any]]:
    return [
        {"text": f" The thing is {thing}. Again, the thing is\n", "value": thing, "doc_id": str(number)}
        for number, thing in enumerate(THINGS)
    ]


def choices() -> list[dict[str, Any]]:
    made = [
        {
            "question": f"Which one is number {number}?",
            "choices": [thing, THINGS[(number + 1) % 10], f"{number}"],
            "label": number % 3,
        }
        for number, thing in enumerate(THINGS)
    ]
    return [made[0], made[0] | {"question": "left out"}, *made[1:]]


SETS: dict[str, list[dict[str, Any]]] = {
    "made/spans": spans(),
    "lighteval/squad_v2": spans(),
    "made/choices": choices(),
    "made/pages": [{"page": f"This page is about {thing}.\nIt has two lines."} for thing in THINGS],
    **{f"hazyresearch/based-{name}": completions() for name in ("squad", "fda", "swde-v2")},
}
DATA_OF = {
    "class_two_kinds": "made/spans",
    "class_choices": "made/choices",
    "class_pages": "made/pages",
    "class_settings": "made/choices",
    "class_filters": "made/choices",
    "squadv2": "lighteval/squad_v2",
    "squad_completion": "hazyresearch/based-squad",
    "fda": "hazyresearch/based-fda",
    "swde": "hazyresearch/based-swde-v2",
}


def load_dataset(path: str, name: str | None = None, **_: Any) -> Any:
    from datasets import Dataset, DatasetDict

    records = SETS[path]
    return DatasetDict(
        {split: Dataset.from_list(records) for split in ("validation", "test")}
        | {"train": Dataset.from_list(records[6:])}
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("classes") / "model", max_position_embeddings=1024)


@pytest.fixture(scope="module")
def harness_model(model: Path) -> Any:
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=str(model), device="cpu", dtype="float32", batch_size=1)


def reference(model: Any, tasks: list[str], run: Mapping[str, Any]) -> dict[str, Any]:
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    folders = [TASKS, *(Path(lm_eval.__path__[0]) / "tasks" / name for name in BUNDLED)]
    manager = TaskManager(include_path=[str(folder) for folder in folders], include_defaults=False)
    nothing = mock.Mock(compute=lambda **_: {})  # SQuAD's metric, which stands on the hub
    with mock.patch("datasets.load_dataset", load_dataset), mock.patch("evaluate.load", return_value=nothing):
        found: dict[str, Any] = simple_evaluate(model, tasks=tasks, task_manager=manager, bootstrap_iters=2, **run)
    return found


def pipeline(folder: Path, model: Path, tasks: list[str], step1: Mapping[str, Any]) -> Project:
    for path, records in SETS.items():
        below = folder / "data" / path
        below.mkdir(parents=True)
        write_lines(below / "validation.jsonl", records)
        write_lines(below / "test.jsonl", records)
        write_lines(below / "train.jsonl", records[6:])
    step4 = {"task_code_resamples": 20, "lm_eval_layout": "layout", "lm_eval_samples": True}
    project = Project(folder, {"output_dir": "output/run", "processes": 1, "step4": step4})
    entries = [
        {"name": f"lm_eval:{name}" if name in BUNDLED else name, "data_dir": f"data/{DATA_OF[name]}"} for name in tasks
    ]
    engine = {"dtype": "float32", "device": "cpu", "threads": 1, "use_model_generation_config": True}
    asked = {"engine": engine, "model": str(model), "include_path": [str(TASKS)], "trust_task_code": True}
    settings = project.write_settings(step1={**asked, "tasks": entries, **step1}, step2={}, step3={})
    for command in ("step1", "step2", "step3") if "squadv2" in tasks else ("all",):
        project.run(command, str(settings))
    return project


OWN = ["class_two_kinds", "class_choices", "class_settings", "class_filters"]
CHAT = {"num_fewshot": 1, "limit": 6, "fewshot_as_multiturn": True, "system_instruction": "Be brief."}
RUNS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "as they are": ([*OWN, "class_pages", "squad_completion", "fda", "swde"], {}),
    "with examples": (OWN, {"num_fewshot": 2, "limit": 7}),
    "in chat, with an example": (OWN, {**CHAT, "apply_chat_template": True}),
    "in chat": (["class_two_kinds", "squad_completion"], {"limit": 3, "apply_chat_template": True}),
    "but for figures, which need a network": (["squadv2"], {"limit": 6}),
}


_LONG = ("as they are", "in chat", "with examples")  # each of which the others have a part of


@pytest.mark.parametrize("name", [pytest.param(one, marks=pytest.mark.slow if one in _LONG else ()) for one in RUNS])
def test_a_class_gives_what_it_gives_in_lm_eval(name: str, model: Path, harness_model: Any, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tasks, run = RUNS[name]
    theirs = reference(harness_model, tasks, run)
    project = pipeline(tmp_path, model, tasks, run)
    tokenizer = AutoTokenizer.from_pretrained(model)

    def text(prompt: Any) -> str:
        return prompt if isinstance(prompt, str) else render_chat(tokenizer, prompt)

    for task in tasks:
        views = project.views()
        rows = {step: views[path] for step, name in NAMES.items() if (path := f"base/{task}/{name}") in views}
        by_filter = {(row["index"], row["filter"]): row for row in rows[3]}
        assert len(by_filter) == len(theirs["samples"][task])
        for sample in theirs["samples"][task]:
            generated = rows[1][sample["doc_id"]]
            assert generated["status"] == "ok", generated["error"]
            assert asked(generated, text) == [one[:2] for one in map(arguments, sample["arguments"])]
            scored = by_filter[sample["doc_id"], sample["filter"]]
            assert as_lists(restore(scored["response"])) == near(sample["filtered_resps"])
            assert scored["target"] == sample["target"]
            values = {metric: near(sample[metric]) for metric in sample["metrics"]}
            assert {metric: as_lists(restore(value)) for metric, value in scored["values"].items()} == values
        if 4 in rows:
            compare_layout(tmp_path, task, theirs)
            compare_figures({(row["metric"], row["filter"]): row for row in rows[4]}, theirs["results"][task])


def compare_layout(folder: Path, task: str, theirs: Mapping[str, Any]) -> None:
    """The results written in lm_eval's own layout, as far as they tell of the class."""
    (results,) = (folder / "layout").glob("*/results_*.json")
    found = json.loads(results.read_text(encoding="utf-8"))
    assert found["versions"][task] == theirs["versions"][task]
    assert found["higher_is_better"][task].items() <= theirs["higher_is_better"][task].items()
    (samples,) = (folder / "layout").glob(f"*/samples_{task}_*.jsonl")
    read = [json.loads(line) for line in samples.read_text(encoding="utf-8").splitlines()]
    for one, other in zip(read, theirs["samples"][task], strict=True):
        assert [len(given) for given in one["arguments"].values()] == [len(given) for given in other["arguments"]]
        assert len(one["filtered_resps"]) == len(other["filtered_resps"])  # numbers are texts in that file
        assert one["metrics"] == other["metrics"]


NAMES = {1: "step1_generation.jsonl", 3: "step3_evaluation.jsonl", 4: "step4_eval_scores.jsonl"}


def asked(row: Mapping[str, Any], text: Any) -> list[tuple[Any, ...]]:
    """(prompt, continuation or settings) of each request."""
    found: list[tuple[Any, ...]] = []
    for request in row["requests"]:
        prompt = text(row["prompt"] if request["prompt"] is None else request["prompt"])
        settings = request.get("generation", row["generation"]) or {}
        if request["type"] == "generate_until":
            found.append((prompt, (settings["until"], settings["max_gen_toks"])))
        elif request["type"] == "loglikelihood":
            found += [(prompt, continuation) for continuation in request["continuations"]]
        else:
            found.append((prompt,))
    return found


def arguments(given: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(given) == 2 and isinstance(given[1], dict):
        return given[0], (given[1]["until"], given[1].get("max_gen_toks", 256))
    return given


def near(value: Any) -> Any:
    """The same with numbers that log-likelihoods equal within the bound of float32."""
    if isinstance(value, Mapping):
        return {name: near(one) for name, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [near(one) for one in value]
    return pytest.approx(value, abs=2e-4, rel=1e-6) if isinstance(value, float) else value


def as_lists(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: as_lists(one) for name, one in value.items()}
    return [as_lists(one) for one in value] if isinstance(value, (tuple, list)) else value


def compare_figures(ours: Mapping[tuple[str, str], Mapping[str, Any]], theirs: Mapping[str, Any]) -> None:
    for key, value in theirs.items():
        metric, _, filter_name = key.partition(",")
        if not filter_name or metric.endswith("_stderr"):
            continue
        row = ours[metric, filter_name]
        assert restore(row["value"]) == pytest.approx(value, abs=1e-6, rel=1e-4), key
        error = theirs.get(f"{metric}_stderr,{filter_name}")
        if isinstance(error, float) and row["method"] in ("wilson", "t"):
            assert restore(row["se"]) == pytest.approx(error, abs=1e-5, rel=1e-4), key
