"""Run files into settings: forms, shared keys, overrides, and faults with their place and their remedy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline import config_schema
from pipeline.config import STEP_SETTINGS, Step1Settings, Step2Settings, Step3Settings, Step4Settings
from pipeline.config_load import load, load_all
from pipeline.errors import ConfigError

RUN = """\
output_dir: output/x
limit: 5
confidence: 0.9
step1:
  model: m
  adapters: [a]
  tasks: [gsm8k, {name: blimp, num_fewshot: 0}]
step3:
  seed: 7
  metrics:
    - rouge
    - {name: bleu, max_order: 2}
step4:
"""
SINGLE = "output_dir: o\nmodel: {path: m, name: first}\ntasks: [gsm8k]\n"


def written(folder: Path, text: str, name: str = "run.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def step1_of(path: Path, overrides: Sequence[str] = ()) -> Step1Settings:
    settings = load(path, "step1", overrides).settings
    assert isinstance(settings, Step1Settings)
    return settings


def faults(folder: Path, text: str, overrides: Sequence[str] = (), step: str | None = None) -> list[str]:
    """The problems of a file, without the folder in front."""
    path = written(folder, text)
    with pytest.raises(ConfigError) as caught:
        load(path, step, overrides) if step else load_all(path, overrides)
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


def test_shared_keys_reach_the_steps_that_know_them(tmp_path: Path) -> None:
    loaded = load_all(written(tmp_path, RUN))
    assert list(loaded) == ["step1", "step3", "step4"]
    step1, step3, step4 = (one.settings for one in loaded.values())
    assert isinstance(step1, Step1Settings)
    assert isinstance(step3, Step3Settings)
    assert isinstance(step4, Step4Settings)
    assert {one.output_dir for one in (step1, step3, step4)} == {"output/x"}
    assert step1.limit == 5
    assert step4.confidence == 0.9
    assert (step1.seed, step3.seed) == (1234, 7)
    assert [task.name for task in step1.tasks] == ["gsm8k", "blimp"]
    assert step1.adapters[0].path == "a"
    assert step3.metrics[1].arguments == {"max_order": 2}


def test_a_steps_own_key_wins(tmp_path: Path) -> None:
    path = written(tmp_path, "output_dir: o\nseed: 1\nstep2: {seed: 2}\nstep3: {}\n")
    assert {step: one.settings.seed for step, one in load_all(path).items()} == {"step2": 2, "step3": 1}


def test_all_four_steps(tmp_path: Path) -> None:
    loaded = load_all(written(tmp_path, RUN), complete=True)
    assert list(loaded) == ["step1", "step2", "step3", "step4"]
    assert loaded["step2"].settings == Step2Settings(output_dir="output/x")
    alone = load_all(written(tmp_path, SINGLE), ["step4.confidence=0.5"], complete=True)
    assert alone["step4"].settings == Step4Settings(output_dir="o", confidence=0.5)
    with pytest.raises(ConfigError, match="`model` is missing in step1"):
        load_all(written(tmp_path, "output_dir: o\nstep2: {}\n"), complete=True)


def test_places(tmp_path: Path) -> None:
    path = written(tmp_path, RUN)
    loaded = load_all(path, ["step1.tasks.0.limit=3", "limit=7"])
    step1 = loaded["step1"]
    assert step1.where("tasks", 1) == f"{path}:7"
    assert step1.where("adapters", 0) == f"{path}:6"
    assert step1.where("output_dir") == f"{path}:1"
    assert step1.where("engine", "dtype") == f"{path}:4"
    assert step1.where("limit") == "--set limit=7"
    assert step1.where("tasks", 0, "limit") == "--set step1.tasks.0.limit=3"
    assert loaded["step3"].where("metrics", 1) == f"{path}:12"
    assert load(written(tmp_path, SINGLE), "step1").where("tasks", 0) == f"{path}:3"


def test_an_override_of_the_run_wins_over_what_task_entries_have_of_their_own(tmp_path: Path) -> None:
    entries = "[&first {name: a, limit: 3, num_fewshot: 1}, {name: b, limit: 2}, c, *first]"
    path = written(tmp_path, f"output_dir: o\nstep1:\n  model: m\n  tasks: {entries}\n")

    def own(*overrides: str) -> list[tuple[float | None, int | None]]:
        return [(task.limit, task.num_fewshot) for task in step1_of(path, list(overrides)).tasks]

    assert own() == [(3, 1), (2, None), (None, None), (3, 1)]
    for limit in ("step1.limit=5", "limit=5", "step1.limit=null"):
        assert own(limit) == [(None, 1), (None, None), (None, None), (None, 1)]
    assert own("step1.num_fewshot=0") == [(3, None), (2, None), (None, None), (3, None)]
    for order in (("limit=5", "step1.tasks.1.limit=7"), ("step1.tasks.1.limit=7", "limit=5")):
        assert own(*order) == [(None, 1), (7, None), (None, None), (None, 1)]
    assert step1_of(path, ["limit=5"]).limit == 5


def test_overrides(tmp_path: Path) -> None:
    run, single = written(tmp_path, RUN), written(tmp_path, SINGLE, "single.yaml")
    assert step1_of(run, ["limit=10"]).limit == 10
    assert step1_of(run, ["step1.limit=10", "step1.limit=0.5"]).limit == 0.5
    assert step1_of(single, ["limit=10"]).limit == step1_of(single, ["step1.limit=10"]).limit == 10
    many = ["step1.tasks.0.limit=1", "model.revision=abc", "engine.dtype=float32", "generation={temperature: 1e-2}"]
    settings = step1_of(run, [*many, "adapters=[]", "system_instruction=no"])
    assert (settings.tasks[0].name, settings.tasks[0].limit) == ("gsm8k", 1)
    assert (settings.model.path, settings.model.revision) == ("m", "abc")
    assert settings.engine.dtype == "float32"
    assert settings.generation == {"temperature": 0.01}
    assert settings.adapters == []
    assert settings.system_instruction == "no"


def test_an_override_reaches_every_step_that_has_the_key(tmp_path: Path) -> None:
    loaded = load_all(written(tmp_path, RUN), ["seed=3"])
    assert {one.settings.seed for one in loaded.values()} == {3}


def test_an_override_of_one_place_leaves_an_anchors_others(tmp_path: Path) -> None:
    text = "output_dir: o\nmodel: m\ntasks:\n  - &a {name: x, generation_kwargs: {n: 1}}\n  - {<<: *a, name: y}\n"
    settings = step1_of(written(tmp_path, text), ["tasks.0.generation_kwargs.n=2"])
    assert [task.generation_kwargs for task in settings.tasks] == [{"n": 2}, {"n": 1}]


def test_faulty_overrides_are_all_shown_as_typed(tmp_path: Path) -> None:
    assert [fault.split(" (")[0] for fault in faults(tmp_path, RUN, ["limit", "=3", "a..b=1", "x=a: b: c"])] == [
        "--set limit: write --set KEY=VALUE, such as --set step1.limit=10",
        "--set =3: write --set KEY=VALUE, such as --set step1.limit=10",
        "--set a..b=1: write --set KEY=VALUE, such as --set step1.limit=10",
        "--set x=a: b: c: this is not YAML: mapping values are not allowed in this context",
    ]
    overrides = [
        "limt=3",
        "step1.engine.dtyp=float32",
        "step1.tasks.9.limit=1",
        "step1.model.path.x=1",
        "step1.memo_dir.x=1",
        "step2.seed=1",
    ]
    assert faults(tmp_path, RUN, overrides) == [
        "--set limt=3: there is no setting `limt`; did you mean limit?",
        "--set step2.seed=1: this sets nothing in step1, step3, step4",
        "--set step1.tasks.9.limit=1: `tasks` is a list of 2, counted from 0, and has no `9`",
        "--set step1.model.path.x=1: `model.path` is no mapping and no list, and has no `x`",
        "--set step1.memo_dir.x=1: `memo_dir` must be text, not a mapping",
        "--set step1.engine.dtyp=float32: there is no setting `engine.dtyp` in step1; did you mean dtype?",
    ]
    assert faults(tmp_path, RUN, ["step3.seed=1"], "step1") == ["--set step3.seed=1: this sets nothing in step1"]


def test_all_faults_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """\
output_dir: 5
limt: 5
dtype: float32
step1:
  model: {path: m, revision: 1234567}
  engine: {dtype: float23, deterministic: no, max_length: 1}
  tasks: gsm8k
  adapters:
  limit: "10"
  replicate: true
  metrics: [rouge]
  apply_chat_template: 3
  include_path: [1]
  samples: {a: [x]}
  generation: 3
