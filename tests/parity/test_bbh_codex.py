"""The accuracies that BIG-Bench-Hard published for Codex, from its stored outputs through steps 1 to 4: all sixteen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.project import ROOT, Project

CODEX = ROOT / ".." / "shared" / "data" / "bbh" / "codex"
PUBLISHED = sorted(CODEX.glob("*_metrics.jsonl"))
# The rule that gives every published figure: what follows the last "the answer is ", else the whole answer, without
# the full stop at its end.
ANSWER = r"(?s)^(?:.*the answer is )?(.*?)\.?\s*$"

pytestmark = pytest.mark.skipif(not PUBLISHED, reason="the real data are not here")


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The figures of the answers as extracted, by task."""
    names = [path.name.removesuffix("_metrics.jsonl") for path in PUBLISHED]
    columns = {"prompt": "input", "target": "target", "response": "prediction"}
    entries = [
        {"name": f"codex_{name}", "predictions": str(CODEX / f"{name}.json"), "field": "outputs", "columns": columns}
        for name in names
    ]
    settings = {
        "output_dir": "output/run",
        "processes": 1,
        "step1": {"model": {"name": "codex"}, "tasks": entries},
        "step2": {"filters": {"answer": [{"function": "regex", "regex_pattern": ANSWER}, {"function": "take_first"}]}},
    }
    project = Project(tmp_path_factory.mktemp("codex"), settings)
    project.run("all", str(project.write_settings()))
    rows = [row for view in project.views(step=4).values() for row in view]
    return {row["task"].removeprefix("codex_"): row for row in rows if row["filter"] == "answer"}


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda path: path.name.removesuffix("_metrics.jsonl"))
def test_published_accuracy(published: Path, figures: dict[str, dict[str, Any]]) -> None:
    found = figures[published.name.removesuffix("_metrics.jsonl")]
    accuracy = json.loads(published.read_text("utf-8"))["accuracy"]
    assert found["metric"] == "exact_match"
    assert (found["errors"], found["missing"]) == (0, 0)
    assert found["n"] == (178 if published.name.startswith("snarks") else 250)
    assert 100 * found["value"] == pytest.approx(accuracy, abs=1e-9)


def test_all_sixteen_are_there(figures: dict[str, dict[str, Any]]) -> None:
    assert len(figures) == 16
