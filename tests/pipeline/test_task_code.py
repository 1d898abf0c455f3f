"""Tasks with code of their own through the four steps: scoring, metrics, filters, aggregations, data and seeds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.project import Project, write_lines

CODE = """
import random

import numpy as np


def process_docs(dataset):
    return dataset.map(lambda doc: {"question": doc["q"] + "?", "drawn": [random.random(), float(np.random.rand())]})


def splits(count, start=0):
    return {"test": [{"q": f"Say {start + number}", "a": str(number)} for number in range(count)]}


def process_results(doc, results):
    (text,) = results
    if doc["a"] == "3":
        raise ValueError("cannot value 3")
    values = {"length": len(text), "pair": (doc["a"], text)}
    if int(doc["a"]) % 2:
        values["odd"] = 1.0
    return values


def longest(pairs):
    return max(len(text) for _, text in pairs)


def by_keyword(references, predictions, scale=1):
    return scale * float(references[0] == predictions[0])


def by_pair(items):
    return items


def shuffled(doc):
    letters = list("ABCDEFGH")
    random.shuffle(letters)
    return doc["q"] + " " + "".join(letters) + f" {np.random.rand():.6f}"


def guessed(doc, results):
    return {"guess": random.random(), "numpy": float(np.random.rand())}


def drawn_share(items):
    return random.random()


def several(references, predictions):
    return {"first": 1.0, "second": len(predictions[0])}


def share_of_equal(items):
    return sum(gold == said for gold, said in items) / len(items)


class Ranked:
    def __init__(self, prefix=""):
        self.prefix = prefix

    def apply(self, resps, docs):
        order = sorted(range(len(resps)), key=lambda number: docs[number]["a"], reverse=True)
        return [[f"{self.prefix}{order.index(number)} of {len(resps)}"] for number in range(len(resps))]


def marked(resps, docs):
    return [[f"<{text}>" for text in samples] for samples in resps]


def failing(resps, docs):
    return {}["nothing"]


class LastFirst:
    def __init__(self, documents, rnd):
        self.documents = documents

    def sample(self, n, eval_doc=None):
        return [document for document in reversed(self.documents) if document != eval_doc][:n]


def f1_by_hand(items):
    golds, chosen = zip(*items)
    return sum(gold == one for gold, one in items) / len(golds) + 100 * len(set(golds))