step2: 3
"""
    assert faults(tmp_path, text) == [
        "run.yaml:1: `output_dir` must be text, not 5; put it in quotes",
        "run.yaml:2: there is no setting `limt`; did you mean limit?",
        "run.yaml:3: there is no setting `dtype`; `dtype` belongs under `engine` of step1",
        "run.yaml:5: `model.revision` must be text, not 1234567; put it in quotes",
        "run.yaml:6: `engine.dtype` must be auto, float32, bfloat16 or float16, not 'float23'; did you mean float32?",
        "run.yaml:6: `engine.max_length` must be above 1, not 1",
        "run.yaml:6: `engine.deterministic` must be true or false, not 'no'; write false",
        "run.yaml:7: `tasks` must be a list, not 'gsm8k'; write [gsm8k]",
        "run.yaml:8: `adapters` must be a list, not empty; give a value, or take the key out",
        "run.yaml:9: `limit` must be a number, not '10'; write it as a plain number",
        "run.yaml:10: `replicate` must be a whole number, not true",
        "run.yaml:11: there is no setting `metrics` in step1; `metrics` belongs to step3",
        "run.yaml:12: `apply_chat_template` must be true or false or text, not 3; put it in quotes",
        "run.yaml:13: `include_path.0` must be text, not 1; put it in quotes",
        "run.yaml:14: `samples.a.0` must be a whole number, not 'x'",
        "run.yaml:15: `generation` must be a mapping (`key: value`), not 3",
        "run.yaml:16: `step2` must be a mapping (`key: value`)",
    ]


def test_faults_within_lists_and_missing_keys(tmp_path: Path) -> None:
    found = faults(tmp_path, "output_dir: o\ntasks:\n  - {name: x, data: y}\n  - {nam: x}\n  - [z]\n", step="step1")
    assert [fault.split(" (")[0] for fault in found] == [
        "run.yaml:1: `model` is missing in step1",
        "run.yaml:3: `tasks.0`: `data` and `format` go together: give both, or neither",
        "run.yaml:4: `tasks.1.name` is missing in step1",
        "run.yaml:4: there is no setting `tasks.1.nam` in step1; did you mean name?",
        "run.yaml:5: `tasks.2` must be text or a mapping",
    ]


def test_a_missing_shared_key_is_reported_once(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, "step2:\nstep3:\nstep4:\n")
    assert fault.startswith("run.yaml:1: `output_dir` is missing (The run's folder")


def test_keys_that_are_no_text(tmp_path: Path) -> None:
    found = faults(tmp_path, SINGLE + "1: 2\nsamples: {3: [1]}\n", step="step1")
    assert found == [
        "run.yaml:4: the key 1 is no text; put it in quotes",
        "run.yaml:5: the key 3 of `samples` must be text; put it in quotes",
    ]


def test_which_step_a_single_form_is_for(tmp_path: Path) -> None:
    assert list(load_all(written(tmp_path, SINGLE))) == ["step1"]
    assert list(load_all(written(tmp_path, "output_dir: o\nmetrics: [rouge]\n"))) == ["step3"]
    assert list(load_all(written(tmp_path, "output_dir: o\n", "step2_strip.yaml"))) == ["step2"]
    (fault,) = faults(tmp_path, "output_dir: o\n")
    assert "cannot be told" in fault
    assert faults(tmp_path, SINGLE, step="step2") == [
        "run.yaml:2: there is no setting `model` in step2; `model` belongs to step1",
        "run.yaml:3: there is no setting `tasks` in step2; `tasks` belongs to step1 or under `metrics` of step3",
    ]


@pytest.mark.parametrize("text", ["", "- a\n", "text\n"])
def test_no_mapping(tmp_path: Path, text: str) -> None:
    (fault,) = faults(tmp_path, text)
    assert fault == "run.yaml:1: a run file must hold a mapping of settings (`key: value`)"


@pytest.mark.parametrize("value", [".inf", ".nan", "0", "-1"])
def test_limits_are_finite_and_positive(tmp_path: Path, value: str) -> None:
    (fault,) = faults(tmp_path, SINGLE + f"limit: {value}\n")
    assert fault.startswith("run.yaml:4: `limit` must be ")


def test_every_setting_says_what_it_means() -> None:
    for model in STEP_SETTINGS.values():
        silent = [name for name, field in model.model_fields.items() if not field.description]
        assert silent == [], model.__name__


def test_schema_files_are_up_to_date() -> None:
    kept = {path.name: path.read_text(encoding="utf-8") for path in config_schema.FOLDER.glob("*.json")}
    assert kept == config_schema.schemas(), "run: python -m pipeline.config_schema"
