"""Results and samples files against those that lm_eval 0.4.13 writes for the same tasks on the same model.

Key by key in their order, type by type, value by value; `OWN` are the few values that cannot be the same.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.project import Project, write_lines
from tests.tiny_models import make_adapter, make_base

os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
pytest.importorskip("lm_eval", reason="the reference is lm_eval")

CHOICES = [
    {"q": f"Which is {n}?", "options": [f"no. {n}", f"nö. {n + 1}", f" no. {n + 2}"], "gold": n % 3} for n in range(7)
]
TEXTS = [{"q": f"Say {n}", "a": f"The answer is {n}", "word": f"{n}"} for n in range(5)]
SCORED = [{"metric": name, "aggregation": "mean", "higher_is_better": True} for name in ("acc", "acc_norm")]
CHOICE = {
    "output_type": "multiple_choice",
    "doc_to_text": "{{q}}",
    "doc_to_target": "gold",
    "doc_to_choice": "options",
    "metric_list": SCORED,
    "metadata": {"version": 1.0},
}
FILTERS = [
    {"name": "first", "filter": [{"function": "regex", "regex_pattern": r"(\w+)"}, {"function": "take_first"}]},
    {"name": "whole", "filter": [{"function": "take_first"}]},
]
TASKS: dict[str, dict[str, Any]] = {
    "lay_one": {"file": "choices", **CHOICE, "num_fewshot": 2, "fewshot_split": "test"},
    "lay_two": {"file": "choices", **CHOICE, "doc_to_target": "{{options[gold]}}", "task_alias": "two"},
    "lay_three": {"file": "few", **CHOICE, "description": "Choose.\n\n", "metadata": {"version": "draft"}},
    "lay_gen": {
        "file": "texts",
        "output_type": "generate_until",
        "doc_to_text": "{{q}}\n",
        "doc_to_target": "!function utils.target",
        "process_docs": "!function utils.first_four",
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": 8},
        "filter_list": FILTERS,
        "metric_list": [
            {"metric": "exact_match", "aggregation": "mean", "higher_is_better": True, "ignore_case": True}
        ],
    },
    "lay_mutual": {
        "file": "choices",
        **CHOICE,
        "metric_list": [
            {"metric": name, "aggregation": "mean", "higher_is_better": True} for name in ("acc", "acc_mutual_info")
        ],
    },
    "lay_inputs": {
        "file": "choices",
        **CHOICE,
        "doc_to_text": "gold",
        "doc_to_target": "{{q}}",
        "metric_list": SCORED[:1],
    },
    "lay_repeated": {
        "file": "texts",
        "output_type": "generate_until",
        "repeats": 2,
        "doc_to_text": "q",
        "doc_to_target": "{{[a, word]}}",
        "process_results": "!function utils.scores",
        "generation_kwargs": {"until": "\n", "max_gen_toks": 4, "do_sample": False},
        "metric_list": [{"metric": "length", "aggregation": "mean", "higher_is_better": False}],
    },
    "lay_corpus": {
        "file": "texts",
        "output_type": "generate_until",
        "doc_to_text": "q",
        "doc_to_target": "a",
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": 4},
        "metric_list": [{"metric": name, "aggregation": name, "higher_is_better": True} for name in ("bleu", "chrf")],
    },
    "lay_pairs": {
        "file": "choices",
        **CHOICE,
        "metric_list": [
            {"metric": "mcc", "aggregation": "matthews_corrcoef", "higher_is_better": True},
            {"metric": "brier_score", "aggregation": "brier_score", "higher_is_better": False},
        ],
    },
    "lay_next": {"file": "texts", "output_type": "loglikelihood", "doc_to_text": "q", "doc_to_target": " {{word}}"},
    "lay_whole": {"file": "texts", "output_type": "loglikelihood_rolling", "doc_to_text": "", "doc_to_target": "a"},
}
GROUPS = {
    "lay": {
        "group": "lay",
        "group_alias": "Layout",
        "task": ["lay_one", "lay_two", "lay_three"],
        "aggregate_metric_list": [{"metric": "acc"}, {"metric": "acc_norm", "weight_by_size": False}],
        "metadata": {"version": 2},
    },
    "lay_all": {
        "group": "lay_all",
        "task": ["lay", *(name for name in TASKS if name not in ("lay_one", "lay_two", "lay_three"))],
    },
}
CODE = '''
def target(doc):
    """Gold."""
    return doc["a"]


def scores(doc, results):
    return {"length": len(results[0]), "given": 1.0}


def first_four(dataset):
    return dataset.select(range(4))
'''
# What each says of its own way to run: batches, machine, time.
OWN = {"batch_size", "bootstrap_iters", "device", "date", "git_hash", "upper_git_hash", "pretty_env_info"}
OWN |= {"total_evaluation_time_seconds"}
# Errors that the harness draws at random, or does not have; what it logs of a sample without a value, and of one whose
# probabilities it logs as the text of an array.
OWN_VALUES = {"bypass", "brier_score"} | {
    f"{name}_stderr,none"
    for name in (
        "perplexity",
        "word_perplexity",
        "byte_perplexity",
        "bits_per_byte",
        "chrf",
        "bleu",
        "mcc",
        "brier_score",
    )
}


class Case:
    """The same run in both forms."""

    def __init__(self, step1: dict[str, Any], lm_eval: dict[str, Any], shared: dict[str, Any] | None = None) -> None:
        self.step1, self.lm_eval, self.shared = step1, lm_eval, shared or {}


CHAT = {"apply_chat_template": True, "fewshot_as_multiturn": True, "system_instruction": "Be brief."}
CASES = {
    "an adapter": Case({"adapters": ["{folder}/lora"], "limit": 4}, {"limit": 4}),
    "chat, and settings of the command": Case(
        CHAT | {"generation_override": {"max_gen_toks": 5}, "fewshot_seed": 7},
        CHAT | {"gen_kwargs": {"max_gen_toks": 5}, "fewshot_random_seed": 7},
    ),
    "predictions alone": Case({}, {"predict_only": True}, {"predict_only": True}),
}


PARAMETERS = [pytest.param(name, marks=pytest.mark.slow if name == "an adapter" else ()) for name in CASES]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("layout")
    make_adapter(make_base(folder / "base"), folder / "lora")
    for name, rows in (("choices", CHOICES), ("few", CHOICES[:3]), ("texts", TEXTS)):
        write_lines(folder / f"{name}.jsonl", rows)
    tasks = folder / "tasks"
    tasks.mkdir()
    (tasks / "utils.py").write_text(CODE)
    for name, settings in TASKS.items():
        data = {
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(folder / f"{settings['file']}.jsonl")}},
        }
        keys = {"task": name, **data, "test_split": "test", **settings}
        del keys["file"]
        text = re.sub(r"'(!function [\w.]+)'", r"\1", yaml.safe_dump(keys, sort_keys=False))
        (tasks / f"{name}.yaml").write_text(text)
    for name, settings in GROUPS.items():
        (tasks / f"{name}.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    return folder


def theirs(folder: Path, out: Path, options: dict[str, Any], adapter: bool) -> Path:
    """The folder that lm_eval writes, driven as its command line drives it."""
    from lm_eval import simple_evaluate
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    arguments = {"pretrained": str(folder / "base"), **({"peft": str(folder / "lora")} if adapter else {})}
    arguments["dtype"] = "float32"
    tracker = EvaluationTracker(output_path=str(out))
    results = simple_evaluate(
        model="hf",
        model_args=dict(arguments),
        tasks=["lay_all"],
        device="cpu",
        batch_size=1,
        evaluation_tracker=tracker,
        task_manager=TaskManager(include_path=str(folder / "tasks"), include_defaults=False, metadata=dict(arguments)),
        bootstrap_iters=100,
        **{"fewshot_as_multiturn": False, **options},
    )
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    for name in results["configs"]:
        tracker.save_results_samples(task_name=name, samples=samples[name])
    (written,) = out.iterdir()
    return written


def ours(folder: Path, place: Path, case: Case) -> tuple[Project, Path]:
    """The project that ran, and the folder of its last model."""
    step1 = {
        "engine": {"dtype": "float32", "threads": 1},
        "model": str(folder / "base"),
        "include_path": [str(folder / "tasks")],
        "trust_task_code": True,
        "apply_chat_template": False,
        "tasks": ["lay_all"],
        **json.loads(json.dumps(case.step1).replace("{folder}", str(folder))),
    }
    step4 = {"lm_eval_layout": "layout", "lm_eval_samples": True}
    project = Project(place, {"output_dir": "output/run", **case.shared, "step1": step1, "step4": step4})
    project.run("all", str(project.write_settings()))
    name = str(folder / ("lora" if "adapters" in case.step1 else "base"))
    return project, place / "layout" / name.replace("/", "__")


def read(folder: Path, pattern: str) -> dict[str, Any]:
    """The content of the files by their names without the time."""
    found = {}
    for path in sorted(folder.glob(pattern)):
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if path.suffix == ".jsonl"]
        found[path.name.rpartition("_")[0]] = lines or json.loads(path.read_text(encoding="utf-8"))
    return found


def differences(one: Any, two: Any, path: str = "") -> Iterator[str]:
    """What differs: keys and their order, types, lengths, values; numbers by more than float32 sums differ."""
    key = path.rpartition("/")[2]
    if key in OWN_VALUES or (key in OWN and (None in (one, two) or kind(one) is kind(two))):
        return
    if isinstance(two, str) and two.startswith("<function "):  # its address in memory
        assert isinstance(one, str)
        return
    if kind(one) is not kind(two):
        yield f"{path}: {one!r} is no {type(two).__name__} as {two!r} is"
    elif isinstance(one, dict):
        if list(one) != list(two):
            yield f"{path}: keys {list(one)} and {list(two)}"
        for name in one.keys() & two.keys():
            yield from differences(one[name], two[name], f"{path}/{name}")
    elif isinstance(one, list):
        if len(one) != len(two):
            yield f"{path}: {len(one)} and {len(two)} items"
        for number, (first, second) in enumerate(zip(one, two, strict=False)):
            yield from differences(first, second, f"{path}[{number}]")
    elif not equal(one, two):
        yield f"{path}: {one!r} and {two!r}"


def kind(value: Any) -> type:
    """The type as JSON has it: one for all numbers."""
    return float if type(value) is int else type(value)


def equal(one: Any, two: Any) -> bool:
    if one == two:
        return True
    try:
        return abs(float(one) - float(two)) <= 2e-4 + 1e-6 * abs(float(two))
    except (TypeError, ValueError):
        return False


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Project, Path, Path]]:
    """Each case once: the project, its folder, lm_eval's folder."""
    known: dict[str, tuple[Project, Path, Path]] = {}

    def once(name: str) -> tuple[Project, Path, Path]:
        if name not in known:
            place = tmp_path_factory.mktemp("case")
            case = CASES[name]
            project, found = ours(folder, place, case)
            known[name] = project, found, theirs(folder, place / "theirs", case.lm_eval, "adapters" in case.step1)
        return known[name]

    return once


@pytest.mark.parametrize("name", PARAMETERS)
def test_results(name: str, run: Callable[[str], tuple[Project, Path, Path]]) -> None:
    _, found, expected = run(name)
    one, two = read(found, "results_*.json")["results"], read(expected, "results_*.json")["results"]
    assert "\n".join(differences(one, two)) == ""
    assert one["results"]["lay_gen"].keys() > {"name", "alias", "sample_len"}


@pytest.mark.parametrize("name", PARAMETERS)
def test_samples(name: str, run: Callable[[str], tuple[Project, Path, Path]]) -> None:
    _, found, expected = run(name)
    one, two = read(found, "samples_*.jsonl"), read(expected, "samples_*.jsonl")
    assert sorted(one) == sorted(f"samples_{task}" for task in TASKS)
    assert "\n".join(differences(one, two)) == ""
    hashes = [
        [sample[key] for sample in samples for key in ("doc_hash", "prompt_hash", "target_hash")]
        for side in (one, two)
        for samples in (side["samples_lay_gen"],)
    ]
    assert hashes[0] == hashes[1]
