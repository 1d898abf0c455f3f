"""llm_evaluation's jobs as whole runs: exams asked of a base and its adapters, and predictions of other tools."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.project import ROOT, Project, write_lines
from tests.tiny_models import make_adapter

DATA = ROOT / ".." / "shared" / "data"
EXAMPLES = sorted((ROOT / "yamls" / "examples").glob("*.yaml"))


def exam_project(folder: Path, models: Path, tasks: list[dict[str, Any]], **step1: Any) -> Project:
    shutil.copytree(models, folder / "models")
    asked = {
        "engine": {"backend": "hf", "threads": 1},
        "model": "models/base",
        "adapters": ["models/sft/checkpoint-*"],
        "tasks": tasks,
    }
    return Project(folder, {"output_dir": "output/run", "processes": 1, "step1": asked | step1})


def figures(project: Project, model: str, task: str) -> list[dict[str, Any]]:
    view = project.folder / "output" / "run" / model / task / "step4_eval_scores.jsonl"
    return [json.loads(line) for line in view.read_text("utf-8").splitlines()]


def write_cmmlu(folder: Path) -> None:
    """Three subjects of two categories, six and two questions."""
    for subject, count in (("arts", 6), ("college_mathematics", 2), ("computer_science", 2)):
        for split, numbers in (("dev", range(100, 105)), ("test", range(count))):
            lines = [f"{number},问题{number}？,甲{number},乙,丙,丁,{'ABCD'[number % 4]}" for number in numbers]
            path = folder / split / f"{subject}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join([",Question,A,B,C,D,Answer", *lines]) + "\n", "utf-8")


def test_an_exam_of_some_subjects(tmp_path: Path, models: Path) -> None:
    """Skipped subjects are named, categories are pooled over questions, and answers are the best of four tokens."""
    write_cmmlu(tmp_path / "cmmlu")
    entry = {"name": "llme_cmmlu", "data_dir": "cmmlu", "missing_data": "skip", "num_fewshot": 2}
    project = exam_project(tmp_path, models, [entry])
    done = project.run("all", str(project.write_settings()))
    assert "llme_cmmlu runs without 64 tasks that have no data" in done.stderr + done.stdout
    results = project.folder / "output" / "run"
    for text in (
        done.stdout,
        (results / "results.md").read_text("utf-8"),
        (results / "report.html").read_text("utf-8"),
    ):
        assert "64 tasks had no data and stayed out of the run" in text
    for model in ("base", "sft__checkpoint-100", "sft__checkpoint-200"):
        shares = {
            task: figures(project, model, task)[0]
            for task in ("llme_cmmlu", "llme_cmmlu_humanities", "llme_cmmlu_stem")
        }
        assert [shares[task]["n"] for task in shares] == [10, 6, 4]
        right = [round(shares[task]["value"] * shares[task]["n"], 6) for task in shares]
        assert right[0] == right[1] + right[2]
    rows = project.views(step=1)["base/llme_cmmlu_arts/step1_generation.jsonl"]
    assert [turn["role"] for turn in rows[0]["prompt"]] == ["user", "assistant", "user", "assistant", "user"]
    assert rows[0]["requests"][0]["continuations"] == ["\nA", "\nB", "\nC", "\nD"]
    again = project.run("all", str(project.write_settings()), "--verbose")
    assert "loading" not in again.stderr + again.stdout


def test_next_token_answers_equal_a_plain_computation(tmp_path: Path, models: Path) -> None:
    """The log-probabilities of four token ids behind the rendered prompt, one prompt at a time."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    write_cmmlu(tmp_path / "cmmlu")
    entry = {"name": "llme_cmmlu_arts", "data_dir": "cmmlu", "num_fewshot": 1}
    project = exam_project(tmp_path, models, [entry], adapters=[])
    project.run("step1", str(project.write_settings()))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "models" / "base")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "models" / "base")
    letters = [tokenizer.encode("\n" + letter, add_special_tokens=False)[-1] for letter in "ABCD"]
    for row in project.views(step=1)["base/llme_cmmlu_arts/step1_generation.jsonl"]:
        text = tokenizer.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True)
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            expected = model(ids).logits[0, -1].log_softmax(-1)[letters].tolist()
        assert row["requests"][0]["logprobs"] == pytest.approx(expected, abs=2e-4)


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="the real data are not here")
@pytest.mark.parametrize("shots", [0, 5])
def test_all_real_subjects_on_a_base_and_three_adapters(tmp_path: Path, models: Path, shots: int) -> None:
    entries = [
        {"name": "llme_cmmlu", "data_dir": str(DATA / "cmmlu"), "missing_data": "skip", "num_fewshot": shots},
        {"name": "llme_ceval", "data_dir": str(DATA / "ceval" / "ceval.zip"), "num_fewshot": shots},
    ]
    project = exam_project(tmp_path, models, entries, limit=2)
    make_adapter(tmp_path / "models" / "base", tmp_path / "models" / "sft" / "checkpoint-300", seed=3, step=300)
    project.run("all", str(project.write_settings()))
    for model in ("base", "sft__checkpoint-100", "sft__checkpoint-200", "sft__checkpoint-300"):
        (cmmlu,), (ceval,) = figures(project, model, "llme_cmmlu"), figures(project, model, "llme_ceval")
        assert (cmmlu["n"], ceval["n"]) == (23 * 2, 52 * 2)
        assert cmmlu["errors"] == ceval["errors"] == cmmlu["missing"] == ceval["missing"] == 0
    prompts = {len(row["prompt"]) for rows in project.views(step=1).values() for row in rows}
    assert prompts == {1 + 2 * shots}


