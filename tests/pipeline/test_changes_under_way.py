"""What changes while a run works, or between two of its steps, is refused or said: never mixed in, never called fresh."""

import json

import pytest

from pipeline.config_load import load
from pipeline.errors import DataError, ModelError
from pipeline.execution import Workers
from pipeline.memo import Memo
from steps import step2_postprocess as postprocess
from steps import step3_scoring as scoring
from steps.context import open_context
from steps.lazy_engine import LazyEngine
from steps.step1_plan import make_plan
from tests.project import gsm8k_item, write_lines


def planned(project, monkeypatch):
    """Step 1's plan and context of a project, in this process."""
    monkeypatch.chdir(project.folder)
    path = project.write_settings()
    loaded = load(path, "step1", [])
    context = open_context(loaded.settings, path, [], Workers(1), whole_run=True)
    return make_plan(loaded.settings, context.hashes, loaded.where), context


def test_a_template_that_changes_before_the_models_are_loaded_is_refused(project, monkeypatch):
    plan, context = planned(project, monkeypatch)
    plan.configuration()
    template = project.folder / "models/base/chat_template.jinja"
    template.write_text(template.read_text() + " ")
    with pytest.raises(ModelError, match="chat template changed"), LazyEngine(plan, context) as engine:
        engine.open()


def test_data_that_change_after_the_run_began_are_refused(project, monkeypatch):
    plan, _ = planned(project, monkeypatch)
    plan.configuration()
    items = [gsm8k_item(number) for number in range(12)]
    items[0]["answer"] = "#### 0"
    write_lines(project.folder / "data" / "test.jsonl", items)
    gsm8k = next(task for task in plan.tasks.tasks if task.name == "gsm8k")
    with pytest.raises(DataError, match="the data or the code of gsm8k changed"):
        plan.examples(gsm8k)


def test_a_step_two_levels_down_sees_a_changed_first_step(finished):
    path = str(finished.write_settings())
    finished.run("step1", path, "--set", "step1.limit=3")
    error = finished.run("step4", path, expect=2).stderr
    assert "step2_generation_trans.jsonl was made from another step1_generation.jsonl" in error
    assert "python main.py step2" in error


def test_settings_of_an_earlier_step_that_was_not_run_again_are_named(finished):
    path = str(finished.write_settings(step2={"filters": {"mine": [{"function": "take_first"}]}}))
    for step in ("step3", "step4"):
        error = finished.run(step, path, expect=2).stderr
        assert "step2 was run with other settings: filters.mine: (not set)" in error
    finished.run("all", path)
    assert "out of date" not in finished.run("status", path).stdout


def test_an_answer_that_left_the_memo_is_asked_again(finished):
    """As after a `gc` that ran between two steps of another process."""
    view = finished.folder / "output/run/base/gsm8k/step1_generation.jsonl"
    rows = [json.loads(line) for line in view.read_text().splitlines()]
    with Memo(finished.folder / "output/.memo") as memo:
        memo._reader.execute("DELETE FROM calls")
    view.unlink()
    path = finished.write_settings(step1={"adapters": []})
    finished.run("step1", str(path), "--verbose")
    assert len(finished.answered()) == 12
    assert [json.loads(line)["requests"] for line in view.read_text().splitlines()] == [row["requests"] for row in rows]


def test_errors_count_under_every_filter(finished):
    """A call that failed is an error of the task's filters and of those that the run adds."""
    view = finished.folder / "output/run/base/own/step1_generation.jsonl"
    rows = [json.loads(line) for line in view.read_text().splitlines()]
    rows[2] |= {"status": "error", "error": {"type": "ContextTooLong", "message": "too long"}}
    spec = {"model": "base", "task": "own", "source": "view", "remake": "step1"}
    spec["filters"] = {"none": [["take_first", {}]], "mine": [["take_first", {}], ["strip", {}]]}
    done = postprocess.build(spec)((1, [json.dumps(row).encode() for row in rows]))
    filtered = [json.loads(line) for line in done.lines.splitlines()]
    assert filtered[2]["filtered"] == {"none": None, "mine": None}
    spec = {"model": "base", "task": "own", "source": "view", "remake": "step2", "filters": ["none"], "metrics": []}
    spec |= {"likelihoods": False, "prompts": False, "slices": [], "cluster": None}
    scored = scoring.build(spec)((1, done.lines.splitlines()))
    errors = [row["filter"] for row in map(json.loads, scored.lines.splitlines()) if row["status"] == "error"]
    assert sorted(errors) == ["mine", "none"]
