"""Filters and slices whose every row failed stay in the figures, without a value."""

from __future__ import annotations

import pytest

from pipeline.config import TaskSettings
from pipeline.fingerprint import FileHashes
from pipeline.rows import AggregateRow
from steps.step4_aggregation import _Columns, _Scored
from steps.units import Unit
from tasks.loader import load_tasks
from tasks.task import MetricSpec

SPEC = {"confidence": 0.95}
ASKED = [{"name": "exact_match"}, {"name": "bleu4", "label": "mine"}]


@pytest.fixture
def unit() -> Unit:
    entry = TaskSettings(name="sums", data="sums.jsonl", format="jsonl")
    (task,) = load_tasks([entry], [], False, FileHashes(), find_data=False).tasks
    task.metrics = (MetricSpec("exact_match", higher_is_better=False),)
    return Unit("base", task)


def scored(filter_name: str, value: float | None, level: str = "easy") -> _Scored:
    """A row of step 3; one without a value has failed."""
    values = {} if value is None else {"exact_match": value}
    return _Scored("error" if value is None else "ok", "c", {"level": level}, filter_name, values)


def figures(unit: Unit, *rows: _Scored) -> dict[tuple[str, str, str | None], AggregateRow]:
    columns = _Columns(unit.task)
    columns.add(rows)
    found = [*columns.aggregate(unit, SPEC), *columns.nothing_but_errors(unit, ASKED)]
    by_name = {(row.metric, row.filter, row.slice): row for row in found}
    assert len(by_name) == len(found)
    return by_name


def test_a_filter_of_nothing_but_errors_stands_beside_another(unit: Unit) -> None:
    found = figures(unit, scored("strict", 1.0), scored("loose", None), scored("loose", None))
    lost = found["exact_match", "loose", None]
    assert (lost.value, lost.n, lost.errors, lost.higher_is_better) == (None, 0, 2, False)
    assert found["exact_match", "strict", None].value == 1.0
    assert {metric for metric, _, _ in found} == {"exact_match"}


def test_a_slice_of_nothing_but_errors_stands_beside_another(unit: Unit) -> None:
    found = figures(unit, scored("none", 1.0), scored("none", 0.0), scored("none", None, "hard"))
    assert (found["exact_match", "none", None].errors, found["exact_match", "none", None].n) == (1, 2)
    lost = found["exact_match", "none", "level=hard"]
    assert (lost.value, lost.n, lost.errors) == (None, 0, 1)


def test_a_task_of_nothing_but_errors_names_what_its_metrics_would_give(unit: Unit) -> None:
    found = figures(unit, scored("none", None))
    assert {key for key in found if key[2] is None} == {("exact_match", "none", None), ("bleu-4:mine", "none", None)}


def test_without_errors_there_is_nothing_to_add(unit: Unit) -> None:
    assert set(figures(unit, scored("none", 1.0))) == {
        ("exact_match", "none", None),
        ("exact_match", "none", "level=easy"),
    }