def predictions_project(folder: Path) -> Project:
    gold = [{"prompt": f"q{number}", "label": f"answer {number}"} for number in range(6)]
    for model, right in (("base", 2), ("sft", 5)):
        (folder / model).mkdir()
        answers = [
            item | {"predict": item["label"] if number < right else "no", "seconds": right}
            for number, item in enumerate(gold)
        ]
        write_lines(folder / model / "out.jsonl", answers)
    task = {"name": "domain", "predictions": {"base": "base/out.jsonl", "sft": "sft/out.jsonl"}}
    return Project(folder, {"output_dir": "output/run", "processes": 1, "step1": {"tasks": [task]}})


def test_predictions_of_two_models_are_compared(tmp_path: Path) -> None:
    project = predictions_project(tmp_path)
    path = str(project.write_settings())
    project.run("check", path, "--plan")
    project.run("all", path)
    assert figures(project, "base", "domain")[0]["value"] == pytest.approx(2 / 6)
    assert figures(project, "sft", "domain")[0]["value"] == pytest.approx(5 / 6)
    ids = [[row["doc_id"] for row in rows] for rows in project.views(step=1).values()]
    assert ids[0] == ids[1]
    assert "out of date" not in project.run("status", path).stdout


def test_a_changed_file_of_predictions_makes_its_model_s_views_stale(tmp_path: Path) -> None:
    project = predictions_project(tmp_path)
    path = str(project.write_settings())
    project.run("all", path)
    lines = (tmp_path / "sft" / "out.jsonl").read_text("utf-8").replace('"no"', '"answer 5"')
    (tmp_path / "sft" / "out.jsonl").write_text(lines, "utf-8")
    states = project.run("status", path).stdout.splitlines()
    assert [state for state in states if "split test, file 1 (jsonl) changed" in state and "sft" in state.split(":")[0]]
    assert [state for state in states if state.startswith("step1  base") and state.endswith("fresh")]
    project.run("all", path)
    assert figures(project, "sft", "domain")[0]["value"] == 1.0


def test_an_answer_that_is_not_there_is_missing_and_not_wrong(tmp_path: Path) -> None:
    project = predictions_project(tmp_path)
    items = [json.loads(line) for line in (tmp_path / "sft" / "out.jsonl").read_text("utf-8").splitlines()]
    items[0]["predict"] = None
    write_lines(tmp_path / "sft" / "out.jsonl", items)
    project.run("all", str(project.write_settings()), expect=1)
    (figure,) = figures(project, "sft", "domain")
    assert (figure["n"], figure["errors"]) == (5, 1)
    assert figure["value"] == pytest.approx(4 / 5)


@pytest.mark.parametrize(
    ("step1", "said"),
    [
        ({"model": "m", "tasks": [{"name": "a", "predictions": "x"}, "gsm8k"]}, "tasks that are asked, such as gsm8k"),
        ({"model": "models/base", "tasks": [{"name": "a", "predictions": "x"}]}, "asks no model"),
        ({"model": {"name": "m"}, "tasks": ["gsm8k"]}, "`model.path` is missing"),
        (
            {
                "tasks": [
                    {"name": "a", "predictions": {"m": "base/out.jsonl"}},
                    {"name": "b", "predictions": {"n": "x"}},
                ]
            },
            "predictions of n, and the first task's are of m",
        ),
        ({"tasks": [{"name": "a", "predictions": "gone.jsonl"}]}, "no such data file: gone.jsonl"),
    ],
)
def test_runs_of_predictions_that_make_no_sense(tmp_path: Path, step1: dict[str, Any], said: str) -> None:
    project = predictions_project(tmp_path)
    project.settings["step1"] = step1
    assert said in project.run("check", str(project.write_settings()), expect=2).stderr


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_each_example_passes_check(tmp_path: Path, models: Path, example: Path) -> None:
    """In a folder that holds what the example names: files of that form, checkpoints of that name."""
    settings = yaml.safe_load(example.read_text("utf-8"))
    for pattern in settings["step1"].get("adapters", []):
        target = tmp_path / pattern.replace("*", "500")
        shutil.copytree(models / "sft" / "checkpoint-100", target)
    for entry in settings["step1"]["tasks"]:
        _write_data_of(tmp_path, entry if isinstance(entry, dict) else {"name": entry})
    project = Project(tmp_path)
    assert "in order" in project.run("check", str(example)).stdout


def _write_data_of(folder: Path, entry: dict[str, Any]) -> None:
    import zipfile

    predictions = entry.get("predictions", {})
    for name in (*([entry["data"]] if "data" in entry else ()), *predictions.values()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        content = {".csv": "question,answer,output\nq,a,o\n", ".jsonl": "{}\n"}.get(Path(name).suffix, "[]")
        (folder / name).write_text('{"anatomy": {"0": "A"}}' if "results" in name else content, "utf-8")
    if entry["name"] == "charactereval":
        for name, content in (("test_data", "[]"), ("id2metric", "{}"), ("character_profiles", "{}")):
            path = folder / entry["data_dir"] / f"{name}{'.json' if 'profiles' in name else '.jsonl'}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, "utf-8")
    elif not entry.get("data_dir", ".zip").endswith(".zip"):
        for split in ("train", "test"):
            path = folder / entry["data_dir"] / f"{split}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text('{"question": "q", "answer": "#### 1"}\n' * 9, "utf-8")
    elif "data_dir" in entry:
        (folder / entry["data_dir"]).parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(folder / entry["data_dir"], "w") as archive:
            for split in ("dev", "test"):
                archive.writestr(f"data/{split}/anatomy_{split}.csv", "q,1,2,3,4,A\n" * 5)
