"""Faults that would come to light after hours of work, told by `check` and before step 1 asks the model anything."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.test_cli_faults import fails
from tests.project import Project

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
