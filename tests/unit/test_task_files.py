"""Task files: includes, names, groups, tags, patterns, definitions by section, task code."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import TaskSettings
from pipeline.errors import DataError, TaskError
from pipeline.fingerprint import FileHashes
from tasks.datasets import open_source
from tasks.index import TaskIndex
from tasks.listing import list_tasks
from tasks.loader import load_tasks
from tasks.task import Example, PromptSettings, TaskSet
from tasks.task_file import read_task_file

Files = Callable[..., Path]
TASK = """\
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
doc_to_text: "{{{{q}}}}"
doc_to_target: "{{{{a}}}}"
"""


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Writes a task folder; `TASK` stands for a small task over three documents."""
    data = tmp_path / "data.jsonl"
    data.write_text('{"q": "one", "a": "1"}\n{"q": "two", "a": "2"}\n{"q": "one", "a": "1"}\n')

    def write(**texts: str) -> Path:
        folder = tmp_path / "tasks"
        for name, text in texts.items():
            path = folder / f"{name}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("TASK", TASK.format(name=name, data=data)))
        return folder

    return write


def load(folder: Path, *names: Any, trusted: bool = False) -> TaskSet:
    entries = [TaskSettings(**name) if isinstance(name, dict) else TaskSettings(name=name) for name in names]
    return load_tasks(entries, [str(folder)], trusted, FileHashes(), lambda number: f"run.yaml:{number + 1}")


def prompts(tasks: TaskSet, **settings: Any) -> list[Any]:
    return [example.prompt for task in tasks.tasks for example in task.examples(PromptSettings(**settings))]


def test_own_keys_win_over_included_ones_and_know_their_file(files: Files) -> None:
    folder = files(
        one="include: [base, above.yaml]\ntask: one\ndescription: own\n".replace("base", "base.yaml"),
        base="description: of base\ntarget_delimiter: ':'\ndoc_to_text: from base\n",
        above="\n\ndoc_to_text: from above\n",
    )
    file = read_task_file(folder / "one.yaml")
    assert file.values == {
        "task": "one",
        "description": "own",
        "target_delimiter": ":",
        "doc_to_text": "from above",
    }
    assert file.where("doc_to_text").endswith("above.yaml:3")
    assert file.where("description").endswith("one.yaml:3")


def test_a_repeated_key_counts_with_its_last_value_and_is_remarked(files: Files) -> None:
    file = read_task_file(files(one="task: one\ndescription: a\ndescription: b\n") / "one.yaml")
    assert file.values["description"] == "b"
    assert [problem.where.rpartition(":")[2] for problem in file.warnings] == ["3"]


def test_files_that_include_each_other_are_an_error(files: Files) -> None:
    folder = files(one="include: two.yaml\ntask: one\n", two="include: one.yaml\n")
    with pytest.raises(TaskError, match=r"two\.yaml:1: .*circle"):
        read_task_file(folder / "one.yaml")


def test_a_missing_include_is_named_with_its_line(files: Files) -> None:
    with pytest.raises(TaskError, match=r"one\.yaml:2: the included file .*gone\.yaml is not there"):
        read_task_file(files(one="task: one\ninclude: gone.yaml\n") / "one.yaml")


def test_names_are_read_off_the_lines_in_each_notation(files: Files) -> None:
    folder = files(
        plain="task: plain # a remark\ntag: [x, 'y']\n",
        quoted="\"task\": 'quoted'\ntag:\n  - x\n  - z # a remark\n",
        braces='{"task": "braces", "tag": "x"}',
        inherits="include: _base\ntask: inherits\n",
        group="group: many\ntask:\n  - plain\n  - task: inherits\n    num_fewshot: 1\n",
        template="doc_to_text: ''\n",
    )
    (folder / "_base").write_text("tag: y\n")
    index = TaskIndex([str(folder)])
    mine = {name: known[0].kind for name, known in index.definitions.items() if known[0].path.parent == folder}
    assert mine == {"plain": "task", "quoted": "task", "braces": "task", "inherits": "task", "many": "group"}
    assert {tag: index.tags[tag] for tag in "xyz"} == {
        "x": ["braces", "plain", "quoted"],
        "y": ["inherits", "plain"],
        "z": ["quoted"],
    }


