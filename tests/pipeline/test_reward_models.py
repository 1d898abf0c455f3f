"""Reward models through the steps: two compared on the same generations, and what is computed again for what."""

from __future__ import annotations

import json
import shutil

import pytest

from pipeline.memo import Memo
from tests.reward_models import make_char_rm, make_classification, make_value_head

TEMPLATE = "Q: {{ prompt if prompt is string else prompt[-1].content }}\nA: {{ response }}"


@pytest.fixture
def rewards(finished):
    """A finished project with two reward models beside its other models."""
    base = finished.folder / "models/base"
    make_classification(base, finished.folder / "models/rm_one", seed=1)
    make_value_head(base, finished.folder / "models/rm_two", seed=2)
    return finished


def two_models(**changes):
    one = {"name": "reward_model", "label": "one", "model": "models/rm_one", "template": TEMPLATE, **changes}
    two = {"name": "reward_model", "label": "two", "model": "models/rm_two", "template": TEMPLATE, "tasks": ["own"]}
    return {"step3": {"metrics": [one | {"tasks": ["own"]}, two]}}


def asked(project) -> int:
    with Memo(project.folder / "output" / ".memo") as memo:
        return memo._reader.execute("SELECT count(*) FROM calls WHERE kind = 'reward'").fetchone()[0]


def files(project, *names):
    root = project.folder / "output/run"
    return {path: path.stat().st_mtime_ns for name in names for path in sorted(root.glob(f"*/*/{name}"))}


def scored(project, task="own"):
    return [row for view in project.views(step=3).values() for row in view if row["task"] == task]


def test_two_reward_models_on_the_same_generations(rewards):
    earlier = files(rewards, "step1_generation.jsonl", "step2_generation_trans.jsonl")
    path = str(rewards.write_settings(**two_models()))
    state = rewards.run("status", path).stdout
    assert all("fresh" in line for line in state.splitlines() if line.startswith(("step1", "step2")))
    assert any("step3" in line and "out of date" in line for line in state.splitlines())
    rewards.run("all", path, "--verbose")
    assert rewards.answered() == [], "step 1 asked its engine"
    assert files(rewards, "step1_generation.jsonl", "step2_generation_trans.jsonl") == earlier
    rows = scored(rewards)
    assert len(rows) == 18
    for row in rows:
        assert {"reward_model:one", "reward_model:two"} <= set(row["values"])
        assert row["values"]["reward_model:one"] != row["values"]["reward_model:two"]
    results = json.loads((rewards.folder / "output/run/all_results.json").read_text())
    for label in ("one", "two"):
        values = [row["values"][f"reward_model:{label}"] for row in rows if row["model"] == "base"]
        figure = results["base"]["own"][f"reward_model:{label},none"]
        assert figure["value"] == pytest.approx(sum(values) / len(values))
        assert figure["n"] == 6
    assert "reward_model:two" in (rewards.folder / "output/run/results.md").read_text()


def test_scores_equal_the_model_alone_and_are_asked_once(rewards):
    import numpy as np

    from models.reward import RewardModel

    path = str(rewards.write_settings(**two_models()))
    rewards.run("step3", path)
    known = asked(rewards)
    filtered = [row for view in rewards.views(step=2).values() for row in view if row["task"] == "own"]
    texts = [f"Q: {row['prompt'][-1]['content']}\nA: {row['filtered']['none']}" for row in filtered]
    assert known == 2 * len(set(texts))
    with RewardModel(rewards.folder / "models/rm_one", batch_size=1) as model:
        expected = {position: np.frombuffer(answer)[0] for position, answer in model.score(texts)}
    by_key = {(row["model"], row["doc_id"]): row["values"]["reward_model:one"] for row in scored(rewards)}
    for position, row in enumerate(filtered):
        assert by_key[row["model"], row["doc_id"]] == pytest.approx(expected[position], abs=1e-5)
    shutil.rmtree(rewards.folder / "output/run/base/own")
    for step in ("step1", "step2", "step3"):
        assert "loading" not in rewards.run(step, path).stderr
    scaled = str(rewards.write_settings(**two_models(scale={"multiply": 4, "add": 1}, batch_size=2)))
    assert "loading" not in rewards.run("step3", scaled).stderr
    for row in scored(rewards):
        value = by_key[row["model"], row["doc_id"]]
        assert row["values"]["reward_model:one"] == pytest.approx(4 * value + 1)
    assert asked(rewards) == known
    rewards.run("step3", str(rewards.write_settings(**two_models(max_length=16))))
    assert known < asked(rewards)
    assert any("truncated_reward_input" in row["flags"] for row in scored(rewards))


