"""Local data through the four steps: what changes in them is seen, and values of every type reach the last file."""

from __future__ import annotations

import json
from typing import Any

from tests.project import Project, write_lines

TASK = """\
task: dated
dataset_path: json
dataset_kwargs: {data_files: {train: data/train/data.json, test: data/test/data.json}}
training_split: train
test_split: test
output_type: multiple_choice
doc_to_text: "{{day}} {% if hint %}{{hint}} {% endif %}{{share}}"
doc_to_target: label
doc_to_choice: [a, b]
num_fewshot: 1
fewshot_config: {sampler: first_n}
slices: [day]
"""


def test_test_data_beside_examples_of_the_same_file_name(project: Project) -> None:
    lines = [
        {"day": "2026-01-01", "share": 1, "label": 0},
        {"day": "2026-02-03", "share": 0.5, "label": 1, "hint": "see"},
    ]
    for split in ("train", "test"):
        (project.folder / "data" / split).mkdir()
        write_lines(project.folder / "data" / split / "data.json", lines)
    (project.folder / "dated.yaml").write_text(TASK)
    step1: dict[str, Any] = {"tasks": [{"name": "dated.yaml"}], "adapters": []}
    step4 = {"lm_eval_layout": "layout", "lm_eval_samples": True}
    path = str(project.write_settings(step1=step1, step3={"metrics": []}, step4=step4))

    project.run("all", path)
    shot = "2026-01-01 00:00:00 1.0 a\n\n"
    assert prompts(project) == [f"{shot}2026-01-01 00:00:00 1.0", f"{shot}2026-02-03 00:00:00 see 0.5"]
    (samples,) = project.folder.glob("layout/*/samples_dated_*.jsonl")
    documents = [json.loads(line)["doc"] for line in samples.read_bytes().splitlines()]
    assert documents[0] == {"day": "2026-01-01 00:00:00", "share": 1.0, "label": 0, "hint": None}

    (project.folder / "data" / "train").rename(project.folder / "data" / "shots")
    (project.folder / "dated.yaml").write_text(TASK.replace("data/train/", "data/shots/"))
    assert status(project, path) == ["step1  base  dated: fresh"]
    write_lines(project.folder / "data" / "test" / "data.json", lines[1:])
    said = "out of date: split test, file 1 (json) changed (0 of 1 calls missing)"
    assert status(project, path) == [f"step1  base  dated: {said}"]
    project.run("step1", path)
    assert prompts(project) == [f"{shot}2026-02-03 00:00:00 see 0.5"]


def status(project: Project, path: str) -> list[str]:
    """What is said of step 1."""
    lines = project.run("status", path).stdout.splitlines()
    return [line for line in lines if line.startswith("step1")]


def prompts(project: Project) -> list[str]:
    (rows,) = project.views(step=1).values()
    return [row["prompt"] for row in rows]
