"""Wrong task files and broken data: each a sentence that says where, what, and what to do."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import TaskSettings
from pipeline.errors import EvaluationError, InputError, raise_all
from pipeline.fingerprint import FileHashes
from steps.task_checks import check_task
from tasks.loader import load_tasks
from tasks.task import PromptSettings

ROOT = Path(__file__).resolve().parents[2]
HEAD = """\
task: mine
dataset_path: json
test_split: test
"""
PLAIN = 'doc_to_text: "{{q}}"\ndoc_to_target: a\n'
CHOICE = f"output_type: multiple_choice\n{PLAIN}"
METRIC = f"{HEAD}{PLAIN}metric_list:\n  - metric: exact_match\n  - "  # the second stands on line 8
FILTER = f"{HEAD}{PLAIN}filter_list:\n  - name: x\n    filter:\n      - function: take_first\n      - "  # on line 10
CHOICES = f"{HEAD}{CHOICE}doc_to_choice: [x, y]\nmetric_list:\n  - metric: "  # on line 9


def run(
    tmp_path: Path, text: str, data: str | bytes = '{"q": "x", "a": "y"}\n', file_name: str = "d.jsonl", **entry: Any
) -> str:
    """The message of the error that the task file or its data give; file names without their folder."""
    file = tmp_path / "data" / file_name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    folder = tmp_path / "tasks"
    folder.mkdir(exist_ok=True)
    (folder / "mine.yaml").write_text(text)
    settings = TaskSettings(**({"name": "mine", "data_files": str(file)} | entry))
    with pytest.raises(EvaluationError) as caught:
        read_all(settings, str(folder))
    assert caught.value.exit_code == 2
    return str(caught.value).replace(f"{folder}/", "").replace(f"{file.parent}/", "")


def read_all(settings: TaskSettings, folder: str) -> None:
    for task in load_tasks([settings], [folder], False, FileHashes(), lambda number: "run.yaml:9").tasks:
        faults: list[InputError] = []
        check_task(task, faults)
        raise_all(faults)
        list(task.examples(PromptSettings()))


FAULTS = {
    "misspelt key": (f"{HEAD}{PLAIN}doc_to_tex: x\n", "mine.yaml:6: `doc_to_tex` is not a key of task files; did you mean doc_to_text?"),
    "wrong kind of value": (f"{HEAD}{PLAIN}num_fewshot: five\n", "mine.yaml:6: `num_fewshot` takes a whole number, not 'five'"),
    "truth for a number": (f"{HEAD}{PLAIN}repeats: true\n", "mine.yaml:6: `repeats` takes a whole number, not True"),
    "unknown output type": (f"{HEAD}{PLAIN}output_type: multiple_choices\n", "mine.yaml:6: unknown output_type 'multiple_choices'; did you mean multiple_choice?"),
    "no choices": (f"{HEAD}{CHOICE}", "mine.yaml:4: `multiple_choice` needs doc_to_choice"),
    "no split": (f"task: mine\ndataset_path: json\n{PLAIN}", "mine.yaml:1: the task names no test_split"),
    "unsupported key": (f"{HEAD}{PLAIN}doc_to_image: [picture]\n", "mine.yaml:6: `doc_to_image` (images) is not supported"),
    "code that is not trusted": (f"{HEAD}doc_to_text: !function u.f\ndoc_to_target: a\n", "mine.yaml:4: the task file names Python code, u.f"),
    "few-shot key": (f"{HEAD}{PLAIN}fewshot_config:\n  sampler: default\n  samplr: x\n", "mine.yaml:8: `samplr` is not a key of fewshot_config; did you mean sampler?"),
    "few-shot sampler": (f"{HEAD}{PLAIN}fewshot_config:\n  sampler: best\n", "mine.yaml:7: unknown few-shot sampler 'best'; there are default, first_n"),
    "metric without a name": (f"{HEAD}{PLAIN}metric_list:\n  - metric: acc\n  - acc\n", "mine.yaml:8: an entry of metric_list"),
    "filter without a list": (f"{HEAD}{PLAIN}filter_list:\n  - name: x\n    filter: regex\n", "mine.yaml:7: an entry of filter_list"),
    "too many shots": (f"{HEAD}{PLAIN}num_fewshot: 5\n", "mine.yaml:6: the few-shot examples need 6 documents, and their split has 1"),
    "missing column": (f'{HEAD}doc_to_text: "Q: {{{{qu}}}}"\ndoc_to_target: a\n', "mine.yaml:4: document 0 has no column 'qu', which is used here\n  Did you mean q? The columns are q, a."),
    "template that fails": (f'{HEAD}doc_to_text: "{{{{q / 2}}}}"\ndoc_to_target: a\n', "mine.yaml:4: the template fails on document 0: unsupported operand"),
    "template that cannot be read": (f'{HEAD}doc_to_text: "{{{{q"\ndoc_to_target: a\n', "mine.yaml:4: the template cannot be read"),
    "template that breaks out": (f"{HEAD}doc_to_text: \"{{{{q.__class__.__mro__}}}}\"\ndoc_to_target: a\n", "mine.yaml:4: the template fails on document 0: access to attribute '__class__'"),
    "no list of choices": (f"{HEAD}{CHOICE}doc_to_choice: '{{{{q}}}}'\n", "mine.yaml:7: doc_to_choice must render a list, [...], and renders 'x', on document 0"),
    "question that is no text": (f"{HEAD}doc_to_text: n\ndoc_to_target: a\n", "mine.yaml:4: this must give text, and gives 3, on document 0"),
    "column of choices": (f"{HEAD}{CHOICE}doc_to_choice: options\n", "mine.yaml:7: document 0 has no column 'options', which is used here"),
    "column of the description": (f'{HEAD}{PLAIN}description: "In {{{{lang}}}}:"\n', "mine.yaml:6: document 0 has no column 'lang', which is used here"),
    "column of the prefix": (f'{HEAD}{PLAIN}gen_prefix: "{{{{lang}}}}"\n', "mine.yaml:6: document 0 has no column 'lang', which is used here"),
    "column of examples": (f'{HEAD}{PLAIN}num_fewshot: 1\nfewshot_config:\n  samples: [{{q: u, a: v}}]\n  doc_to_text: "{{{{qu}}}}"\n', "mine.yaml:9: a few-shot example of document 0 has no column 'qu', which is used here"),
    "column of clusters": (f"{HEAD}{PLAIN}cluster: story\n", "mine.yaml:6: document 0 has no column 'story', which is used here"),
    "filter of a template": (f'{HEAD}doc_to_text: "{{{{q | uper}}}}"\ndoc_to_target: a\n', "mine.yaml:4: the template cannot be read: No filter named 'uper'"),
    "unknown filter": (f"{FILTER}function: take_frst\n", "mine.yaml:10: no filter is called 'take_frst'\n  Did you mean take_first?"),
    "argument of a filter": (f"{FILTER}{{function: regex, patern: x}}\n", "mine.yaml:10: the filter regex does not take these arguments: regex() got an unexpected keyword argument 'patern'"),
    "value of a filter's argument": (f"{FILTER}{{function: regex, regex_pattern: '('}}\n", "mine.yaml:10: the filter regex does not take these arguments: regex_pattern is no regular expression"),
    "filter without a function": (f"{FILTER}regex: x\n", "mine.yaml:10: an entry of filter_list is"),
    "key beside a filter": (f"{FILTER}function: lowercase\n    filtr: x\n", "mine.yaml:11: `filtr` is not a key of an entry of filter_list; did you mean filter?"),
    "own key beside a filter": (f"{FILTER}function: lowercase\n    weight: 2\n", "mine.yaml:11: `weight` is not a key of an entry of filter_list; an entry of filter_list is"),
    "custom filter without its function": (f"{FILTER}function: custom\n", "mine.yaml:10: the filter `custom` takes `filter_fn: !function <module>.<name>`"),
    "unknown metric": (f"{METRIC}metric: exact_mach\n", "mine.yaml:8: no metric is called 'exact_mach'\n  Did you mean exact_match? A metric of Hugging Face's package `evaluate` is named with `hf_evaluate: true`."),
    "unknown metric of choices": (f"{CHOICES}acc_norn\n", "mine.yaml:9: no metric is called 'acc_norn'\n  Did you mean acc_norm?"),
    "argument of a metric": (f"{METRIC}{{metric: bleu, lower: true}}\n", "mine.yaml:8: the metric bleu has no argument 'lower'"),
    "value of a metric's argument": (f"{METRIC}{{metric: exact_match, regexes_to_ignore: ['(']}}\n", "mine.yaml:8: exact_match: regexes_to_ignore holds no regular expression"),
    "metric of choices for texts": (f"{METRIC}{{metric: acc, aggregation: mean}}\n", "mine.yaml:8: acc is for loglikelihood, multiple_choice, next_token, not for generate_until"),
    "unknown aggregation": (f"{METRIC}{{metric: bleu, aggregation: blue}}\n", "mine.yaml:8: no aggregation is called 'blue'\n  Did you mean bleu?"),
    "aggregation that does not fit": (f"{METRIC}{{metric: bleu, aggregation: mean}}\n", "mine.yaml:8: the aggregation mean takes numbers a row, and bleu gives the counts of BLEU\n  Use bleu."),
    "aggregation of the wrong kind": (f"{METRIC}{{metric: bleu, aggregation: [mean]}}\n", "mine.yaml:8: `aggregation` of a metric takes a text or a !function, not ['mean']"),
    "mark of the wrong kind": (f"{METRIC}{{metric: bleu, hf_evaluate: perhaps}}\n", "mine.yaml:8: `hf_evaluate` of a metric takes true or false, not 'perhaps'"),
    "metric without a figure": (f"{CHOICES}likelihood\n", "mine.yaml:9: the metric likelihood has no figure of its own"),
    "unsafe code": (f"{HEAD}{PLAIN}unsafe_code: true\n", "mine.yaml:6: mine is scored by running what a model has written"),
    "function without a module": (f"{HEAD}doc_to_text: !function works\ndoc_to_target: a\n", "mine.yaml:4: the task file names Python code, works"),
    "not a mapping": ("- task: mine\n", "no task, group or tag is called 'mine'"),
    "broken YAML": (f"{HEAD}doc_to_text: 'x\n", "mine.yaml:4: this is not YAML"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_task_file_is_told_by_line(tmp_path: Path, fault: str) -> None:
    text, said = FAULTS[fault]
    message = run(tmp_path, text, '{"q": "x", "a": "y", "n": 3}\n' if "no text" in fault else '{"q": "x", "a": "y"}\n')
    assert said in message


def test_a_fault_is_told_by_the_file_and_line_that_says_it(tmp_path: Path) -> None:
    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "base.yaml").write_text(
        f"# shared\n{HEAD}metric_list:\n  - metric: exact_mach\n".replace("task: mine\n", "")
    )
    assert "base.yaml:5: no metric is called 'exact_mach'" in run(tmp_path, f"task: mine\ninclude: base.yaml\n{PLAIN}")
    group = "group: all\ntask:\n  - task: mine\n    filter_list:\n      - {name: x, filter: [{function: take_frst}]}\n"
    (folder / "all.yaml").write_text(group)
    assert "all.yaml:5: no filter is called 'take_frst'" in run(tmp_path, f"{HEAD}{PLAIN}", name="all")
    (folder / "all.yaml").write_text("group: all\ntask: [mine]\ndoc_to_text: '{{qu}}'\n")
    assert "all.yaml:3: document 0 has no column 'qu'" in run(tmp_path, f"{HEAD}{PLAIN}", name="all")


def test_what_is_likely_a_fault_and_none_in_the_harness_is_said(tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "mine.yaml").write_text(f"{HEAD}doc_to_text: questoin\ndoc_to_target: a\nslices: [subject]\n")
    (tmp_path / "d.jsonl").write_text('{"question": "x", "a": "y"}\n' * 3)
    read_all(TaskSettings(name="mine", data_files=str(tmp_path / "d.jsonl")), str(folder))
    said = capsys.readouterr().err
    assert (
        said.count("mine.yaml:4: 'questoin' is no column, and stands for itself; did you mean the column question?")
        == 1
    )
    assert said.count("mine.yaml:6: document 0 has no column 'subject', and counts as subject=None") == 1


def test_all_faults_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    message = run(tmp_path, f"{HEAD}doc_to_txt: x\nrepeats: x\ndoc_to_targt: y\n")
    assert [line.split(":")[1] for line in message.splitlines()] == ["4", "5", "6"]


BROKEN = {
    "broken line in the middle": ("d.jsonl", '{"q": "x", "a": "y"}\n\n{"q": "x", "a": \n{"q": "x", "a": "y"}\n', "d.jsonl:3: this is not JSON: Expecting value at column 16"),
    "line that is no object": ("d.jsonl", '{"q": "x", "a": "y"}\n["q"]\n', "d.jsonl:2: a document must be an object, {…}, and this is a list"),
    "a list named as lines": ("d.jsonl", '[\n {"q": "x", "a": "y"}\n]\n', "name it .json"),
    "one object that holds the list": ("d.json", '{\n"data": [\n{"q": "x", "a": "y"}]}', "d.json: the file holds one object, and a list of documents is wanted"),
    "broken list": ("d.json", '[\n{"q": "x", "a": "y"},\n{"q" "x"}\n]', "d.json:3: this is not JSON: Expecting ':' delimiter at column 6"),
    "bytes that are not UTF-8": ("d.jsonl", b'{"q": "x", "a": "y"}\n{"q": "\xe9"}\n', "d.jsonl:2: byte 0xe9 is not UTF-8"),
    "table without the named column": ("d.csv", "question,a\nx,y\n", "mine.yaml:4: document 0 has no column 'q', which is used here\n  The columns are question, a."),
    "row with a cell too many": ("d.csv", "q,a\nx,y\nx,y,z\n", "d.csv:3: the row has 3 cells, and the header row has 2"),
    "header row with a name twice": ("d.csv", "q,q\nx,y\n", "d.csv:1: the header row has 'q' twice"),
    "quote that is not closed": ("d.csv", 'q,a\n"x,y\n', "this is not a table row: unexpected end of data"),
    "table that is not UTF-8": ("d.csv", b"q,a\nx,\xe9\n", "is not UTF-8"),
    "no zip": ("d.zip", "PK nothing", "d.zip: the zip cannot be read"),
    "no Parquet": ("d.parquet", "nothing at all here", "d.parquet: this is not a Parquet file"),
    "no Arrow": ("d.arrow", "nothing at all here", "d.arrow: this is not an Arrow file"),
    "unknown form": ("d.xlsx", "x", "run.yaml:9: d.xlsx has no known form"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
def test_broken_data_are_told_by_line(tmp_path: Path, fault: str) -> None:
    name, data, said = BROKEN[fault]
    assert said in run(tmp_path, HEAD + PLAIN, data, name)


def test_data_that_are_not_there(tmp_path: Path) -> None:
    gone = run(tmp_path, HEAD + PLAIN, data_files=str(tmp_path / "gone.jsonl"))
    assert "run.yaml:9: no such data file" in gone
    (tmp_path / "empty").mkdir()
    empty = run(tmp_path, HEAD + PLAIN, data_files=None, data_dir=str(tmp_path / "empty"))
    assert "has no data file for the split test" in empty
    assert "It holds no data file at all" in empty
    file = run(tmp_path, HEAD + PLAIN, data_files=None, data_dir=str(tmp_path / "data" / "d.jsonl"))
    assert "Give it as data_files" in file
    nothing = run(tmp_path, f"task: mine\ntest_split: test\n{PLAIN}", data_files=None)
    assert "mine.yaml:1: nothing says where the task's data are" in nothing


def test_a_misspelt_split_is_told_at_its_own_line(tmp_path: Path) -> None:
    data = str(tmp_path / "data" / "d.jsonl")
    files = {"train": data, "test": data}
    shots = f"{HEAD}{PLAIN}num_fewshot: 1\nfewshot_split: trian\n"
    said = "data_files has no split trian; it has train, test\n  Did you mean train?"
    assert run(tmp_path, shots, data_files=files).endswith(f"mine.yaml:7: {said}")
    own = shots.replace("fewshot_split:", "fewshot_config:\n  split:")
    assert run(tmp_path, own, data_files=files).endswith(f"mine.yaml:8: {said}")
    other = run(tmp_path, shots.replace("trian", "shots"), data_files=files)
    assert "run.yaml:9: data_files has no split shots" in other
    assert "The split is named at mine.yaml:7. Add it: data_files: {shots: <file>}" in other
    folder = run(tmp_path, shots, file_name="train.jsonl", data_files=None, data_dir=str(tmp_path / "data"))
    assert "has no data file for the split test" in folder
    (tmp_path / "data" / "main_test.jsonl").write_text('{"q": "x", "a": "y"}\n')
    folder = run(tmp_path, f"{shots}dataset_name: main\n", data_files=None, data_dir=str(tmp_path / "data"))
    assert folder == f"mine.yaml:7: {tmp_path}/data has no data file for the split trian of main\n  Did you mean train?"


def test_a_zip_with_a_damaged_member(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("test.jsonl", '{"q": "x", "a": "y"}\n' * 50)
    content = (tmp_path / "x.zip").read_bytes().replace(b'"y"', b'"z"', 1)
    assert "x.zip/test.jsonl: the data file cannot be read: Bad CRC" in run(tmp_path, HEAD + PLAIN, content, "x.zip")


def test_an_unknown_task_is_told_with_the_nearest_name_and_the_command() -> None:
    with pytest.raises(EvaluationError) as caught:
        load_tasks([TaskSettings(name="gsm8")], [], False, FileHashes(), lambda number: "run.yaml:3")
    message = str(caught.value)
    assert message.startswith("run.yaml:3: no task, group or tag is called 'gsm8'")
    assert "Did you mean gsm8k" in message
    assert "python main.py tasks" in message
    with pytest.raises(EvaluationError, match=r"run\.yaml:3: no task, group or tag fits the pattern"):
        load_tasks([TaskSettings(name="nothing_*")], [], False, FileHashes(), lambda number: "run.yaml:3")


def test_all_entries_that_cannot_be_found_are_told_at_once() -> None:
    entries = [TaskSettings(name=name) for name in ("gsm8", "blimp", "blmp")]
    with pytest.raises(EvaluationError, match=r"run:0: .*'gsm8'[\s\S]*run:2: .*'blmp'"):
        load_tasks(entries, [], False, FileHashes(), lambda number: f"run:{number}")


def test_a_name_that_two_files_define_lists_both(tmp_path: Path) -> None:
    (tmp_path / "copy.yaml").write_text(f"{HEAD.replace('mine', 'gsm8k')}{PLAIN}")
    with pytest.raises(EvaluationError, match=r"gsm8k is defined in 2 files[\s\S]*gsm8k/gsm8k\.yaml[\s\S]*copy\.yaml"):
        load_tasks([TaskSettings(name="gsm8k")], [str(tmp_path)], False, FileHashes())


def test_a_folder_with_some_paradigms_of_a_group_says_which_lack(tmp_path: Path) -> None:
    (tmp_path / "causative.jsonl").write_text("{}\n")
    with pytest.raises(EvaluationError) as caught:
        load_tasks([TaskSettings(name="blimp", data_dir=str(tmp_path))], [], False, FileHashes())
    message = str(caught.value)
    assert "has no data for 66 of the 67 tasks of blimp: blimp_adjunct_island," in message
    assert "run those that there are by `missing_data: skip`: blimp_causative." in message


def test_an_include_path_that_is_not_there() -> None:
    with pytest.raises(EvaluationError, match="include_path names /no/such, and there is no such folder"):
        load_tasks([TaskSettings(name="gsm8k")], ["/no/such"], False, FileHashes())


def test_without_network_the_hub_error_tells_of_local_data() -> None:
    pytest.importorskip("datasets")
    program = (
        "from pipeline.config import TaskSettings; from pipeline.fingerprint import FileHashes\n"
        "from tasks.loader import load_tasks; from tasks.task import PromptSettings\n"
        "(task,) = load_tasks([TaskSettings(name='gsm8k')], [], False, FileHashes()).tasks\n"
        "next(iter(task.examples(PromptSettings())))"
    )
    offline = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": "/nonexistent", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=offline, cwd=ROOT, capture_output=True, text=True)
    assert (
        "gsm8k.yaml:4: the Hugging Face hub is not asked, since HF_HUB_OFFLINE is set, and its cache here lacks openai/gsm8k"
        in done.stderr
    )
    assert "{name: …, data_dir: <folder or zip>}" in done.stderr