def test_groups_nest_override_and_hold_tasks_of_their_own(files: Files) -> None:
    folder = files(
        one="TASK",
        two="TASK\ntag: odd\n",
        inner="group: inner\ngroup_alias: Inner\ntask: [one]\ndescription: 'D: '\n",
        outer="""\
group: outer
task:
  - inner
  - odd
  - {task: own, include: none, dataset_path: json, dataset_kwargs: {data_files: DATA}, test_split: test,
     doc_to_text: "own {{q}}", doc_to_target: a}
  - group: written
    task: [two]
aggregate_metric_list: {metric: exact_match, filter_list: none}
""".replace("include: none, ", "").replace("DATA", str(files().parent / "data.jsonl")),
    )
    tasks = load(folder, "outer")
    assert [task.name for task in tasks.tasks] == ["one", "two", "outer::own"]
    groups = {group.name: group for group in tasks.groups}
    assert groups["outer"].members == ("inner", "two", "outer::own", "outer::written")
    assert groups["inner"].alias == "Inner"
    assert groups["outer::written"].members == ("two",)
    assert groups["outer"].metrics == (
        {"metric": "exact_match", "aggregation": "mean", "weight_by_size": True, "filter_list": ["none"]},
    )
    assert prompts(tasks) == ["D: one", "D: two", "D: one", "one", "two", "one", "own one", "own two", "own one"]


def test_a_task_in_two_groups_with_different_settings_is_an_error(files: Files) -> None:
    folder = files(one="TASK", a="group: a\ntask: [one]\nnum_fewshot: 0\n", b="group: b\ntask: [one]\nnum_fewshot: 1\n")
    with pytest.raises(TaskError, match="one is asked for twice"):
        load(folder, "a", "b")


def test_patterns_match_tasks_and_entries_named_twice_stand_once(files: Files) -> None:
    folder = files(my_one="TASK", my_two="TASK", my_group="group: my_group\ntask: [my_one]\n")
    tasks = load(folder, "my_*", "my_two", "my_group")
    assert [task.name for task in tasks.tasks] == ["my_one", "my_two"]
    assert [group.name for group in tasks.groups] == ["my_group"]
    with pytest.raises(TaskError, match=r"run\.yaml:2: the task my_two is asked for twice"):
        load(folder, "my_*", {"name": "my_two", "num_fewshot": 0})


def test_documents_are_named_by_content_and_copy(files: Files) -> None:
    (task,) = load(files(one="TASK"), "one").tasks
    first, second, third = (example.document for example in task.examples(PromptSettings()))
    assert [first.index, second.index, third.index] == [0, 1, 2]
    assert len(first.doc_id) == 16
    assert third.doc_id == f"{first.doc_id}#2"
    assert second.doc_id not in (first.doc_id, third.doc_id)


@pytest.mark.parametrize(
    ("limit", "samples", "indices"),
    [(2, None, [0, 1]), (0.3, None, [0]), (0.34, None, [0, 1]), (9, None, [0, 1, 2]), (1, [2, 0], [0, 2])],
)
def test_limit_counts_or_is_a_fraction_and_samples_choose(
    files: Files, limit: float, samples: list[int] | None, indices: list[int]
) -> None:
    (task,) = load(files(one="TASK"), "one").tasks
    found = list(task.examples(PromptSettings(), limit, samples))
    assert [example.document.index for example in found] == indices
    if samples:
        assert found[-1].document.doc_id.endswith("#2")  # the copies that are left out count


def test_documents_are_counted_whether_or_not_they_can_be_asked_about(files: Files) -> None:
    (task,) = load(files(one='TASKdoc_to_text: "{{missing}}"\n'), "one").tasks
    assert task.count() == 3
    with pytest.raises(TaskError, match="missing"):
        next(iter(task.examples(PromptSettings())))


def test_num_fewshot_of_the_run_wins_over_the_entry_and_that_over_the_file(files: Files) -> None:
    folder = files(one="TASK\nnum_fewshot: 1\n")
    (task,) = load(folder, {"name": "one", "num_fewshot": 0}).tasks
    assert task.num_fewshot == 0
    assert next(iter(task.examples(PromptSettings()))).prompt == "one"
    assert next(iter(task.examples(PromptSettings(num_fewshot=1)))).prompt == "two 2\n\none"
    (task,) = load(folder, "one").tasks
    assert task.num_fewshot == 1


def asked(files: Files, extra: str) -> dict[str, Any]:
    (task,) = load(files(one=f"TASK\n{extra}"), "one").tasks
    return task.request_basis()


