"""What an entry of a run may be: names, patterns, task files, folders, and names of lm_eval's; who wins, what is said."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from pipeline import console
from pipeline.errors import TaskError
from tasks.entries import Resolved, Resolver
from tasks.index import TaskIndex
from tasks.listing import list_tasks

FILES = {
    "one.yaml": "include: base\ntask: one\n",
    "base": "doc_to_text: a\ndoc_to_text: b\ntag: pair\n",
    "inner/two.yaml": "include: ../base\ntask: two\nprocess_docs: !function code.f\n",
    "group.yaml": "group: both\ntask: [one, {task: two, num_fewshot: 3}]\n",
    "string.yaml": "group: just_one\ntask: one\n",
    "gsm8k.yaml": "task: gsm8k\ndoc_to_text: mine\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Task files below `mine`, in the working folder."""
    for name, text in FILES.items():
        path = tmp_path / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console._console, "said", set())  # what other tests were told of files of these names
    return tmp_path / "mine"


def resolve(name: str, *include: str) -> Resolved:
    return Resolver(TaskIndex(include)).resolve(name, "run.yaml:1")


def test_a_task_file_is_named_by_its_path(folder: Path) -> None:
    found = resolve("mine/inner/two.yaml")
    assert list(found.files) == ["two"]
    assert found.files["two"].values["process_docs"].folder == folder / "inner"
    (folder / "one.yaml").rename(folder / "other.yml")
    assert list(resolve(f"{folder}/other.yml").files) == ["one"]


def test_a_file_wins_over_a_bundled_task_of_its_name(folder: Path) -> None:
    assert resolve("mine/gsm8k.yaml").files["gsm8k"].values["doc_to_text"] == "mine"
    assert resolve("gsm8k").files["gsm8k"].values["doc_to_text"] != "mine"


def test_a_folder_stands_for_what_its_files_define(folder: Path) -> None:
    for name in ("mine", "mine/", str(folder)):
        found = resolve(name)
        assert sorted(found.files) == ["gsm8k", "one", "two"]
        assert sorted(found.groups) == ["both", "just_one"]
        assert found.files["two"].values["num_fewshot"] == 3  # as the group has it
        assert found.groups["just_one"].members == ("one",)


def test_paths_have_patterns(folder: Path) -> None:
    assert sorted(resolve("mine/*/*.yaml").files) == ["two"]
    assert sorted(resolve(f"{folder}/o*.yaml").files) == ["one"]
    assert sorted(resolve("mine/i*").files) == ["two"]


def test_groups_of_a_file_find_their_members_in_the_runs_folders(folder: Path) -> None:
    with pytest.raises(TaskError, match=r"mine/group\.yaml:2: no task, group or tag is called 'one'"):
        resolve("mine/group.yaml")
    (folder / "gsm8k.yaml").unlink()
    assert list(resolve("mine/group.yaml", "mine").files) == ["one", "two"]


@pytest.mark.parametrize("name", ["mine/gone.yaml", "mine/*/*.yml", "nowhere/at_all"])
def test_paths_that_are_not_there_are_named(folder: Path, name: str) -> None:
    with pytest.raises(TaskError, match=r"run\.yaml:1: there is no task file or folder "):
        resolve(name)


def test_a_file_that_is_no_task_file_is_said_to_be_none(folder: Path) -> None:
    (folder / "notes.txt").write_text("")
    with pytest.raises(TaskError, match=r"mine/notes\.txt is neither a task file"):
        resolve("mine/notes.txt")


def test_a_folder_without_tasks_and_a_file_without_a_name_are_errors(folder: Path) -> None:
    (folder / "inner" / "two.yaml").write_text("doc_to_text: a\n")
    with pytest.raises(TaskError, match=r"run\.yaml:1: no file below mine/inner defines a task or group"):
        resolve("mine/inner")
    with pytest.raises(TaskError, match=r"two\.yaml:1: the file names neither a task nor a group"):
        resolve("mine/inner/two.yaml")


def test_a_file_that_is_overlooked_for_its_suffix_is_named(folder: Path) -> None:
    (folder / "inner" / "two.yaml").rename(folder / "inner" / "two.yml")
    with pytest.raises(
        TaskError, match=r"no file below mine/inner defines[\s\S]*end with \.yaml: rename mine/inner/two\.yml"
    ):
        resolve("mine/inner")
    with pytest.raises(
        TaskError, match=r"is called 'two'\n  Names of task files end with \.yaml: rename mine/inner/two\.yml"
    ):
        resolve("two", "mine")


