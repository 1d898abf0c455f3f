"""Tasks through lm_eval 0.4.13 and through this project's four steps on one model: equal in all that both give."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from models.chat import render_chat
from tests.parity.harness import pipeline_run, reference
from tests.parity.harness.comparison import Comparison, compare_group, compare_task, views
from tests.parity.harness.data_sets import write_data_set
from tests.parity.harness.model import make_model
from tests.parity.harness.real_data import DATA
from tests.parity.harness.suites import SUITES

os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
pytest.importorskip("lm_eval", reason="the reference is lm_eval")
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real data are not here")


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
def render(model: Path) -> Callable[[Any], str]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    return lambda prompt: prompt if isinstance(prompt, str) else render_chat(tokenizer, prompt)


@pytest.mark.parametrize("name", SUITES)
def test_suite(
    name: str, model: Path, harness_model: Any, runs: Path, render: Callable[[Any], str], subtests: pytest.Subtests
) -> None:
    suite, data = SUITES[name], runs / "data"
    theirs = reference.evaluate(harness_model, suite, lambda *what: write_data_set(data, *what))
    project = pipeline_run.run(runs / name, model, data, suite, reference.data_sets_of(theirs))
    found = views(project)
    tasks, groups = theirs["samples"], theirs.get("groups", {})
    assert set(suite.tasks) <= {*tasks, *groups} == set(found)
    for task in tasks:
        with subtests.test(task):
            _agree(compare_task(theirs, task, found[task], render, (suite.samples or {}).get(task)))
    for group in groups:
        with subtests.test(group):
            _agree(compare_group(theirs, group, found[group]))


def _agree(comparison: Comparison) -> None:
    assert comparison.compared
    assert not comparison.faults, "\n".join(comparison.faults)
