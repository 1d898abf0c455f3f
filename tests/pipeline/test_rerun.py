"""What a second run computes: nothing that is known, everything that changed, and it says why."""

import json
import os
import shutil
import time

from tests.project import Project, gsm8k_item, write_lines
from tests.tiny_models import make_adapter

MODELS = ("base", "sft__checkpoint-100", "sft__checkpoint-200")
CALLS = 3 * (12 + 8 + 6)


def rerun(project: Project, *, calls: int, **changes):
    """Run all steps again and check how many calls were made."""
    before = len(project.answered())
    done = project.run("all", str(project.write_settings(**changes)), "--verbose")
    assert len(project.answered()) - before == calls, done.stderr
    return done


def test_the_four_steps_give_results_for_every_model(finished):
    views = finished.views()
    assert len(views) == 4 * 3 * 3
    for model in MODELS:
        gsm8k = views[f"{model}/gsm8k/step1_generation.jsonl"]
        assert [row["index"] for row in gsm8k] == list(range(12))
        assert all(row["status"] == "ok" and row["requests"][0]["text"] is not None for row in gsm8k)
        assert gsm8k[0]["prompt"].count("Question:") == 3
        scores = {(row["metric"], row["filter"]): row for row in views[f"{model}/own/step4_eval_scores.jsonl"]}
        assert {metric for metric, _ in scores} >= {"rouge-1", "rouge-2", "rouge-l"}
        blimp = views[f"{model}/blimp_causative/step4_eval_scores.jsonl"]
        assert [row["n"] for row in blimp if row["metric"] == "acc"] == [8]
    results = json.loads((finished.folder / "output/run/all_results.json").read_text())
    assert set(results) == set(MODELS)
    assert "blimp_causative" in (finished.folder / "output/run/results.md").read_text()
    outputs = [row["requests"][0]["text"] for row in views["base/own/step1_generation.jsonl"]]
    adapted = [row["requests"][0]["text"] for row in views["sft__checkpoint-100/own/step1_generation.jsonl"]]
    assert outputs != adapted


def test_nothing_changed_nothing_is_done(finished):
    before = {path: path.stat().st_mtime_ns for path in finished.folder.glob("output/run/*/*/step*.jsonl")}
    done = rerun(finished, calls=0)
    assert before == {path: path.stat().st_mtime_ns for path in finished.folder.glob("output/run/*/*/step*.jsonl")}
    assert "loading" not in done.stderr
    status = finished.run("status", "run.yaml").stdout
    assert "out of date" not in status
    assert status.count("fresh") == 4 * 3 + 1
    assert status.splitlines()[-1] == "reports: fresh"


def test_a_limit_and_back_asks_nothing(finished):
    whole = finished.views()
    rerun(finished, calls=0, step1={"limit": 5})
    assert len(finished.views(step=1)["base/gsm8k/step1_generation.jsonl"]) == 5
    assert finished.views(step=4)["base/gsm8k/step4_eval_scores.jsonl"][0]["n"] == 5
    rerun(finished, calls=0)
    assert finished.views() == whole


def test_another_run_with_the_same_base_asks_nothing(finished):
    done = finished.run(
        "all", str(finished.write_settings(output_dir="output/other", step1={"adapters": []})), "--verbose"
    )
    assert finished.answered("other") == []
    assert "loading" not in done.stderr
    assert (
        finished.views("other", 1)["base/own/step1_generation.jsonl"]
        == finished.views("run", 1)["base/own/step1_generation.jsonl"]
    )


def test_a_corrected_gold_answer_asks_nothing_and_scores_anew(finished):
    before = finished.views(step=1)["base/gsm8k/step1_generation.jsonl"]
    items = [gsm8k_item(number) for number in range(12)]
    answer = before[3]["requests"][0]["text"]
    items[3]["answer"] = f"so it is\n#### {answer}"
    write_lines(finished.folder / "data" / "test.jsonl", items)
    status = finished.run("status", "run.yaml").stdout
    assert "split test, file 1 (jsonl) changed (0 of 12 calls missing)" in status
    rerun(finished, calls=0)
    after = finished.views(step=1)["base/gsm8k/step1_generation.jsonl"]
    assert [old["doc_id"] == new["doc_id"] for old, new in zip(before, after, strict=True)] == [
        n != 3 for n in range(12)
    ]
    assert after[3]["target"] == items[3]["answer"]
    assert after[3]["requests"] == before[3]["requests"]