@pytest.mark.parametrize(
    ("extra", "changes"),
    [
        ("description: Think.", True),
        ("generation_kwargs: {max_gen_toks: 5}", True),
        ("fewshot_delimiter: ';'", True),
        ("num_fewshot: 3", True),
        ("repeats: 2", True),
        ("filter_list: [{name: x, filter: [{function: take_first}]}]", False),
        ("metric_list: [{metric: exact_match, ignore_case: true}]", False),
        ("slices: [q]", False),
        ("cluster: q", False),
        ("primary_metric: exact_match", False),
        ("metadata: {version: 2}", False),
        ("task_alias: One", False),
        ("should_decontaminate: true", False),
    ],
)
def test_requests_follow_from_what_is_asked_and_not_from_how_it_is_scored(
    files: Files, extra: str, changes: bool
) -> None:
    assert (asked(files, "") != asked(files, extra)) == changes


def test_what_code_has_no_part_in_says_nothing_of_code(files: Files) -> None:
    """A key that is added to what requests follow from would make every step 1 that was run before out of date."""
    plain = asked(files, "")
    assert not {"custom_dataset", "seeds", "target_as_given", "unconditional"} & plain.keys()
    folder = files(one="TASK\nprocess_results: !function utils.score\n")
    (folder / "utils.py").write_text("def score(doc, results):\n    return {}\n")
    (task,) = load(folder, "one", trusted=True).tasks
    assert task.request_basis() == {**plain, "target_as_given": True}


def test_inputs_are_the_files_read_and_move_with_their_content(files: Files, tmp_path: Path) -> None:
    folder = files(one="TASK")
    (task,) = load(folder, "one").tasks
    before = task.inputs()
    assert list(before) == ["split test, file 1 (jsonl)"]
    (tmp_path / "data.jsonl").write_text('{"q": "three", "a": "3"}\n')
    assert task.inputs() != before


def with_shots(folder: Path, data_files: dict[str, str]) -> tuple[dict[str, str], list[Any]]:
    """The inputs and the prompts of a task with one example before each question."""
    entry = {"name": "one", "data_files": data_files, "num_fewshot": 1}
    tasks = load(folder, entry)
    return tasks.tasks[0].inputs(), prompts(tasks)


def test_files_of_one_name_stand_apart_by_split(files: Files, tmp_path: Path) -> None:
    folder = files(one="TASK\ntraining_split: train\n")
    named = {split: str(tmp_path / split / "data.jsonl") for split in ("train", "test")}
    for split, path in named.items():
        Path(path).parent.mkdir()
        Path(path).write_text(f'{{"q": "{split}", "a": "1"}}\n')
    first, asked = with_shots(folder, named)
    swapped, asked_swapped = with_shots(folder, {"train": named["test"], "test": named["train"]})
    assert (asked, asked_swapped) == (["train 1\n\ntest"], ["test 1\n\ntrain"])
    assert first != swapped
    assert sorted(first.values()) == sorted(swapped.values())
    Path(named["test"]).write_text('{"q": "other", "a": "1"}\n')
    changed, _ = with_shots(folder, named)
    assert [name for name in first if first[name] != changed[name]] == ["split test, file 1 (jsonl)"]


def test_a_moved_or_renamed_folder_is_the_same_input(files: Files, tmp_path: Path) -> None:
    folder = files(one="TASK\ntraining_split: train\n")
    found = []
    for place in ("a", "b/main"):
        parts = {split: tmp_path / place / f"{split}{place[0]}.jsonl" for split in ("train", "test")}
        parts["test"].parent.mkdir(parents=True)
        for split, path in parts.items():
            path.write_text(f'{{"q": "{split}", "a": "1"}}\n')
        found.append(with_shots(folder, {split: str(path) for split, path in parts.items()}))
    assert found[0] == found[1]


def test_each_of_several_files_of_one_name_counts(tmp_path: Path) -> None:
    paths = [tmp_path / name / "test.jsonl" for name in "ab"]
    for path in paths:
        path.parent.mkdir()
        path.write_text('{"q": "x"}\n')
    source = open_source("json", None, {"data_files": {"test": list(map(str, paths))}}, where="")
    before = source.hashes("test", FileHashes())
    paths[0].write_text('{"q": "y"}\n')
    after = source.hashes("test", FileHashes())
    assert [name for name in before if before[name] != after[name]] == ["split test, file 1 (jsonl)"]