"""
HEAD = "dataset_path: json\ntest_split: test\ndoc_to_text: q\ndoc_to_target: a\ngeneration_kwargs: {until: [x], max_gen_toks: 3}\n"


@pytest.fixture
def own(project: Project) -> Project:
    tasks = project.folder / "tasks"
    tasks.mkdir()
    (tasks / "own.py").write_text(CODE)
    write_lines(
        project.folder / "data" / "test.jsonl", [{"q": f"Say {number}", "a": str(number)} for number in range(6)]
    )
    return project


def run(project: Project, text: str, expect: int = 0, **step1: Any) -> str:
    (project.folder / "tasks" / "mine.yaml").write_text(f"task: mine\n{text}")
    entry = step1.pop("entry", {"data_dir": "data"})
    project.settings["step3"] = {}
    settings = project.write_settings(
        step1={
            "adapters": [],
            "tasks": [{"name": "mine", **entry}],
            "include_path": ["tasks"],
            "trust_task_code": True,
            **step1,
        }
    )
    done = project.run("all", str(settings), expect=expect)
    return done.stdout + done.stderr


def view(project: Project, step: int) -> list[dict[str, Any]]:
    (rows,) = project.views(step=step).values()
    return rows


def figures(project: Project) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["metric"], row["filter"]): row for row in view(project, 4)}


def test_process_results_values_the_rows_and_its_own_aggregation_sees_them_all(own: Project) -> None:
    said = run(
        own,
        HEAD + "process_results: !function own.process_results\nmetric_list:\n"
        "  - {metric: length, aggregation: median, higher_is_better: false}\n"
        "  - {metric: pair, aggregation: !function own.longest}\n",
    )
    assert "warning: mine of base: process_results failed on 1 of 6 rows; the first: ValueError: cannot value 3" in said
    texts = [row["requests"][0]["text"] for row in view(own, 1)]
    rows = view(own, 3)
    assert rows[3]["flags"]["metric_errors"] == {"process_results": "ValueError: cannot value 3"}
    assert rows[3]["values"] == {"length": None, "pair": None}
    assert rows[2]["values"] == {"length": len(texts[2]), "pair": {"$tuple": ["2", texts[2]]}}
    valued = [text for number, text in enumerate(texts) if number != 3]
    found = figures(own)
    assert found["pair", "none"]["value"] == max(map(len, valued))
    assert found["length", "none"]["value"] == sorted(map(len, valued))[2]
    assert found["length", "none"]["higher_is_better"] is False
    assert (found["pair", "none"]["n"], found["pair", "none"]["missing"]) == (5, 1)
    assert (found["odd", "none"]["n"], found["odd", "none"]["missing"], found["odd", "none"]["value"]) == (2, 0, 1.0)


def test_metrics_of_the_tasks_own_are_called_in_the_harness_s_two_ways(own: Project) -> None:
    run(
        own,
        HEAD + "metric_list:\n  - {metric: !function own.by_keyword, aggregation: mean, scale: 3}\n"
        "  - {metric: !function own.by_pair, aggregation: !function own.share_of_equal}\n"
        "  - {metric: !function own.several, aggregation: mean}\n  - metric: exact_match\n",
    )
    row, text = view(own, 3)[1], view(own, 1)[1]["requests"][0]["text"]
    assert row["values"] == {
        "by_keyword": 0.0,
        "by_pair": ["1", text],
        "first": 1.0,
        "second": float(len(text)),
        "exact_match": 0.0,
    }
    assert figures(own)["by_pair", "none"]["value"] == 0.0
    assert figures(own)["first", "none"]["value"] == 1.0


def test_filters_of_the_tasks_own_see_the_whole_task_between_registered_ones(own: Project) -> None:
    run(
        own,
        HEAD
        + "repeats: 2\nfilter_list:\n  - name: ranked\n    filter:\n      - {function: !function own.Ranked, prefix: '#'}\n"
        "      - function: take_first\n  - name: marked\n    filter:\n      - function: remove_whitespace\n"
        "      - {function: custom, filter_fn: !function own.marked}\n      - function: take_first\n"
        "  - name: plain\n    filter:\n      - function: take_first\n",
    )
    texts = [row["requests"][0]["text"] for row in view(own, 1)]
    rows = view(own, 2)
    assert [row["filtered"]["ranked"] for row in rows] == [f"#{5 - number} of 6" for number in range(6)]
    assert [row["filtered"]["marked"] for row in rows] == [f"<{text.strip()}>" for text in texts]
    assert [row["filtered"]["plain"] for row in rows] == texts
    assert list(rows[0]["filtered"]) == ["ranked", "marked", "plain"]


def test_a_metric_of_choices_hands_an_aggregation_of_code_the_texts_of_a_generating_task(own: Project) -> None:
    run(
        own,
        HEAD
        + "filter_list:\n  - {name: digits, filter: [{function: regex, regex_pattern: '(x)'}, {function: take_first}]}\n"
        "metric_list:\n  - {metric: f1, aggregation: !function own.share_of_equal, ignore_case: true}\n"
        "  - {metric: acc, aggregation: !function own.longest}\n",
    )
    assert [row["values"]["f1"] for row in view(own, 3)] == [[str(number), "[invalid]"] for number in range(6)]
    assert figures(own)["f1", "digits"]["value"] == 0.0
    assert figures(own)["acc", "digits"]["value"] == len("[invalid]")


def test_a_sampler_of_the_tasks_own_chooses_the_examples(own: Project) -> None:
    run(own, HEAD + "num_fewshot: 2\nfewshot_split: test\nfewshot_config: {sampler: !function own.LastFirst}\n")
    prompts = [row["prompt"] for row in view(own, 1)]
    assert prompts[0] == "Say 5 5\n\nSay 4 4\n\nSay 0"
    assert prompts[5] == "Say 4 4\n\nSay 3 3\n\nSay 5"


def test_a_wrong_generation_setting_is_told_by_the_file_that_says_it(own: Project) -> None:
    said = run(own, HEAD.replace("until:", "untl:"), 2)
    assert "tasks/mine.yaml:6: there is no generation setting 'untl'\n  Did you mean until?" in said
    said = run(own, HEAD, 2, entry={"data_dir": "data", "generation_kwargs": {"untl": ["x"]}})
    assert "generation_kwargs of mine: there is no generation setting 'untl'" in said
    assert not (own.folder / "output" / "run").exists() or not own.views(step=1)


def test_a_failing_aggregation_is_told_by_its_line_and_loses_no_row(own: Project) -> None:
    text = HEAD + "metric_list:\n  - {metric: bleu, aggregation: !function own.failing}\n"
    said = run(own, text, 2)
    assert "tasks/mine.yaml:8: the aggregation !function own.failing fails: TypeError: " in said
    assert len(view(own, 3)) == 6
    code = own.folder / "tasks" / "own.py"
    code.write_text(code.read_text() + "\n\ndef failing(items):\n    return len(items)\n")
    run(own, text)
    assert figures(own)["bleu", "none"]["value"] == 6.0


def test_a_failing_filter_is_told_by_its_line(own: Project) -> None:
    said = run(
        own,
        HEAD + "filter_list:\n  - name: x\n    filter:\n      - {function: custom, filter_fn: !function own.failing}\n",
        2,
    )
    assert "tasks/mine.yaml:10: the filter !function own.failing fails: KeyError: 'nothing'" in said


def test_an_aggregation_of_code_gets_a_registered_metric_s_values_as_the_harness_has_them(own: Project) -> None:
    data = [{"q": f"Say {number}", "a": number % 3} for number in range(6)]
    write_lines(own.folder / "data" / "test.jsonl", data)
    run(
        own,
        "dataset_path: json\ntest_split: test\ndoc_to_text: q\ndoc_to_target: a\noutput_type: multiple_choice\n"
        "doc_to_choice: [x, yes, no]\nmetric_list:\n  - {metric: f1, aggregation: !function own.f1_by_hand}\n"
        "  - {metric: acc, aggregation: mean, ignore_case: true}\n",
    )
    rows = view(own, 3)
    assert [row["values"]["f1"][0] for row in rows] == [0, 1, 2, 0, 1, 2]
    assert figures(own)["f1", "none"]["value"] == pytest.approx(figures(own)["acc", "none"]["value"] + 300)


def test_documents_made_by_a_function_and_seeded_ones_are_the_same_in_every_run(own: Project) -> None:
    text = HEAD.replace("doc_to_text: q", "doc_to_text: question").replace("dataset_path: json\n", "")
    text += "custom_dataset: !function own.splits\nprocess_docs: !function own.process_docs\nmetadata: {version: 1, start: 4}\n"
    said = run(own, text, 2, entry={})
    assert "splits() got an unexpected keyword argument 'version'" in said
    assert "mine.yaml:6" in said
    text = text.replace("metadata: {version: 1, start: 4}", "metadata: {start: 4}\ndataset_kwargs: {count: 3}")
    run(own, text, entry={})
    first = view(own, 1)
    assert [row["prompt"] for row in first] == ["Say 4?", "Say 5?", "Say 6?"]
    run(own, text, entry={"metadata": {"start": 7}})
    assert [row["prompt"] for row in view(own, 1)] == ["Say 7?", "Say 8?", "Say 9?"]
    drawn = [row["document"]["drawn"] for row in first]
    assert [row["document"]["drawn"] for row in view(own, 1)] == drawn
    run(own, text, entry={"metadata": {"start": 7}}, python_seed=5)
    assert [row["document"]["drawn"] for row in view(own, 1)] != drawn


def test_with_predict_only_no_metric_is_computed(own: Project) -> None:
    own.settings["predict_only"] = True
    run(own, HEAD + "unsafe_code: true\nmetric_list:\n  - metric: !function own.by_keyword\n")
    assert [row["values"] for row in view(own, 3)] == [{}] * 6
    assert view(own, 4) == []


def test_unsafe_code_is_refused_before_any_work(own: Project) -> None:
    said = run(own, HEAD + "unsafe_code: true\nmetric_list:\n  - metric: !function own.by_keyword\n", 2)
    assert "mine is scored by running what a model has written" in said
    assert "predict_only: true" in said
    code = own.folder / "tasks" / "own.py"
    code.write_text("raise RuntimeError('no scorer here')\n" + code.read_text())
    filters = "filter_list:\n  - {name: x, filter: [{function: custom, filter_fn: !function own.failing}]}\n"
    said = run(own, HEAD + "unsafe_code: true\n" + filters, 2)
    assert "no scorer here" not in said, "a second reason, which nothing can be done about"
    assert not (own.folder / "output" / "run").exists() or not own.views(step=1)


def test_changed_code_makes_the_steps_that_use_it_stale_and_no_other(own: Project) -> None:
    text = HEAD + "metric_list:\n  - {metric: !function own.by_pair, aggregation: !function own.share_of_equal}\n"
    run(own, text)
    code = own.folder / "tasks" / "own.py"
    code.write_text(code.read_text().replace("/ len(items)", "/ len(items) + 7"))
    said = own.run("status", str(own.folder / "run.yaml")).stdout
    assert "step1  base  mine: fresh" in said
    assert "step2  base  mine: fresh" in said
    assert "step3  base  mine: out of date: scoring.code.!function own.by_pair changed" in said
    run(own, text)
    assert figures(own)["by_pair", "none"]["value"] == 7.0


DRAWING = HEAD.replace("doc_to_text: q", "doc_to_text: !function own.shuffled\nnum_fewshot: 2") + (
    "process_results: !function own.guessed\nmetric_list:\n"
    "  - {metric: guess, aggregation: !function own.drawn_share}\n  - {metric: numpy, aggregation: mean}\n"
)


def drawn(project: Project) -> dict[str, list[Any]]:
    """By model: the prompts, then the values, by document."""
    prompts = {path.split("/")[0]: [row["prompt"] for row in rows] for path, rows in project.views(step=1).items()}
    values = {path.split("/")[0]: [row["values"] for row in rows] for path, rows in project.views(step=3).items()}
    return {model: [*prompts[model], *values[model]] for model in prompts}


def figure(project: Project) -> float:
    """What the aggregation of code draws for the base."""
    (rows,) = (rows for path, rows in project.views(step=4).items() if path.startswith("base/"))
    return next(row["value"] for row in rows if row["metric"] == "guess")


def test_what_code_draws_for_a_document_depends_on_the_seeds_and_the_document_alone(own: Project) -> None:
    run(own, DRAWING)
    base = drawn(own)["base"]
    assert len({str(one) for one in base}) == len(base), "each document has draws of its own"
    before = figure(own)
    run(own, DRAWING, adapters=["models/sft/checkpoint-*"])
    assert len(drawn(own)) > 1
    for model, found in drawn(own).items():
        assert found == base, model
    run(own, DRAWING, limit=2)
    assert drawn(own)["base"] == [*base[:2], *base[6:8]]
    assert figure(own) == before
    run(own, DRAWING, python_seed=5)
    other = drawn(own)["base"]
    assert not {str(one) for one in other} & {str(one) for one in base}
    assert figure(own) != before


def test_a_scorer_edited_while_the_run_works_counts_as_it_is_when_it_scores(own: Project) -> None:
    tasks = own.folder / "tasks"
    (tasks / "scoring").mkdir()
    (tasks / "scoring" / "own.py").write_text("def score(doc, results):\n    return {'value': 1.0}\n")
    (tasks / "data.py").write_text(
        "from pathlib import Path\n\n\ndef process_docs(dataset):\n"
        "    edited = \"def score(doc, results):\\n    return {'value': 0.25}\\n\"\n"
        "    (Path(__file__).parent / 'scoring' / 'own.py').write_text(edited)\n    return dataset\n"
    )
    text = HEAD + "process_docs: !function data.process_docs\nprocess_results: !function scoring.own.score\n"
    run(own, text + "metric_list:\n  - {metric: value, aggregation: mean}\n")
    assert figures(own)["value", "none"]["value"] == 0.25


VALUED = HEAD + (
    "process_results: !function own.process_results\nmetric_list:\n"
    "  - {metric: length, aggregation: mean}\n  - {metric: pair, aggregation: !function own.longest}\n"
)


def test_trust_that_is_taken_back_holds_for_every_step(own: Project) -> None:
    run(own, VALUED)
    path = own.folder / "run.yaml"
    path.write_text(path.read_text().replace("trust_task_code: true", "trust_task_code: false"))
    line = next(number for number, text in enumerate(path.read_text().splitlines(), 1) if "trust_task_code" in text)
    refused = "tasks/mine.yaml:10: the task file names Python code, own.longest, and running task code is off\n"
    taken_back = f"Step 1 was run with trust_task_code: true, and run.yaml:{line} allows it no more.\n"
    (own.folder / "tasks" / "own.py").write_text("raise SystemExit('this code ran')\n")
    for step in ("step2", "step3", "step4"):
        said = own.run(step, "run.yaml", expect=2).stderr
        assert refused in said
        assert said.endswith(taken_back)
    assert taken_back in own.run("status", "run.yaml", expect=2).stderr
    assert refused in own.run("all", "run.yaml", expect=2).stderr
    typed = own.run("step3", "run.yaml", "--set", "trust_task_code=true", expect=2).stderr
    assert "this code ran" in typed, "the command line wins over the file"


def test_a_file_without_step_1_has_no_say_in_trust(own: Project) -> None:
    run(own, VALUED)
    (own.folder / "step3.yaml").write_text("output_dir: output/run\n")
    assert "step3: 1 view up to date" in own.run("step3", "step3.yaml").stderr
