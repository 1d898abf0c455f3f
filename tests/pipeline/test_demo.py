"""The demo as a new user meets it: models made, `python main.py all yamls/demo.yaml`, results for each model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.config_load import load, load_all

ROOT = Path(__file__).parents[2]
MODELS = ("base", "sft__checkpoint-2", "sft__checkpoint-4", "sft__checkpoint-6")
TASKS = ("demo_addition", "demo_one_digit", "demo_choices", "demo_questions")


def run(*command: str) -> str:
    """What the command prints; it must end with 0."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's models after a few training steps: they know nothing, and run."""
    folder = tmp_path_factory.mktemp("models")
    run("-m", "demo.make_models", "--quick", "--out", str(folder))
    return folder


@pytest.mark.slow
def test_models_that_are_there_are_kept(models: Path) -> None:
    weights = models / "base" / "model.safetensors"
    made = weights.stat().st_mtime_ns
    assert "nothing to do" in run("-m", "demo.make_models", "--quick", "--out", str(models))
    assert weights.stat().st_mtime_ns == made


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(models: Path, tmp_path: Path) -> None:
    run("-m", "demo.make_models", "--quick", "--out", str(tmp_path))
    for name in ("base/model.safetensors", "adapters/sft/checkpoint-6/adapter_model.safetensors"):
        assert (tmp_path / name).read_bytes() == (models / name).read_bytes(), name


@pytest.mark.slow
def test_demo_gives_results_for_each_model_and_task(models: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    settings = (
        f"output_dir={output}",
        f"step1.model={models}/base",
        f"step1.adapters.0={models}/adapters/sft/checkpoint-*",
        f"step3.metrics.1.model={models}/embedding",
        f"step3.metrics.2.model={models}/reward",
        "step1.limit=6",
    )
    run("main.py", "all", "yamls/demo.yaml", *(word for one in settings for word in ("--set", one)))
    for model in MODELS:
        for task in TASKS:
            rows = (output / model / task / "step3_evaluation.jsonl").read_text(encoding="utf-8").splitlines()
            assert len(rows) == 6, f"{model} on {task}"
            assert {json.loads(row)["status"] for row in rows} == {"ok"}
    table = (output / "results.md").read_text(encoding="utf-8")
    assert all(name in table for name in (*MODELS, *TASKS))
    scores = json.loads((output / "base" / "demo_questions" / "results.json").read_text(encoding="utf-8"))
    assert "rouge-l" in json.dumps(scores)
    assert "semantic_similarity" in json.dumps(scores)
    assert "reward_model" in json.dumps(scores)


def test_files_of_the_single_steps_are_the_same_run() -> None:
    for step, whole in load_all(ROOT / "yamls" / "demo.yaml").items():
        alone = load(ROOT / "yamls" / f"{step}.yaml", step)
        assert alone.settings == whole.settings, step


def test_committed_data_are_what_the_script_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from demo import make_data

    monkeypatch.setattr(make_data, "DATA", tmp_path)
    make_data.main()
    for path in (ROOT / "demo" / "data").iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_adapter_never_learns_what_is_asked() -> None:
    from demo.corpus import adapter_texts, base_texts

    learnt = {text.whole for text in (*adapter_texts(), *base_texts())}
    lines = (ROOT / "demo" / "data" / "addition_to_thirty.jsonl").read_text(encoding="utf-8").splitlines()
    asked = [json.loads(line)["question"] for line in lines]
    assert len(asked) > 80
    assert not [question for question in asked if any(f"Question: {question}\n" in text for text in learnt)]