def test_what_of_a_zip_is_read_counts_and_its_name_does_not(tmp_path: Path) -> None:
    for name in ("one.zip", "two.zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for config in "ab":
                archive.writestr(zipfile.ZipInfo(f"{config}/test.jsonl"), f'{{"q": "{config}"}}\n')
    inputs = [
        open_source("x", config, {}, data_dir=str(tmp_path / name), where="").hashes("test", FileHashes())
        for name, config in (("one.zip", "a"), ("two.zip", "a"), ("one.zip", "b"))
    ]
    assert inputs[0] == inputs[1] != inputs[2]


def test_files_that_a_custom_dataset_is_told_of_count(files: Files, tmp_path: Path) -> None:
    table = tmp_path / "own.json"
    table.write_text('[{"q": "x", "a": "1"}]')
    keys = f"task: one\ntest_split: test\ndoc_to_text: q\ndoc_to_target: a\nmetadata: {{table: {table}, text: {'x' * 5000}}}\n"
    folder = files(one=f"{keys}custom_dataset: !function made.made\n")
    (folder / "made.py").write_text(
        "import json\n\n\ndef made(table, text):\n    return {'test': json.load(open(table))}\n"
    )
    found = []
    for text in ("x", "y"):
        table.write_text(f'[{{"q": "{text}", "a": "1"}}]')
        tasks = load(folder, "one", trusted=True)
        found.append((tasks.tasks[0].inputs(), prompts(tasks)))
    assert [asked for _, asked in found] == [["x"], ["y"]]
    assert found[0][0] != found[1][0]


CODE = (
    "def keep(docs):\n    return docs.filter(lambda doc: doc['a'] == '2').map(lambda doc: {'q': 'MARK ' + doc['q']})\n"
)


def test_task_code_runs_only_where_it_is_trusted_and_each_folder_has_its_own(files: Files) -> None:
    folder = files(
        **{"x/one": "TASK\nprocess_docs: !function utils.keep\n", "y/two": "TASK\nprocess_docs: !function utils.keep\n"}
    )
    for name in "xy":
        path = folder / name
        text = next(path.glob("*.yaml")).read_text().replace(f"task: {name}/", "task: ")
        next(path.glob("*.yaml")).write_text(text)
        (path / "utils.py").write_text(CODE.replace("MARK", name))
    with pytest.raises(TaskError, match=r"one\.yaml:8: .*utils\.keep[\s\S]*trust_task_code"):
        load(folder, "one")
    tasks = load(folder, "one", "two", trusted=True)
    assert prompts(tasks) == ["x two", "y two"]


def test_changed_task_code_changes_what_the_requests_follow_from(files: Files) -> None:
    folder = files(one="TASK\nprocess_docs: !function utils.keep\n")
    (folder / "utils.py").write_text(CODE)
    before = load(folder, "one", trusted=True).tasks[0].request_basis()
    (folder / "utils.py").write_text(f"{CODE}# changed\n")
    after = load(folder, "one", trusted=True).tasks[0].request_basis()
    assert {name for name in before if before[name] != after[name]} == {"process_docs"}


NEXT = """\
task: letters
dataset_path: json
dataset_kwargs: {{data_files: {data}}}
test_split: test
output_type: next_token
doc_to_text: "{{{{q}}}}?"
doc_to_target: a
doc_to_choice: ["0", "1", "2"]
slices: [q]
cluster: a
"""


def test_next_token_asks_for_the_candidates_and_a_table_cell_may_be_an_index(files: Files, tmp_path: Path) -> None:
    folder = files(letters=NEXT.format(data=tmp_path / "data.jsonl"))
    (task,) = load(folder, "letters").tasks
    example: Example = next(iter(task.examples(PromptSettings())))
    assert example.requests[0].type == "next_token"
    assert example.requests[0].continuations == ("0", "1", "2")
    assert example.target == 1
    assert (list(task.slices), task.cluster) == (["q"], "a")


def test_the_list_shows_tasks_groups_and_tags(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    folder = files(one="TASK\ntag: odd\n", many="group: many\ntask: [one]\n")
    assert list_tasks(None, [str(folder)]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "generate_until" in lines["one"]
    assert "group" in lines["many"]
    assert "1 tasks" in lines["odd"]
    assert "exact_match" in lines["gsm8k"]
    assert len([name for name in lines if name.startswith("blimp_")]) == 67
    assert list_tasks("gsm", []) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert list_tasks("no such", []) == 1


def test_steps_that_read_no_data_load_tasks_whose_data_have_gone(files: Files, tmp_path: Path) -> None:
    folder = files(one="TASK")
    (tmp_path / "data.jsonl").unlink()
    entries = [TaskSettings(name="one")]
    (task,) = load_tasks(entries, [str(folder)], False, FileHashes(), find_data=False).tasks
    assert task.filters[0].name == "none"
    with pytest.raises(DataError, match=r"one\.yaml:2: no such data file"):
        load_tasks(entries, [str(folder)], False, FileHashes())
