"""Shapes and rules of lm-evaluation-harness's layout: samples, groups and their errors, functions by their source."""

from __future__ import annotations

import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from models.parameter_count import UNKNOWN, parameter_count
from pipeline.config import TaskSettings
from pipeline.fingerprint import FileHashes
from pipeline.rows import AggregateRow
from reports.lm_eval_layout import (
    Sample,
    json_line,
    model_folder_name,
    predicted_figures,
    results_name,
    sample_record,
    samples_name,
    task_figures,
    time_stamp,
)
from stats.pooled import pooled_mean
from steps.step4_lm_eval_groups import group_figures, inner_first, outer_first
from tasks.harness_configuration import alias, harness_configuration, version, written_target
from tasks.loader import load_tasks
from tasks.task import Group
from tests.tiny_models import make_adapter, make_base


def sample(**changes: Any) -> Sample:
    parts: dict[str, Any] = {
        "index": 3,
        "document": {"q": "ä", "n": 1.5},
        "target": ["a", "b"],
        "arguments": [("Q", {"until": ["\n"]})],
        "responses": [["one", "two"]],
        "filtered": [["one", "two"]],
        "filter": "none",
        "values": {"exact_match": 1.0, "odd": math.nan},
    }
    return Sample(**parts | changes)


def test_a_sample_has_the_harness_keys_in_its_order() -> None:
    record = json.loads(json_line(sample_record(sample())))
    assert list(record)[:8] == ["doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"]
    assert list(record)[8:] == ["doc_hash", "prompt_hash", "target_hash", "exact_match", "odd"]
    assert record["arguments"] == {"gen_args_0": {"arg_0": "Q", "arg_1": {"until": ["\n"]}}}
    assert record["target"] == "['a', 'b']"
    assert record["resps"] == [["one", "two"]]
    assert math.isnan(record["odd"])
    assert "ä" in json_line(sample_record(sample())).decode()


def test_log_likelihoods_are_texts_and_lone_surrogates_do_not_end_the_writing() -> None:
    record = sample_record(sample(responses=[[(-1.5, True)], [(-math.inf, False)]], filtered=[[-1.5, True]]))
    assert record["resps"] == [[["-1.5", "True"]], [["-inf", "False"]]]
    assert record["filtered_resps"] == [["-1.5", "True"]]
    assert json_line(sample_record(sample(arguments=[("\ud83d",)])))


def test_names_are_the_harness_own() -> None:
    utils = pytest.importorskip("lm_eval.utils")
    for name in ("Qwen/Qwen2.5-7B", "a:b", "/tmp/x//y", "[q]"):
        assert model_folder_name(name) == utils.sanitize_model_name(name)
    stamp = time_stamp(datetime(2026, 1, 2, 3, 4, 5, 6))
    assert (results_name(stamp), samples_name("mmlu::law", stamp)) == (
        "results_2026-01-02T03-04-05.000006.json",
        "samples_mmlu::law_2026-01-02T03-04-05.000006.jsonl",
    )
    assert utils.get_file_datetime(samples_name("a_b", stamp)) == stamp
    assert utils.get_file_task_name(samples_name("a_b", stamp)) == "a_b"


def row(metric: str, value: Any, n: int, se: Any = None, **parts: Any) -> AggregateRow:
    return AggregateRow(model="m", task="t", metric=metric, filter="none", value=value, n=n, se=se, **parts)


def test_figures_of_a_task() -> None:
    rows = [
        row("acc", 0.5, 4, 0.1),
        row("acc", 0.1, 2, slice="a=b"),
        row("f1", {"$float": "nan"}, 3),
        row("x", None, 0),
    ]
    figures = task_figures("t", None, rows)
    assert list(figures) == ["name", "alias", "sample_len", "acc,none", "acc_stderr,none", "f1,none", "f1_stderr,none"]
    assert (figures["alias"], figures["sample_len"], figures["acc_stderr,none"]) == ("t", 4, 0.1)
    assert math.isnan(figures["f1,none"])
    assert figures["f1_stderr,none"] == "N/A"
    assert predicted_figures("t", "T", ["a"], 2) == {
        "name": "t",
        "alias": "T",
        "sample_len": 2,
        "bypass,a": 999,
        "bypass_stderr,a": "N/A",
    }


@pytest.mark.parametrize("sizes", [[3, 30, 300], [5, 5, 5]])
def test_errors_of_groups_are_the_harness_own(sizes: list[int]) -> None:
    api = pytest.importorskip("lm_eval.api.metrics")
    values, errors = [0.25, 0.5, 0.7], [0.1, 0.2, 0.03]
    weighted, plain = pooled_mean(values, errors, sizes, True), pooled_mean(values, errors, sizes, False)
    assert weighted == pytest.approx(
        (api.aggregate_subtask_metrics(values, sizes, True), api.pooled_sample_stderr(errors, sizes)), rel=1e-12
    )
    assert plain == pytest.approx(
        (api.aggregate_subtask_metrics(values, sizes, False), api.unweighted_mean_stderr(errors)), rel=1e-12
    )
    assert (weighted == pytest.approx(plain)) == (len(set(sizes)) == 1)


