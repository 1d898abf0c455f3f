"""Tasks of Python classes through the four steps, and what is said where a class cannot be used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import TaskSettings
from pipeline.errors import InputError
from pipeline.fingerprint import FileHashes
from tasks.loader import load_tasks
from tasks.task import PromptSettings, Task
from tests.project import Project, write_lines

pytest.importorskip("lm_eval", reason="the classes inherit from lm_eval's")

CODE = '''
from lm_eval.api.instance import Instance
from lm_eval.api.task import ConfigurableTask


class Plain(ConfigurableTask):
    """Two generations under settings that differ, and two continuations."""

    DATASET_PATH = "made/plain"

    def __init__(self, config=None):
        super().__init__(config={"metadata": {"version": 7}})

    def has_validation_docs(self):
        return False

    def has_training_docs(self):
        return False

    def has_test_docs(self):
        return True

    def test_docs(self):
        return self.dataset["test"]

    def doc_to_text(self, doc, doc_to_text=None):
        return doc["q"]

    def doc_to_target(self, doc, doc_to_target=None):
        return doc["a"]

    def construct_requests(self, doc, ctx, apply_chat_template=False, chat_template=None, **kwargs):
        def asked(kind, arguments, idx):
            return Instance(request_type=kind, doc=doc, arguments=arguments, idx=idx, **kwargs)

        return [
            asked("loglikelihood", (ctx, " b"), 2),
            asked("loglikelihood", (ctx, " c"), 3),
            asked("generate_until", (ctx, {"until": ["x"], "max_gen_toks": 2}), 0),
            asked("generate_until", (ctx, {"until": "y", "max_new_tokens": 4}), 1),
        ]

    def process_results(self, doc, results):
        short, long, (b, _), (c, _) = results
        if doc["a"] == "3":
            raise ValueError("cannot value 3")
        return {"longer": float(len(long) >= len(short)), "best": (b, c), "unnamed": float(b > c)}

    def aggregation(self):
        return {"longer": self.share, "best": lambda pairs: max(map(sum, pairs))}

    @staticmethod
    def share(values):
        return sum(values) / len(values)

    def higher_is_better(self):
        return {"best": False}


class Stateful(Plain):
    """Values rows by what its constructor has made."""

    def __init__(self, config=None):
        super().__init__()
        self.longest = max(len(doc["q"]) for doc in self.dataset["test"])

    def process_results(self, doc, results):
        return {"relative": len(doc["q"]) / self.longest}


class Scaled(Plain):
    """Values rows by a key of its file."""

    def __init__(self, config):
        super().__init__()
        self.scale = config["scale"]

    def process_results(self, doc, results):
        return {"scaled": self.scale}


class Filtered(Plain):
    def __init__(self, config):
        super(Plain, self).__init__(config={"filter_list": config["filter_list"]})


class Repeats(Plain):
    def __init__(self):
        super(Plain, self).__init__(config={"repeats": 3})


class Shots(Plain):
    def __init__(self):
        super(Plain, self).__init__(config={"num_fewshot": 2})


class Filters(Plain):
    def __init__(self):
        steps = [{"function": "take_first"}]
        super(Plain, self).__init__(config={"filter_list": [{"name": "own", "filter": steps}]})


class Unsafe(Plain):
    UNSAFE_CODE = True


class Images(Plain):
    MULTIMODAL = True


class Strange(Plain):
    def construct_requests(self, doc, ctx, **kwargs):
        return Instance(request_type="generate_until", doc=doc, arguments=(ctx, {}, {"visual": []}), idx=0)


class Rewriting(Plain):
    def construct_requests(self, doc, ctx, **kwargs):
        return super().construct_requests(doc, ctx.strip() + " Say:", **kwargs)


class Failing(Plain):
    def __init__(self):
        raise RuntimeError("no luck")


class Late(Plain):
    def doc_to_text(self, doc, doc_to_text=None):
        return {}["nothing"] if doc["a"] == "1" else doc["q"]


class Quiet(Plain):
    def construct_requests(self, doc, ctx, **kwargs):
        return []


def by_rank(resps, docs):
    return [f"{len(resps)} {len(docs)}" if isinstance(samples[0], str) else samples[0] for samples in resps]


number = 3


def nothing():
    return None
'''


@pytest.fixture
def own(project: Project) -> Project:
    folder = project.folder / "tasks"
    folder.mkdir()
    (folder / "own.py").write_text(CODE, encoding="utf-8")
    write_lines(
        project.folder / "data" / "test.jsonl",
        [{"q": f"Say {number} " + "a" * number, "a": str(number)} for number in range(6)],
    )
    return project


def write_task(project: Project, name: str = "Plain", more: str = "") -> None:
    text = f"task: mine\nclass: !function own.{name}\n{more}"
    (project.folder / "tasks" / "mine.yaml").write_text(text, encoding="utf-8")


def write_run(project: Project, step3: Mapping[str, Any] | None = None, **step1: Any) -> str:
    entry = {"name": "mine", "data_dir": "data"}
    settings = {"adapters": [], "tasks": [entry], "include_path": ["tasks"], "trust_task_code": True, **step1}
    project.settings["step3"] = step3 or {}
    return str(project.write_settings(step1=settings))


def run(project: Project, command: str = "all", expect: int = 0, **settings: Any) -> str:
    done = project.run(command, write_run(project, **settings), "--verbose", expect=expect)
    return done.stdout + done.stderr


def view(project: Project, step: int) -> list[dict[str, Any]]:
    (rows,) = project.views(step=step).values()
    return rows


def task(project: Project, **entry: Any) -> Task:
    settings = TaskSettings(name="mine", data_dir=str(project.folder / "data"), **entry)
    (found,) = load_tasks([settings], [str(project.folder / "tasks")], True, FileHashes()).tasks
    return found


def test_each_request_has_its_own_settings_filters_and_place_in_the_results(own: Project) -> None:
    filters = "filter_list:\n  - name: ranked\n    filter: [{function: custom, filter_fn: !function own.by_rank}]\n"
    plain = "  - name: plain\n    filter: [{function: take_first}]\n"
    write_task(own, "Filtered", filters + plain)
    run(own, generation_override={})
    row = view(own, 1)[2]
    assert [request["type"] for request in row["requests"]] == ["generate_until", "generate_until", "loglikelihood"]
    assert row["requests"][2]["continuations"] == [" b", " c"]
    assert (row["generation"]["until"], row["generation"]["max_gen_toks"]) == (["x"], 2)
    assert "generation" not in row["requests"][0]
    differing = row["requests"][1]["generation"]
    assert (differing["until"], differing["max_gen_toks"]) == (["y"], 4)
    filtered = view(own, 2)[2]["filtered"]["plain"]
    scores = row["requests"][2]
    pairs = [{"$tuple": list(pair)} for pair in zip(scores["logprobs"], scores["greedy"], strict=True)]
    assert filtered == [row["requests"][0]["text"], row["requests"][1]["text"], *pairs]
    assert view(own, 2)[2]["filtered"]["ranked"] == ["24 24", "24 24", *pairs]
    assert {row["filter"] for row in view(own, 4)} == {"ranked", "plain"}


def test_the_class_values_rows_and_aggregates_them(own: Project) -> None:
    write_task(own)
    run(own)
    rows = view(own, 3)
    assert rows[3]["flags"]["metric_errors"] == {"process_results": "ValueError: cannot value 3"}
    assert rows[3]["values"] == {"longer": None, "best": None}
    figures = {row["metric"]: row for row in view(own, 4)}
    best = [row["values"]["best"]["$tuple"] for row in rows if row["values"]["best"]]
    assert figures["best"]["value"] == max(map(sum, best))
    assert figures["best"]["higher_is_better"] is False
    assert (figures["longer"]["n"], figures["longer"]["missing"]) == (5, 1)
    unnamed = [row["values"]["unnamed"] for row in rows if "unnamed" in row["values"]]
    assert figures["unnamed"]["value"] == pytest.approx(sum(unnamed) / 5)


@pytest.mark.slow
def test_a_second_run_asks_nothing_and_changed_code_does_not_either(own: Project) -> None:
    write_task(own)
    run(own)
    calls = len(own.answered())
    assert calls == 18
    assert "not computed" not in run(own)
    code = own.folder / "tasks" / "own.py"
    code.write_text(code.read_text(encoding="utf-8").replace("max(map(sum, pairs))", "-1.0"), encoding="utf-8")
    run(own)
    assert len(own.answered()) == calls
    assert {row["metric"]: row["value"] for row in view(own, 4)}["best"] == -1.0
    lines = [{"q": f"Say {number} " + "a" * number, "a": "b"} for number in range(6)]
    write_lines(own.folder / "data" / "test.jsonl", lines)
    run(own)
    assert len(own.answered()) == calls
    assert [row["target"] for row in view(own, 1)] == ["b"] * 6


def test_a_key_of_the_file_that_the_class_values_rows_by_makes_the_values_stale(own: Project) -> None:
    for scale in (2.0, 3.0):
        write_task(own, "Scaled", f"scale: {scale}\n")
        run(own)
        assert [row["values"]["scaled"] for row in view(own, 3)] == [scale] * 6
        assert {row["metric"]: row["value"] for row in view(own, 4)}["scaled"] == scale


def test_the_run_wins_over_what_the_class_asks_with(own: Project) -> None:
    write_task(own)
    entry = {"name": "mine", "data_dir": "data", "num_fewshot": 1, "generation_kwargs": {"max_gen_toks": 3}}
    run(own, "step1", tasks=[entry], generation_override={"until": ["z"]})
    row = view(own, 1)[0]
    assert row["prompt"].count("Say") == 2
    assert (row["generation"]["until"], row["generation"]["max_gen_toks"]) == (["z"], 3)


def test_few_shot_draws_advance_over_documents_that_are_left_out(own: Project) -> None:
    write_task(own)
    few = task(own, num_fewshot=2)
    every = [example.prompt for example in few.examples(PromptSettings())]
    (last,) = few.examples(PromptSettings(), samples=[5])
    assert last.prompt == every[5]
    assert len(set(every)) == 6
    assert [example.prompt for example in few.examples(PromptSettings(fewshot_seed=1))] != every


def test_a_class_that_values_rows_by_its_state_is_made_of_its_data_and_says_so_where_they_are_gone(
    own: Project,
) -> None:
    write_task(own, "Stateful")
    run(own)
    expected = [(6 + number) / 11 for number in range(6)]
    assert [row["values"]["relative"] for row in view(own, 3)] == pytest.approx(expected)
    (own.folder / "data" / "test.jsonl").unlink()
    (own.folder / "output" / "run" / "base" / "mine" / "step3_evaluation.jsonl").unlink()
    own.settings = {"output_dir": "output/run", "step3": {}}
    said = own.run("step3", str(own.write_settings("step3.yaml")), expect=2).stderr
    assert "the class Stateful values rows by its `longest`, which its constructor makes, and that fails" in said
    assert "no data file for the split test" in said


def test_data_beyond_the_limit_that_the_class_values_rows_by_make_the_values_stale(own: Project) -> None:
    write_task(own, "Stateful")
    run(own, limit=2)
    assert [row["values"]["relative"] for row in view(own, 3)] == pytest.approx([6 / 11, 7 / 11])
    path = own.folder / "data" / "test.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[-1]["q"] += "!" * 11
    write_lines(path, rows)
    before = (own.folder / "output" / "run" / "base" / "mine" / "step2_generation_trans.jsonl").read_bytes()
    run(own, limit=2)
    assert (own.folder / "output" / "run" / "base" / "mine" / "step2_generation_trans.jsonl").read_bytes() == before
    assert [row["values"]["relative"] for row in view(own, 3)] == pytest.approx([6 / 22, 7 / 22])


def test_metrics_of_the_run_cannot_value_a_class_s_answers(own: Project) -> None:
    write_task(own)
    run(own, "check", step3={"metrics": [{"name": "rouge"}]})
    said = run(own, "check", 2, step3={"metrics": [{"name": "rouge", "tasks": ["mine"]}]})
    assert "rouge cannot value mine: a class makes the requests" in said


FAULTS = {
    "Repeats": "the class Repeats asks each request 3 times by itself, its file 1 times\n  Say so in the task's file: repeats: 3",
    "Shots": "the class Shots shows 2 examples, its file says 0\n  Say in the run's YAML which is meant",
    "Filters": "the class Filters filters answers by own, its file by none",
    "Unsafe": "the class Unsafe runs what a model has written\n  Say so in the task's file: unsafe_code: true",
    "Images": "the class Images asks about images or sound, which is not supported",
    "Strange": "the class asks 'generate_until' with 3 arguments, which is none of the requests",
    "Failing": "its constructor of the class Failing fails: RuntimeError: no luck",
    "Late": "fewshot_context, for document 1, of the class Late fails: KeyError: 'nothing'",
    "Quiet": "the class Quiet asks nothing about document 0",
    "number": "has no function number",
    "nothing": "`class` names nothing, which is no class",
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_a_class_cannot_do_is_told_by_the_line_that_names_it(own: Project, name: str) -> None:
    write_task(own, name)
    with pytest.raises(InputError) as raised:
        list(task(own).examples(PromptSettings()))
    assert FAULTS[name] in str(raised.value)
    assert "tasks/mine.yaml:2: " in str(raised.value)


def test_a_prompt_in_messages_that_the_class_rewrites_is_refused(own: Project) -> None:
    write_task(own, "Rewriting")
    assert str(next(task(own).examples(PromptSettings())).prompt).endswith("Say:")
    with pytest.raises(InputError, match="out of a prompt in messages"):
        list(task(own).examples(PromptSettings(chat=True)))


def test_a_class_is_not_loaded_where_task_code_is_not_trusted(own: Project) -> None:
    write_task(own)
    said = run(own, "check", 2, trust_task_code=False)
    assert "mine.yaml:2: the task file names Python code, own.Plain" in said
    assert "trust_task_code: true" in said


def test_a_package_that_the_class_imports_is_asked_for_by_name(own: Project) -> None:
    (own.folder / "tasks" / "own.py").write_text("import no_such_package.part\n", encoding="utf-8")
    write_task(own)
    said = run(own, "check", 2)
    assert "the class Plain needs the package no_such_package, which is not installed" in said
    assert "pip install no_such_package" in said


def test_keys_that_only_the_class_knows_reach_it_and_others_are_refused(own: Project, tmp_path: Path) -> None:
    write_task(own, more="own_key: 3\n")
    assert task(own).request_basis()["settings"]["own_key"] == 3
    (own.folder / "tasks" / "mine.yaml").write_text("task: mine\nown_key: 3\n", encoding="utf-8")
    with pytest.raises(InputError, match="`own_key` is not a key of task files"):
        task(own)


def test_settings_that_have_no_place_beside_a_class_are_refused(own: Project) -> None:
    write_task(own, more="expand: {over: q, into: [a], name: a}\n")
    with pytest.raises(InputError, match="`expand` is not for tasks with a `class`"):
        task(own)


def test_a_missing_split_is_told_with_the_files_that_are_there(own: Project) -> None:
    write_task(own)
    for file in (own.folder / "data").glob("*"):
        file.unlink()
    write_lines(own.folder / "data" / "other.jsonl", [{"q": "x", "a": "y"}])
    with pytest.raises(InputError, match="no data file for the split test"):
        task(own).inputs()
