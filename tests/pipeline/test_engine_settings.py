"""Settings of the engine through the steps: several samples, truncation, system prompts, replicas, what is in the keys."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import EngineSettings
from pipeline.config_load import load
from pipeline.fingerprint import FileHashes
from steps.step1_plan import make_plan
from tests.project import Project
from tests.tiny_models import make_base

SAMPLED = """
task: sampled
dataset_path: json
dataset_kwargs: {data_files: {test: data/test.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_target: "{{answer}}"
repeats: 3
generation_kwargs: {temperature: 0.8, max_gen_toks: 8}
filter_list:
  - {name: all, filter: [{function: take_first_k, k: 3}]}
metric_list: [{metric: exact_match}]
"""


@pytest.fixture
def sampling(project: Project) -> Project:
    """The project with a task of three samples a document, a system instruction, and little room for prompts."""
    (project.folder / "tasks").mkdir()
    (project.folder / "tasks" / "sampled.yaml").write_text(SAMPLED)
    project.settings["step1"] |= {
        "include_path": ["tasks"],
        "tasks": ["sampled", *project.settings["step1"]["tasks"]],
        "adapters": ["models/sft/checkpoint-100"],
        "engine": {"threads": 1, "max_length": 150},
        "system_instruction": "Be brief.",
        "limit": 5,
    }
    project.settings["step3"] = {"metrics": [{"name": "rouge", "tokenizer": "jieba", "tasks": ["own"]}]}
    return project


@pytest.mark.slow
def test_samples_truncation_and_system_prompts(sampling: Project) -> None:
    sampling.run("all", str(sampling.write_settings()))
    rows = sampling.views(step=1)
    for row in rows["base/sampled/step1_generation.jsonl"]:
        assert [request["sample"] for request in row["requests"]] == [0, 1, 2]
        assert len({request["text"] for request in row["requests"]}) == 3
        assert row["prompt"].startswith("Be brief.")
    for row in rows["base/own/step1_generation.jsonl"]:
        assert row["prompt"][0] == {"role": "system", "content": "Be brief."}
    cut = {row["doc_id"]: row["requests"][0]["truncated_tokens"] for row in rows["base/gsm8k/step1_generation.jsonl"]}
    assert all(tokens > 0 for tokens in cut.values())  # two examples before each question do not fit
    for step in (2, 3):
        (path,) = (path for path in sampling.views(step=step) if path.startswith("base/gsm8k"))
        assert all(row["flags"].get("truncated_prompt") for row in sampling.views(step=step)[path])
    two = EngineSettings(replicas=2, threads=2, max_length=150, max_batch_size=3)
    changes = {"engine": two.model_dump(include={"replicas", "threads", "max_length", "max_batch_size"})}
    other = sampling.write_settings("two.yaml", output_dir="output/other/run", step1=changes)
    sampling.run("step1", str(other))
    found = sampling.views("other/run", step=1)
    assert found.keys() == rows.keys()
    for path, expected in rows.items():
        assert take_logprobs(found[path]) == pytest.approx(take_logprobs(expected), abs=2e-4)
        assert found[path] == expected


def take_logprobs(rows: list[dict[str, Any]]) -> list[float]:
    """The log-likelihoods, taken out of the rows: they differ between batches by the order of sums."""
    return [value for row in rows for request in row["requests"] for value in request.pop("logprobs") or ()]


@pytest.mark.slow
def test_a_model_with_an_encoder(project: Project) -> None:
    shutil.rmtree(project.folder / "models" / "base")
    make_base(project.folder / "models" / "base", "t5")
    project.run("all", str(project.write_settings(step1={"adapters": [], "limit": 4})))
    rows = project.views(step=1)
    assert {path.split("/")[1] for path in rows} == {"gsm8k", "blimp_causative", "own"}
    assert all(row["status"] == "ok" for view in rows.values() for row in view)
    (lock,) = (project.folder / "output" / "run" / "base").glob("step1.lock.json")
    assert '"architecture":"seq2seq"' in lock.read_text().replace(" ", "")


def keys(project: Project, engine: dict[str, Any] | None = None, model: dict[str, Any] | None = None) -> set[str]:
    """The keys of all of the base's calls under changed settings."""
    changes = {"engine": engine or {}, "model": {"path": "models/base"} | (model or {}), "adapters": []}
    loaded = load(project.write_settings(step1=changes), "step1")
    plan = make_plan(loaded.settings, FileHashes(), loaded.where)  # type: ignore[arg-type]  # step1's settings
    return {call.key for unit in plan.units for calls in plan.calls(unit) for call in calls}


def test_what_is_in_the_keys(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.folder)
    make_base(Path("models/delta"), seed=5)
    make_base(Path("models/other"), chat_template=False)
    plain = keys(project)
    for neutral in ({"replicas": 2}, {"device_map": "auto"}, {"device": "cpu"}, {"architecture": "causal"}):
        assert keys(project, engine=neutral) == plain, neutral
    for counts in (
        {"attn_implementation": "eager"},
        {"quantization": {"method": "bitsandbytes", "load_in_4bit": True}},
        {"quantization": {"method": "bitsandbytes", "load_in_8bit": True}},
    ):
        found = keys(project, engine=counts)
        assert not found & plain, counts
        plain |= found
    for counts in ({"delta": "models/delta"}, {"tokenizer": "models/other"}):
        assert not keys(project, model=counts) & plain, counts
    assert keys(project, model={"tokenizer": "models/base"}) == keys(project)