def test_a_member_without_an_error_leaves_the_group_without() -> None:
    assert pooled_mean([1.0, 0.0], [None, 0.1], [1, 3], True) == (0.25, None)
    assert pooled_mean([1.0, 0.0], [0.1, 0.1], [1, 1], True) == (0.5, None)


METRIC = {"metric": "acc", "aggregation": "mean", "weight_by_size": True, "filter_list": None}
INNER = Group("inner", ("b", "c"), None, (METRIC,))
OUTER = Group("outer", ("a", "inner"), "Outer", (METRIC | {"weight_by_size": False}, METRIC | {"metric": "none"}))


def test_groups_are_ordered_by_what_they_hold() -> None:
    for groups in ((INNER, OUTER), (OUTER, INNER)):
        assert [group.name for group in outer_first(groups)] == ["outer", "inner"]
        assert [group.name for group in inner_first(groups)] == ["inner", "outer"]


def test_a_groups_figures_are_over_its_tasks_that_have_the_metric() -> None:
    results = {
        "a": {"name": "a", "sample_len": 2, "acc,none": 1.0, "acc_stderr,none": 0.2, "acc,strict": 0.0, "acc_stderr,strict": "N/A"},
        "b": {"name": "b", "sample_len": 6, "acc,none": 0.5, "acc_stderr,none": 0.1},
        "c": {"name": "c", "sample_len": 9, "f1,none": 0.5, "f1_stderr,none": 0.1},
    }  # fmt: skip
    figures = group_figures(OUTER, (OUTER, INNER), results)
    assert list(figures)[:3] == ["alias", "name", "sample_len"]
    assert figures["sample_len"] == 17
    assert figures["acc,none"] == 0.75
    assert figures["acc_stderr,none"] == pytest.approx(math.hypot(0.2, 0.1) / 2)
    assert figures["acc_stderr,strict"] == "N/A"
    assert figures["sample_count"] == {"acc,none": 8, "acc,strict": 2}
    assert group_figures(Group("bare", ("a",)), (), results) == {"alias": "bare", "name": "bare"}


def test_functions_stand_by_their_source_and_do_not_run(tmp_path: Path) -> None:
    code = "import functools\n\n\n@functools.cache\ndef target(doc):\n    return doc['a']\n\n\nother = 1\n"
    (tmp_path / "utils.py").write_text(code)
    (tmp_path / "one.yaml").write_text(
        "task: one\ntask_alias: One\noutput_type: multiple_choice\ntest_split: test\ndataset_path: json\n"
        "dataset_kwargs: {data_files: {test: none.jsonl}}\n"
        "doc_to_text: q\ndoc_to_target: !function utils.target\ndoc_to_choice: [x, z]\nslices: [q]\nmetadata: draft\n"
    )
    (task,) = load_tasks([TaskSettings(name="one", num_fewshot=0)], [str(tmp_path)], True, FileHashes(), find_data=False).tasks  # fmt: skip
    found = harness_configuration(task, {}, {"dtype": "float32"}, FileHashes())
    assert found["doc_to_target"] == "@functools.cache\ndef target(doc):\n    return doc['a']\n"
    assert found["num_fewshot"] == 0
    assert found["metadata"] == {"_metadata": "draft", "dtype": "float32", "config_source": str(tmp_path / "one.yaml")}
    assert "metric_list" not in found  # the harness leaves its defaults out
    assert list(found)[-1] == "slices"
    assert (alias(task), version(task)) == ("One", "Yaml")


def test_a_target_is_written_as_the_file_gives_it(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(
        "task: one\noutput_type: multiple_choice\ntest_split: test\ndataset_path: json\n"
        "dataset_kwargs: {data_files: {test: none.jsonl}}\n"
        "doc_to_text: q\ndoc_to_target: '{{c[g]}}'\ndoc_to_choice: c\n"
    )
    (task,) = load_tasks([TaskSettings(name="one")], [str(tmp_path)], False, FileHashes(), find_data=False).tasks
    assert written_target(task, {"q": "?", "c": ["x", "y"], "g": 1}, 1) == "y"


def test_parameters_are_counted_from_the_files(tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = make_base(tmp_path / "base")
    lora = make_adapter(base, tmp_path / "lora")
    model = AutoModelForCausalLM.from_pretrained(base)
    assert parameter_count(base) == model.num_parameters()
    assert parameter_count(base, lora) == sum(
        one.numel() for one in PeftModel.from_pretrained(model, lora).parameters()
    )
    assert parameter_count(tmp_path) == UNKNOWN