def test_an_overwritten_reward_model_is_asked_again_and_the_other_is_not(rewards):
    path = str(rewards.write_settings(**two_models()))
    rewards.run("step3", path)
    known = asked(rewards)
    shutil.rmtree(rewards.folder / "models/rm_one")
    make_classification(rewards.folder / "models/base", rewards.folder / "models/rm_one", seed=9)
    done = rewards.run("step3", path)
    assert "loading models/rm_one" in done.stderr
    assert "loading models/rm_two" not in done.stderr
    assert asked(rewards) == known + known // 2


def test_code_adapters_dialogues_and_the_folders_own_settings(rewards):
    base = rewards.folder / "models/base"
    folder = make_char_rm(base, rewards.folder / "models/char_rm")
    (folder / "reward_config.json").write_text(
        json.dumps({"template": "{{ response }}", "scale": {"multiply": 4, "add": 1}})
    )
    metrics = [
        {"name": "reward_model", "label": "code", "model": "models/char_rm", "trust_remote_code": True},
        {"name": "reward_model", "label": "chat", "model": "models/rm_two", "chat": True},
    ]
    rewards.run("step3", str(rewards.write_settings(step3={"metrics": metrics})))
    for task in ("own", "gsm8k"):
        for row in scored(rewards, task):
            assert 1 < row["values"]["reward_model:code"] < 5
            assert isinstance(row["values"]["reward_model:chat"], float)
    assert all("reward_model:code" not in row["values"] for row in scored(rewards, "blimp_causative"))


def test_a_reward_model_that_scores_nothing_is_named_with_its_failure(rewards):
    from safetensors.torch import load_file, save_file

    path = rewards.folder / "models/rm_two/value_head.safetensors"
    head = load_file(path)
    head["v_head.summary.bias"].fill_(float("nan"))
    save_file(head, path)
    done = rewards.run("step3", str(rewards.write_settings(**two_models())), expect=1)
    models = "models: base, sft__checkpoint-100 and sft__checkpoint-200"
    why = "its model gave no answer: NotANumber: the reward model's score is nan"
    assert f"reward_model:two failed on every row of own ({models}): {why}" in done.stderr
    assert all(isinstance(row["values"]["reward_model:one"], float) for row in scored(rewards))


@pytest.mark.parametrize(
    ("metric", "what"),
    [
        ({}, "needs `model:`"),
        ({"model": "models/rm_one"}, "a template, or the dialogue"),
        ({"model": "models/sft/checkpoint-100", "template": "x"}, "config.json"),
    ],
)
def test_faults_are_told(rewards, metric, what):
    settings = {"metrics": [{"name": "reward_model", "tasks": ["own"], **metric}]}
    process = rewards.popen("step3", str(rewards.write_settings(step3=settings)))
    _, error = process.communicate(timeout=120)
    assert process.returncode in (1, 2), error
    assert what in error
    assert "Traceback" not in error


def test_two_of_one_name_need_labels(rewards):
    metric = {"name": "reward_model", "model": "models/rm_one", "template": TEMPLATE}
    error = rewards.run("step3", str(rewards.write_settings(step3={"metrics": [metric, metric]})), expect=2).stderr
    assert "tell them apart by `label:`" in error
