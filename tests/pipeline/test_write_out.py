"""`write_out` and `show_config`: said before anything is asked, logged, and part of no key."""

from __future__ import annotations

import pytest

from tests.project import Project


@pytest.mark.slow
def test_prompts_and_configurations_are_shown_before_the_work(project: Project) -> None:
    tasks = [
        {"name": "gsm8k", "data_dir": "data", "num_fewshot": 1, "limit": 2},
        {"name": "blimp_causative", "data_dir": "data", "limit": 2},
        {"name": "own", "data": "data/own.json", "format": "alpaca", "limit": 1},
    ]
    plain = {"adapters": [], "tasks": tasks, "samples": {"gsm8k": [3, 1]}}
    path = str(project.write_settings(step1=plain))
    project.run("step1", path)
    views = project.views(step=1)
    path = str(project.write_settings(step1=plain | {"write_out": True, "show_config": True}))
    assert "out of date" not in project.run("status", path).stdout.partition("step2")[0]
    said = project.run("step1", path, "--verbose").stderr
    assert project.answered() == []
    assert project.views(step=1) == views
    first = views["base/gsm8k/step1_generation.jsonl"][0]
    assert first["index"] == 1
    assert f"gsm8k, document 1, the prompt as sent:\n{first['prompt']}\nthe target:\n{first['target']}\n" in said
    assert 'its continuations:\n" The cats that run sleep."\n" The cats that run sleeps."\nthe target:\n0\n' in said
    assert "<s><|im_start|>user\n你好<|im_end|>\n<|im_start|>assistant\n你好！<|im_end|>\n" in said  # as rendered
    assert "configuration of gsm8k:\ntask: gsm8k\n" in said
    assert "num_fewshot: 1\n" in said
    assert "configuration of own:\ntask: own\n" in said
    log = (project.folder / "output/run/run.log").read_text(encoding="utf-8")
    assert "document 1, the prompt as sent:" in log
    assert "configuration of gsm8k:" in log
    assert "as sent" not in project.run("step1", path, "--quiet").stderr


def test_predictions_are_shown_too(project: Project) -> None:
    predictions = '{"prompt": "What?", "predict": "this", "label": "that"}\n'
    (project.folder / "data/predicted.jsonl").write_text(predictions)
    tasks = [{"name": "given", "predictions": "data/predicted.jsonl"}]
    settings = {"output_dir": "output/given", "step1": {"tasks": tasks, "write_out": True}}
    project.settings = settings
    said = project.run("step1", str(project.write_settings())).stderr
    assert "given, document 0, the prompt as sent:\nWhat?\nthe target:\nthat\n" in said