def test_a_corrected_gold_answer_asks_nothing_when_sampling(finished):
    sampling = {"generation_override": {"max_gen_toks": 12, "temperature": 1.0}}
    rerun(finished, calls=3 * (12 + 6), step1=sampling)
    first = [row["requests"][0]["text"] for row in finished.views(step=1)["base/gsm8k/step1_generation.jsonl"]]
    items = [gsm8k_item(number) for number in range(12)]
    items[0]["answer"] += "0"
    write_lines(finished.folder / "data" / "test.jsonl", items)
    rerun(finished, calls=0, step1=sampling)
    assert [row["requests"][0]["text"] for row in finished.views(step=1)["base/gsm8k/step1_generation.jsonl"]] == first
    rerun(finished, calls=CALLS, step1=sampling | {"replicate": 1})
    again = [row["requests"][0]["text"] for row in finished.views(step=1)["base/gsm8k/step1_generation.jsonl"]]
    assert again != first


def test_a_reworded_question_costs_its_own_calls(finished):
    items = [gsm8k_item(number) for number in range(12)]
    items[7]["question"] = items[7]["question"].replace("Tom", "Ann").replace("He", "She")
    write_lines(finished.folder / "data" / "test.jsonl", items)
    assert "(1 of 12 calls missing)" in finished.run("check", "run.yaml", "--plan").stdout
    rerun(finished, calls=3)


def test_a_changed_metric_is_step_3_alone(finished):
    settings = {"step3": {"metrics": [{"name": "rouge", "tokenizer": "characters"}]}}
    path = finished.write_settings(**settings)
    status = finished.run("status", str(path)).stdout.splitlines()
    stale = [line for line in status if "out of date" in line]
    assert all(line.startswith("step3") for line in stale), status
    assert any('metrics rouge.arguments.tokenizer: "jieba" -> "characters"' in line for line in stale), status
    before = finished.views(step=2)
    scores = finished.views(step=4)
    stamps = {path: path.stat().st_mtime_ns for path in finished.folder.glob("output/run/*/*/step2*.jsonl")}
    rerun(finished, calls=0, **settings)
    assert finished.views(step=2) == before
    assert stamps == {path: path.stat().st_mtime_ns for path in finished.folder.glob("output/run/*/*/step2*.jsonl")}
    assert finished.views(step=4) != scores


def test_an_adapter_overwritten_in_place_costs_exactly_its_calls(finished, tmp_path):
    weights = finished.folder / "models/sft/checkpoint-100/adapter_model.safetensors"
    stat = weights.stat()
    make_adapter(finished.folder / "models/base", tmp_path / "new", seed=9)
    shutil.copyfile(tmp_path / "new/adapter_model.safetensors", weights)
    os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (weights.stat().st_size, weights.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    status = finished.run("status", "run.yaml").stdout.splitlines()
    stale = [line for line in status if line.startswith("step1") and "out of date" in line]
    assert len(stale) == 1, status
    assert "sft__checkpoint-100" in stale[0], status
    assert f"adapter weights changed ({CALLS // 3} of {CALLS // 3} calls missing)" in stale[0], status
    rerun(finished, calls=CALLS // 3)


def test_trainer_files_cost_nothing(finished):
    (finished.folder / "models/sft/checkpoint-100/optimizer.pt").write_bytes(b"other moments")
    (finished.folder / "models/sft/checkpoint-100/scheduler.pt").write_bytes(b"new")
    rerun(finished, calls=0)


def test_a_task_left_out_is_not_in_the_results(finished):
    tasks = finished.settings["step1"]["tasks"]
    rerun(finished, calls=0, step1={"tasks": tasks[:1]})
    results = json.loads((finished.folder / "output/run/all_results.json").read_text())
    assert set(results["base"]) == {"gsm8k"}
    rerun(finished, calls=0)
    results = json.loads((finished.folder / "output/run/all_results.json").read_text())
    assert set(results["base"]) == {"gsm8k", "blimp_causative", "own"}


def test_steps_run_alone_and_say_what_is_missing(finished):
    path = finished.write_settings()
    (finished.folder / "output/run/base/gsm8k/step2_generation_trans.jsonl").unlink()
    error = finished.run("step3", str(path), expect=2).stderr
    assert "step2_generation_trans.jsonl is gone" in error
    assert "python main.py step2" in error
    finished.run("step2", str(path))
    finished.run("step3", str(path))
    assert "out of date" not in finished.run("status", str(path)).stdout


def test_deterministic_rows_do_not_depend_on_their_neighbours(finished):
    step1 = {"engine": {"backend": "hf", "threads": 1, "deterministic": True}, "adapters": []}
    rerun(finished, calls=12 + 8 + 6, step1=step1 | {"limit": None})
    whole = finished.views(step=1)
    shutil.rmtree(finished.folder / "output")
    finished.run("all", str(finished.write_settings(step1=step1 | {"limit": 3})), "--verbose")
    assert len(finished.answered()) == 9
    rerun(finished, calls=26 - 9, step1=step1)
    again = finished.views(step=1)
    for path, rows in again.items():
        assert rows == whole[path]


def test_the_log_tells_of_runs(finished):
    rerun(finished, calls=0)
    log = (finished.folder / "output/run/run.log").read_text()
    assert "run.yaml" in log
    time.strptime(log[:19], "%Y-%m-%dT%H:%M:%S")
