"""The lines with which step 1 ends."""

from __future__ import annotations

import pytest

from pipeline.lock_file import Basis, Entry
from steps.step1_summary import say_summary


def entry(**counts: int) -> Entry:
    basis = Basis(version=1, inputs={}, settings={})
    errors = {"ContextTooLong": [counts["errors"], "so many tokens"]} if "errors" in counts else {}
    return Entry(state="done", basis=basis, run={"errors": errors}, counts=counts)


def said(entries: dict[tuple[str, str], Entry], made: int, found: int, capfd: pytest.CaptureFixture[str]) -> list[str]:
    say_summary(entries, made, found)
    return capfd.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("made", "found", "calls"),
    [
        (0, 0, "no calls needed"),
        (1, 0, "1 call made, 0 found in the memo"),
        (20, 5, "20 calls made, 5 found in the memo"),
    ],
)
def test_calls_are_told(made: int, found: int, calls: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert said({("base", "a"): entry()}, made, found, capfd) == [f"step1: 1 view up to date; {calls}"]


def test_tasks_with_cut_prompts_are_named_the_most_affected_first(capfd: pytest.CaptureFixture[str]) -> None:
    cut = {"a": 1, "b": 5, "c": 0, "d": 2, "e": 3}
    entries = {(model, task): entry(truncated=count) for task, count in cut.items() for model in ("base", "one")}
    warning = (
        "warning: 22 prompts cut from the left, to fit the model's max_length: b (10), e (6), d (4) and 1 more task"
    )
    assert said(entries, 0, 0, capfd)[1:] == [warning]
    one = {("base", "c"): entry(truncated=1)}
    assert said(one, 0, 0, capfd)[1].startswith(
        "warning: 1 prompt cut from the left, to fit the model's max_length: c (1)"
    )


def test_error_rows_are_counted_by_kind(capfd: pytest.CaptureFixture[str]) -> None:
    entries = {("base", "a"): entry(errors=2), ("base", "b"): entry(errors=1)}
    assert said(entries, 9, 0, capfd) == [
        "step1: 2 views up to date, 3 error rows; 9 calls made, 0 found in the memo",
        "  3 ContextTooLong, such as: so many tokens",
    ]
