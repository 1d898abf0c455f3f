"""Faults that would come to light after hours of work, told by `check` and before step 1 asks the model anything."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.faults.test_cli_faults import fails, line_of
from tests.project import Project

QUESTION = 'doc_to_text: "{{q}}"\ndoc_to_target: a\n'
FILTER = "  - name: x\n    filter:\n      - {function: custom, filter_fn: !function own.target}\n"  # on line 9
METRIC = """
import datasets
import evaluate


class Made(evaluate.Metric):
    def _info(self):
        features = datasets.Features({"predictions": datasets.Value("string"), "references": datasets.Value("string")})
        return evaluate.MetricInfo(description="", citation="", inputs_description="", features=features)

    def _compute(self, predictions, references):
        return {"made": 0.0}
"""
# Of an entry of step3.metrics: what is said at its line, and what fits instead.
UNFIT = {
    "overlap of choices": (
        {"name": "rouge", "tasks": ["own", "blimp_causative"]},
        "rouge is for generate_until, and cannot value blimp_causative (multiple_choice)\n"
        "  Leave blimp_causative out of this metric's `tasks`. For multiple_choice there are acc, acc_bytes,",
    ),
    "accuracy of texts": (
        {"name": "acc", "tasks": ["gsm8k", "blimp_causative", "own"]},
        "acc is for loglikelihood, multiple_choice, next_token, and cannot value gsm8k, own (generate_until)\n"
        "  Leave gsm8k, own out of this metric's `tasks`. For generate_until there are bleu,",
    ),
    "perplexity of texts": (
        {"name": "word_perplexity", "tasks": ["own"]},
        "word_perplexity is for loglikelihood_rolling, and cannot value own (generate_until)",
    ),
}


@pytest.mark.parametrize("fault", UNFIT)
def test_a_metric_for_other_answers_than_its_tasks_give(project: Project, fault: str) -> None:
    metric, expected = UNFIT[fault]
    path = project.write_settings(step3={"metrics": [{"name": "bleu4"}, metric]})
    line = path.read_text().splitlines().index("  - name: bleu4") + 2
    for command in ("check", "all"):
        assert f"run.yaml:{line}: {expected}" in fails(project, command, "run.yaml")
    assert not (project.folder / "output" / "run" / "base").exists()


def test_metrics_that_value_what_their_tasks_give_are_in_order(project: Project) -> None:
    metrics: list[dict[str, Any]] = [
        {"name": "exact_match", "tasks": ["gsm8k", "blimp_causative"]},  # of choices too, as lm_eval has it
        {"name": "rouge"},  # of the tasks that it fits
        {"name": "acc_bytes", "tasks": ["blimp_causative"]},
    ]
    project.write_settings(step3={"metrics": metrics})
    assert "in order" in project.run("check", "run.yaml").stdout
    unfit = {"name": "rouge", "label": "x", "tasks": ["blimp_causative"]}
    project.write_settings(predict_only=True, step3={"metrics": [*metrics, unfit]})
    assert "in order" in project.run("check", "run.yaml").stdout  # nothing is scored


# ---- the hub


@contextmanager
def silent_hub() -> Iterator[tuple[dict[str, str], list[int]]]:
    """The environment of a hub that hangs up on whoever calls, and its calls so far."""
    calls: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def hang_up() -> None:
            with suppress(OSError):  # the end of the test
                while True:
                    server.accept()[0].close()
                    calls.append(1)

        threading.Thread(target=hang_up, daemon=True).start()
        yield {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": f"http://127.0.0.1:{port}", "NO_PROXY": "*"}, calls
        server.shutdown(socket.SHUT_RDWR)


def hub_tasks(project: Project, number: int) -> list[dict[str, str]]:
    """Entries of tasks whose data are on the hub alone."""
    for one in range(number):
        text = f"task: far{one}\ndataset_path: some/set{one}\ntest_split: test\n{QUESTION}"
        (project.folder / f"far{one}.yaml").write_text(text)
    return [{"name": f"far{one}.yaml"} for one in range(number)]


@pytest.mark.parametrize("command", [("check", "run.yaml", "--plan"), ("step1", "run.yaml")])
def test_a_hub_that_does_not_answer_is_asked_once_for_all_tasks(project: Project, command: tuple[str, ...]) -> None:
    local = {"name": "blimp_causative", "data_dir": "data"}
    path = project.write_settings(step1={"tasks": [*hub_tasks(project, 3), local]})
    with silent_hub() as (environment, calls):
        home = {"HF_HOME": str(project.folder / "hub")}
        said = fails(project, *command, env=environment | home)
        assert len(calls) == 1
    assert f"run.yaml:{line_of(path, 'tasks:')}: the Hugging Face hub (http://127.0.0.1:" in said
    assert "lacks the data of 3 tasks: far0 (some/set0), far1 (some/set1), far2 (some/set2)\n" in said
    assert "data_dir: <folder or zip>" in said
    assert "HF_HOME" in said
    assert "Retrying" not in said
    assert "loading" not in said  # no model for that


def test_what_the_hub_s_cache_holds_is_taken_where_the_hub_does_not_answer(project: Project) -> None:
    home = project.folder / "hub"
    cached = home / "datasets" / "some___set0" / "default" / "0.0.0" / ("0" * 40)
    fill_cache(cached, "set0", [{"q": f"Is {number} even?", "a": "yes"} for number in range(3)])
    project.write_settings(step1={"tasks": hub_tasks(project, 1)})
    with silent_hub() as (environment, calls):
        done = project.run("check", "run.yaml", "--plan", env=environment | {"HF_HOME": str(home)})
        assert len(calls) == 1
    assert "far0: not yet made (3 of 3 calls missing)" in done.stdout
    assert "cannot be reached: data come from its cache here" in done.stderr


def fill_cache(folder: Path, name: str, rows: list[dict[str, str]]) -> None:
    """A data set with a split `test` as `datasets` keeps it after a download."""
    import datasets
    from datasets.arrow_writer import ArrowWriter

    folder.mkdir(parents=True)
    features = datasets.Dataset.from_list(rows).features
    with ArrowWriter(path=str(folder / f"{name}-test.arrow"), features=features) as writer:
        for row in rows:
            writer.write(row)
        count, size = writer.finalize()
    splits = {"test": {"name": "test", "num_examples": count, "num_bytes": size, "dataset_name": name}}
    info = {"features": features, "builder_name": "parquet", "dataset_name": name, "config_name": "default"}
    datasets.DatasetInfo(**info, version="0.0.0", splits=splits).write_to_directory(str(folder))


# ---- task code


def test_code_that_loads_a_module_of_the_hub_when_imported_says_so(project: Project) -> None:
    pytest.importorskip("evaluate")
    code = (
        "import evaluate\n\nMETRIC = evaluate.load('made_up_metric')\n\n\ndef target(doc):\n    return doc['answer']\n"
    )
    (project.folder / "own.py").write_text(code)
    text = 'task: coded\ndataset_path: json\ntest_split: test\ndoc_to_text: "{{question}}"\n'
    (project.folder / "coded.yaml").write_text(f"{text}doc_to_target: a\nfilter_list:\n{FILTER}")
    entry = {"name": "coded.yaml", "data_files": {"test": "data/test.jsonl"}}
    project.write_settings(predict_only=True, step1={"tasks": [entry], "trust_task_code": True})
    said = fails(project, "check", "run.yaml")
    assert "coded.yaml:9: " in said
    assert "own.py fails when imported: " in said
    assert "It loads a module of the package `evaluate` while it is imported" in said
    (project.folder / "made_up_metric").mkdir()
    (project.folder / "made_up_metric" / "made_up_metric.py").write_text(METRIC)
    assert "in order" in project.run("check", "run.yaml").stdout


# ---- what leads the report


def own_task(project: Project, lines: str) -> None:
    """The run's only task becomes one of a file that ends with `lines`, from line 6."""
    head = f"task: mine\ndataset_path: json\ntest_split: test\n{QUESTION.replace('q', 'question').replace(' a', ' answer')}"
    (project.folder / "mine.yaml").write_text(head + lines)
    project.settings["step1"] |= {"tasks": [{"name": "mine.yaml", "data_dir": "data", "limit": 2}], "adapters": []}


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("rougel", "Did you mean rouge-l?"),
        ("rouge-L", "Did you mean rouge-l?"),
        ("exact-match:strict", "Did you mean exact_match?"),
        ("best", "The task's own: exact_match."),
    ],
)
def test_a_primary_metric_that_does_not_exist(project: Project, name: str, fix: str) -> None:
    own_task(project, f"metric_list:\n  - metric: exact_match\nprimary_metric: {name}\n")
    project.write_settings()
    said = fails(project, "check", "run.yaml")
    assert f"mine.yaml:8: no metric or value is called {name!r}\n  {fix}\n" in said


def test_a_primary_metric_without_values_is_told_by_step_4(project: Project) -> None:
    own_task(project, "metric_list:\n  - metric: exact_match\nprimary_metric: rouge\n")
    project.write_settings(step3={"metrics": []})
    told = "warning: mine: there are no values of the primary_metric rouge; exact_match stands for it\n"
    assert told in project.run("all", "run.yaml").stderr
    project.write_settings()  # rouge among the run's metrics
    assert "warning" not in project.run("all", "run.yaml").stderr
