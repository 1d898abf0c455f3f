"""What `status` says of the files over all tasks, and that two runs of step 4 do not meet in them."""

from __future__ import annotations

import json

import pytest

from tests.project import Project


def reports_line(project: Project, path: str = "run.yaml") -> str:
    return project.run("status", path).stdout.splitlines()[-1]


def grouped(project: Project, metrics: str) -> str:
    """A run over a group of the project's own, with a metric list; the path of its YAML."""
    folder = project.folder / "grouped"
    folder.mkdir(exist_ok=True)
    (folder / "both.yaml").write_text(f"group: both\ntask: [blimp_causative]\naggregate_metric_list: {metrics}\n")
    tasks = [{"name": "both", "data_dir": "data"}]
    return str(project.write_settings(step1={"adapters": [], "tasks": tasks, "include_path": ["grouped"]}))


@pytest.mark.parametrize("name", ["report.html", "all_results.json", "base/generated_predictions.jsonl"])
def test_a_report_that_is_gone_or_changed_is_named(finished: Project, name: str) -> None:
    report = finished.folder / "output/run" / name
    report.write_text("other")
    assert reports_line(finished) == f"reports: out of date: {name} was changed after it was written"
    report.unlink()
    assert reports_line(finished) == f"reports: out of date: {name} is gone"
    finished.run("step4", "run.yaml")
    assert reports_line(finished) == "reports: fresh"


def test_reports_older_than_their_figures_are_out_of_date(finished: Project) -> None:
    lock = finished.folder / "output/run/report.lock.json"
    before = lock.read_bytes()
    path = str(finished.write_settings(step4={"confidence": 0.9}))
    assert reports_line(finished).startswith("reports: out of date: confidence: 0.95 -> 0.9")
    finished.run("step4", path)
    assert reports_line(finished) == "reports: fresh"
    lock.write_bytes(before)  # as after a kill between the figures and the reports
    said = reports_line(finished)
    assert "base/gsm8k/step4_eval_scores.jsonl changed" in said
    assert said.endswith("further reasons")
    lock.unlink()
    assert reports_line(finished) == "reports: not yet made"


def test_reports_wait_for_the_steps_before_them(finished: Project) -> None:
    finished.write_settings(step3={"metrics": [{"name": "rouge", "tokenizer": "characters"}]})
    assert reports_line(finished) == "reports: fresh until step3 is run"


def test_an_edited_group_makes_the_reports_out_of_date(finished: Project) -> None:
    path = grouped(finished, "[{metric: acc}]")
    finished.run("all", path)
    assert reports_line(finished) == "reports: fresh"
    (finished.folder / "output/run/base/both/results.json").unlink()
    assert reports_line(finished) == "reports: out of date: base/both/results.json is gone"
    finished.run("step4", path)
    grouped(finished, "[{metric: acc, weight_by_size: false}]")
    said = finished.run("status", path).stdout.splitlines()
    assert all(line.endswith("fresh") for line in said[:-1]), said
    assert said[-1].startswith("reports: out of date: groups.both.metrics"), said


def test_a_broken_report_lock_is_named(finished: Project) -> None:
    (finished.folder / "output/run/report.lock.json").write_text("{")
    assert "report.lock.json: this is not a readable lock file" in finished.run("status", "run.yaml", expect=1).stderr


def test_two_step_4s_at_once_write_whole_reports(finished: Project) -> None:
    both = [finished.popen("step4", "run.yaml") for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert reports_line(finished) == "reports: fresh"
    assert not list((finished.folder / "output/run").rglob("*.partial"))
    json.loads((finished.folder / "output/run/all_results.json").read_text())
