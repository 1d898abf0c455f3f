"""Tasks through lm_eval 0.4.13 and through this project's four steps on one model: equal in all that both give."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from models.chat import render_chat
from tests.parity.harness import pipeline_run, reference
from tests.parity.harness.comparison import compare_group, compare_task, views
from tests.parity.harness.data_sets import write_data_set
from tests.parity.harness.model import make_model
from tests.parity.harness.real_data import DATA
from tests.parity.harness.suites import SUITES, Suite
from tests.project import Project

os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
pytest.importorskip("lm_eval", reason="the reference is lm_eval")
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real data are not here")

Outcome = tuple[dict[str, Any], Project]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("harness") / "model")


@pytest.fixture(scope="module")
def harness_model(model: Path) -> Any:
    return reference.load_model(model)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of all runs. In it what IFEval's code would else download; the prompts here do without its content."""
    import nltk

    folder = tmp_path_factory.mktemp("runs")
    (folder / "nltk" / "tokenizers" / "punkt_tab").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NLTK_DATA", str(folder / "nltk"))
        patch.setattr(nltk.data, "path", [str(folder / "nltk")])
        yield folder


@pytest.fixture(scope="module")
def outcome(model: Path, harness_model: Any, runs: Path) -> Callable[[str], Outcome]:
    """Both sides' results of a suite, computed when first asked for; a run that failed is not tried again."""
    known: dict[str, Outcome | None] = {}

    def of_suite(name: str) -> Outcome:
        if name not in known:
            known[name] = None
            known[name] = both_sides(SUITES[name], harness_model, model, runs / name, runs / "data")
        found = known[name]
        if found is None:
            pytest.fail("the suite's run failed, as its first test says", pytrace=False)
        return found

    return of_suite


def both_sides(suite: Suite, harness_model: Any, model: Path, folder: Path, data: Path) -> Outcome:
    theirs = reference.evaluate(harness_model, suite, lambda *what: write_data_set(data, *what))
    return theirs, pipeline_run.run(folder, model, data, suite, reference.data_sets_of(theirs))


@pytest.fixture(scope="module")
def render(model: Path) -> Callable[[Any], str]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    return lambda prompt: prompt if isinstance(prompt, str) else render_chat(tokenizer, prompt)


@pytest.mark.parametrize(("suite", "task"), [(name, task) for name, suite in SUITES.items() for task in suite.tasks])
def test_task(suite: str, task: str, outcome: Callable[[str], Outcome], render: Callable[[Any], str]) -> None:
    theirs, project = outcome(suite)
    found = views(project, task)
    if task in theirs.get("groups", {}):
        comparison = compare_group(theirs, task, found)
    else:
        chosen = (SUITES[suite].samples or {}).get(task)
        comparison = compare_task(theirs, task, found, render, chosen)
    assert comparison.compared
    assert not comparison.faults, "\n".join(comparison.faults)