def test_patterns_fit_groups_and_tags_too(folder: Path) -> None:
    (folder / "gsm8k.yaml").unlink()
    assert list(resolve("bo*", "mine").groups) == ["both"]
    assert sorted(resolve("pai*", "mine").files) == ["one", "two"]
    with pytest.raises(TaskError, match="fits the pattern 'x\\*'"):
        resolve("x*", "mine")


def test_repeated_keys_are_told_once_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    resolve("mine/one.yaml")
    resolve("mine/inner/two.yaml")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "mine/base:2: the key 'doc_to_text' is already set on line 1" in lines[0]
    assert lines[0].endswith("the last one counts")


def test_a_written_out_task_reads_what_it_includes(folder: Path) -> None:
    (folder / "group.yaml").write_text("group: g\ntask:\n  - {task: own, include: base, num_fewshot: 1}\n")
    found = resolve("mine/group.yaml")
    assert found.files["g::own"].values == {"task": "g::own", "doc_to_text": "b", "num_fewshot": 1}
    assert found.files["g::own"].where("doc_to_text").endswith("base:2")


def test_a_mapping_with_group_and_members_is_a_group_whatever_else_has_its_name(folder: Path) -> None:
    (folder / "group.yaml").write_text("group: g\ntask:\n  - {group: one, task: [one]}\n")
    found = resolve("mine")
    assert found.groups["g"].members == ("g::one",)
    assert found.groups["g::one"].members == ("one",)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{metric: acc, aggregation: median}", "aggregated by `mean` alone"),
        ("{metric: acc, filters: none}", "has no key 'filters'"),
        ("{metric: acc, filter_list: 3}", "`filter_list` of a group takes"),
        ("{weight_by_size: true}", "with `metric: <name>`"),
    ],
)
def test_faults_of_aggregate_metric_list_have_their_line(folder: Path, entry: str, message: str) -> None:
    (folder / "group.yaml").write_text(f"group: g\ntask: one\naggregate_metric_list:\n  - {entry}\n")
    with pytest.raises(TaskError, match=rf"group\.yaml:4: .*{message}"):
        resolve("mine")


def test_what_lm_eval_takes_as_true_or_as_mean_is_taken_so_and_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "group.yaml").write_text(
        "group: g\ntask: one\n"
        "aggregate_metric_list: {metric: !function a.score, aggregation: !function a.most, weight_by_size: yess}\n"
    )
    assert resolve("mine").groups["g"].metrics == (
        {"metric": "score", "aggregation": "mean", "weight_by_size": True, "filter_list": None},
    )
    said = capsys.readouterr().err
    assert "a.most is not called" in said
    assert "'yess' counts as true" in said


def test_without_lm_eval_its_names_say_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(TaskError, match=r"run\.yaml:1: `lm_eval:` names tasks of lm_eval[\s\S]*pip install lm_eval"):
        resolve("lm_eval:gsm8k")
    with pytest.raises(TaskError, match="not installed"):
        list_tasks("lm_eval:", [])


class TestOfLmEval:
    """With lm_eval installed."""

    @pytest.fixture(autouse=True)
    def installed(self) -> None:
        pytest.importorskip("lm_eval")

    def test_results_keep_plain_names(self) -> None:
        assert list(resolve("lm_eval:gsm8k").files) == ["gsm8k"]
        assert sorted(resolve("lm_eval:gsm8k_cot_*").files) == [
            "gsm8k_cot_llama",
            "gsm8k_cot_self_consistency",
            "gsm8k_cot_zeroshot",
        ]

    def test_groups_find_their_members_there(self) -> None:
        found = resolve("lm_eval:mmlu")
        assert len(found.files) == 57
        assert found.groups["mmlu"].members == ("mmlu_stem", "mmlu_other", "mmlu_social_sciences", "mmlu_humanities")

    def test_a_name_without_the_prefix_is_not_looked_up_there(self) -> None:
        with pytest.raises(TaskError, match=r"is called 'hellaswag'\n  Did you mean lm_eval:hellaswag\? List all"):
            resolve("hellaswag")

    def test_an_unknown_name_is_answered_with_near_ones(self) -> None:
        with pytest.raises(TaskError, match=r"Did you mean lm_eval:gsm8k .*python main\.py tasks lm_eval:"):
            resolve("lm_eval:gsm8kk")

    def test_they_are_listed_by_pattern(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert list_tasks("lm_eval:gsm8k*", []) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[1].split() == [
            "lm_eval:gsm8k",
            "task",
            "generate_until",
            "exact_match",
            "lm_eval/tasks/gsm8k/gsm8k.yaml",
        ]
        assert list_tasks("lm_eval:", []) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 1 + 14_683
        (bbq,) = (line for line in lines if line.startswith("lm_eval:bbq "))
        assert "acc, accuracy_amb, accuracy_disamb and 24 more " in bbq
        assert max(map(len, lines)) < 400
