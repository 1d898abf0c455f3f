"""When step 4 writes the harness's layout anew, what it leaves alone, and what it says of a run it cannot describe."""

from __future__ import annotations

import copy
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.project import Project, make_project

STEP4 = {"lm_eval_layout": "layout"}
TASKS = [
    {"name": "blimp_causative", "data_dir": "data", "limit": 3},
    {"name": "own", "data": "data/own.json", "format": "alpaca", "limit": 2},
]


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Project:
    """A run with the layout's results, without samples."""
    project = make_project(tmp_path_factory.mktemp("layout"), models)
    project.settings |= {"step4": STEP4}
    project.settings["step1"] |= {"tasks": TASKS, "adapters": ["models/sft/checkpoint-100"]}
    project.run("all", str(project.write_settings()))
    return project


@pytest.fixture
def written(tmp_path: Path, once: Project) -> Project:
    """A copy of that run."""
    shutil.copytree(once.folder, tmp_path / "project")
    return Project(tmp_path / "project", copy.deepcopy(once.settings))


def files(project: Project, model: str = "models__base") -> list[Path]:
    return sorted((project.folder / "layout" / model).iterdir())


def results(project: Project, model: str = "models__base") -> dict[str, Any]:
    newest = [path for path in files(project, model) if path.name.startswith("results_")][-1]
    content: dict[str, Any] = json.loads(newest.read_text(encoding="utf-8"))
    return content


def state(project: Project) -> str:
    return project.run("status", "run.yaml").stdout.splitlines()[-1]


@pytest.mark.slow
def test_files_are_written_where_something_changed(written: Project) -> None:
    (first,) = files(written)
    (adapters,) = files(written, "models__sft__checkpoint-100")
    assert state(written) == "lm_eval's layout: fresh"
    said = written.run("step4", "run.yaml").stdout
    assert "lm_eval's layout" not in said
    assert files(written) == [first]
    first.unlink()
    assert re.fullmatch(r"lm_eval's layout: out of date: base: .*results_.*\.json is gone", state(written))
    assert "lm_eval's layout: layout/models__base\n" in written.run("step4", "run.yaml").stdout
    (second,) = files(written)
    assert second.name > first.name
    assert files(written, "models__sft__checkpoint-100") == [adapters]
    path = str(written.write_settings(step4=STEP4 | {"lm_eval_samples": True}))
    written.run("step4", path)
    names = [path.name.rpartition("_")[0] for path in files(written)]
    assert names == ["results", "results", "samples_blimp_causative", "samples_own"]
    written.write_settings(step4={"lm_eval_layout": None})
    assert state(written) == "reports: fresh"


def test_what_the_results_say_of_a_limited_run(written: Project) -> None:
    found = results(written, "models__sft__checkpoint-100")
    assert found["n-samples"] == {
        "blimp_causative": {"original": 8, "effective": 3},
        "own": {"original": 6, "effective": 2},
    }
    assert found["model_name"] == "models/sft/checkpoint-100"
    assert found["config"]["model_args"]["pretrained"] == "models/base"
    assert found["task_hashes"] == {}
    (written.folder / "data/causative.jsonl").rename(written.folder / "data/elsewhere.jsonl")
    files(written)[0].unlink()
    written.run("step4", "run.yaml")
    assert results(written)["n-samples"]["blimp_causative"] == {"original": 3, "effective": 3}


def test_dialogues_are_shown_as_they_were_sent_or_not_at_all(written: Project) -> None:
    path = str(written.write_settings(step4=STEP4 | {"lm_eval_samples": True}))
    template = written.folder / "models/base/chat_template.jinja"
    text = template.read_text()
    template.write_text(text + " ")
    said = written.run("step4", path, "--set", "allow_stale=true", expect=2).stderr
    assert "has changed since step 1" in said
    assert [path.name for path in files(written) if path.name.startswith("samples_")] == []
    template.write_text(text)
    written.run("step4", path)
    (samples,) = [path for path in files(written) if path.name.startswith("samples_own")]
    sample = json.loads(samples.read_text(encoding="utf-8").splitlines()[0])
    assert sample["arguments"]["gen_args_0"]["arg_0"].startswith("<s><|im_start|>user\n你好<|im_end|>\n")
    assert sample["arguments"]["gen_args_0"]["arg_1"] == {"until": [], "max_gen_toks": 12}
    assert sample["target"] == "数字是0。"


def test_documents_that_failed_are_in_no_sample(written: Project) -> None:
    step1 = {
        "engine": {"threads": 1, "max_length": 40},
        "generation_override": {"max_gen_toks": 60},  # more than the whole: every call fails
        "tasks": TASKS[1:],
        "adapters": [],
    }
    written.run("all", str(written.write_settings(step1=step1, step4=STEP4 | {"lm_eval_samples": True})), expect=1)
    (samples,) = [path for path in files(written) if path.name.startswith("samples_own")]
    assert samples.read_text() == ""
    assert results(written)["results"]["own"]["sample_len"] == 0


def test_predictions_of_another_tool(project: Project) -> None:
    line = '{"prompt": "What?", "predict": "this", "label": "that"}\n'
    (project.folder / "data/predicted.jsonl").write_text(line * 2)
    tasks = [{"name": "given", "predictions": "data/predicted.jsonl"}]
    step4 = STEP4 | {"lm_eval_samples": True}
    project.settings = {"output_dir": "output/given", "step1": {"tasks": tasks}, "step4": step4}
    project.run("all", str(project.write_settings()))
    found = results(project, "base")
    assert (found["config"]["model"], found["model_source"]) == ("CUSTOM", "CUSTOM")
    assert "eot_token_id" not in found
    assert found["results"]["given"]["exact_match,none"] == 0.0
