"""What a finished run leaves for people: its report, the differences to the base, llm_evaluation's files."""

from __future__ import annotations

import csv
import json
import math
import re
import statistics

from tests.project import Project


def scored(project: Project, model: str, task: str) -> list[dict]:
    return project.views(step=3)[f"{model}/{task}/step3_evaluation.jsonl"]


def test_differences_follow_from_the_rows_that_both_models_have(finished: Project) -> None:
    results = json.loads((finished.folder / "output" / "run" / "all_results.json").read_text(encoding="utf-8"))
    model = "sft__checkpoint-200"
    for task, metric, filter_name in (("own", "rouge-l", "none"), ("gsm8k", "rouge-1", "flexible-extract")):
        base, other = (
            {
                row["doc_id"]: row["values"][metric]
                for row in scored(finished, name, task)
                if row["filter"] == filter_name
            }
            for name in ("base", model)
        )
        differences = [other[doc_id] - base[doc_id] for doc_id in base]
        found = results[model][task][f"{metric},{filter_name}"]["difference"]
        assert found["baseline"] == "base"
        assert found["n"] == len(differences) > 5
        assert math.isclose(found["value"], statistics.fmean(differences), abs_tol=1e-9)
        assert math.isclose(found["se"], statistics.stdev(differences) / math.sqrt(len(differences)), abs_tol=1e-9)
    assert "difference" not in results["base"]["own"]["rouge-l,none"]


def test_llm_evaluation_s_files_hold_the_own_test_set(finished: Project) -> None:
    run = finished.folder / "output" / "run"
    for model in ("base", "sft__checkpoint-100"):
        rows = scored(finished, model, "own")
        lines = (run / model / "generated_predictions.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line) for line in lines] == [
            {"label": row["target"], "predict": row["response"]} for row in rows
        ]
        predicted = json.loads((run / model / "predict_results.json").read_text())
        assert set(predicted) == {"predict_rouge-1", "predict_rouge-2", "predict_rouge-l", "predict_runtime", "predict_samples_per_second", "predict_steps_per_second"}  # fmt: skip
        assert predicted["predict_rouge-1"] == math.fsum(row["values"]["rouge-1"] for row in rows) / len(rows)
        lock = json.loads((run / model / "step1.lock.json").read_text())["own"]
        assert predicted["predict_samples_per_second"] == round(lock["counts"]["made"] / lock["seconds"], 3)
    table = list(csv.DictReader((run / "llm_evaluation.csv").read_text(encoding="utf-8").splitlines()))
    assert [line["model"] for line in table] == ["base", "sft__checkpoint-100", "sft__checkpoint-200"]
    assert "## llm_evaluation" in (run / "results.md").read_text(encoding="utf-8")


def test_answers_from_the_memo_have_no_speed_and_the_report_is_written_again(finished: Project) -> None:
    run = finished.folder / "output" / "run"
    report = (run / "report.html").read_text(encoding="utf-8")
    assert "sft__<wbr>checkpoint-200" in report
    assert report.count("<svg") >= 3
    for name in ("report.html", "base/step1.lock.json", "base/own/step1_generation.jsonl"):
        (run / name).unlink()
    finished.run("all", str(finished.write_settings()))
    assert (run / "report.html").exists()
    predicted = json.loads((run / "base" / "predict_results.json").read_text())
    assert predicted["predict_samples_per_second"] is None


def test_models_that_were_not_asked_the_same_are_told_of(finished: Project) -> None:
    run = finished.folder / "output" / "run"
    changed = run / "sft__checkpoint-100" / "gsm8k" / "step3_evaluation.jsonl"
    rows = [json.loads(line) for line in changed.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        row["prompt_hash"] = "0" * 16 if row["index"] < 3 else row["prompt_hash"]
    changed.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    lock = run / "sft__checkpoint-200" / "step1.lock.json"
    lock.write_text(re.sub(r'"tokenizer": ?"', '"tokenizer": "other', lock.read_text(encoding="utf-8")))
    done = finished.run("step4", str(finished.write_settings()), "--set", "allow_stale=true")
    beside = "3 of 12 documents with other prompts"
    prompts = "3 of 12 documents of gsm8k were asked of sft__checkpoint-100 with other prompts than of base"
    template = "sft__checkpoint-200 was asked through another tokenizer or chat template than base"
    for sentence in (prompts, template):
        assert f"warning: {sentence}" in done.stderr
        for name in ("results.md", "report.html"):
            assert (run / name).read_text(encoding="utf-8").count(sentence) == 1
    assert (run / "results.md").read_text(encoding="utf-8").count(beside) == 8, "of four values in two filters"
    results = json.loads((run / "all_results.json").read_text(encoding="utf-8"))
    counted = {
        (model, task): {
            (figure["difference"]["other_prompts"], figure["difference"]["documents"]) for figure in by_name.values()
        }
        for model in ("sft__checkpoint-100", "sft__checkpoint-200")
        for task, by_name in results[model].items()
    }
    assert counted.pop(("sft__checkpoint-100", "gsm8k")) == {(3, 12)}
    assert {count for found in counted.values() for count, _ in found} == {0}
