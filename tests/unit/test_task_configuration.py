"""`tasks NAME --show`: the resolved configuration as YAML that says the same when it is read as a task file again."""

from __future__ import annotations

from pathlib import Path

import pytest

from main import main
from tasks.configuration import show_configurations
from tasks.task_config import read_config
from tasks.task_file import read_task_file

FILES = {
    "_base": 'output_type: generate_until\ntest_split: test\nfewshot_delimiter: "\\n--\\n"\ndoc_to_text: "{{q}}\\nA:"\n',
    "one.yaml": "include: _base\ntask: shown_one\ndataset_path: json\ndoc_to_target: !function utils.target\n",
    "two.yaml": "include: _base\ntask: shown_two\ndataset_path: json\ndoc_to_target: '{{a}}'\nnum_fewshot: 0\n",
    "both.yaml": "group: shown\ntask: [shown_one, shown_two]\naggregate_metric_list: [{metric: exact_match}]\n",
    "utils.py": "raise AssertionError('task code must not run')\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_shown_task_reads_back_as_itself(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "shown_two", "--show", "--include-path", str(folder)]) == 0
    said = capsys.readouterr().out
    assert '\nfewshot_delimiter: "\\n--\\n"\n' in said or "\nfewshot_delimiter: |" in said
    again = folder / "again.yaml"
    again.write_text(said)
    before, after = read_config(read_task_file(folder / "two.yaml")), read_config(read_task_file(again))
    names = [name for name in vars(before) if name != "file"]
    assert [getattr(after, name) for name in names] == [getattr(before, name) for name in names]
    assert before.num_fewshot == after.num_fewshot == 0


def test_functions_are_named_and_not_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show_configurations("shown_one", [str(folder)]) == 0
    assert "doc_to_target: !function 'utils.target'" in capsys.readouterr().out


def test_a_group_is_shown_with_its_members(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_configurations("shown", [str(folder)])
    group, *tasks = capsys.readouterr().out.split("---\n#")
    assert group.startswith("# a group\ngroup: shown\n")
    assert [next(line for line in task.splitlines() if line.startswith("task:")) for task in tasks] == [
        "task: shown_one",
        "task: shown_two",
    ]


def test_a_group_stands_before_the_groups_within_it_in_the_order_of_its_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "z.yaml").write_text("group: z\ntask: [shown_two]\n")
    (folder / "outer.yaml").write_text("group: outer\ntask: [z, shown]\n")
    show_configurations("outer", [str(folder)])
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("group: ")] == ["group: outer", "group: z", "group: shown"]
    assert [line for line in lines if line.startswith("task: ")] == ["task: shown_two", "task: shown_one"]


def test_what_cannot_be_shown_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "--show"]) == 2
    assert "needs the name" in capsys.readouterr().err
    assert main(["tasks", "gsm8kk", "--show"]) == 2
    assert "Did you mean gsm8k?" in capsys.readouterr().err
