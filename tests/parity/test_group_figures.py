"""Figures of groups against lm_eval's `Group.aggregate`: nested groups, weights, filters, metrics that some tasks lack."""

from __future__ import annotations

import random
from typing import Any

import pytest

from pipeline.rows import AggregateRow
from steps.step4_groups import group_rows, lacking_notes, leaf_tasks
from tasks.task import Group

pytest.importorskip("lm_eval")

# Of each task: its size, and the metrics that it has by filter.
TASKS: dict[str, tuple[int, dict[str, list[str]]]] = {
    "a": (10, {"acc": ["none"], "exact_match": ["strict", "flexible"]}),
    "b": (200, {"acc": ["none"], "exact_match": ["strict", "flexible"]}),
    "c": (30, {"acc": ["none"], "exact_match": ["strict"]}),
    "d": (7, {"exact_match": ["strict"]}),
}


def entry(metric: str, weighted: bool = True, filters: list[str] | None = None) -> dict[str, Any]:
    return {"metric": metric, "aggregation": "mean", "weight_by_size": weighted, "filter_list": filters}


@pytest.fixture
def figures() -> dict[str, list[AggregateRow]]:
    draw = random.Random(7)
    return {
        name: [
            AggregateRow(
                model="m", task=name, metric=metric, filter=one, value=draw.random(), n=n, se=draw.random() / 10
            )
            for metric, filters in metrics.items()
            for one in filters
        ]
        for name, (n, metrics) in TASKS.items()
    }


def of_harness(groups: list[Group], figures: dict[str, list[AggregateRow]]) -> dict[str, dict[str, Any]]:
    """What lm_eval makes of the same groups and figures."""
    from lm_eval.api.group import Group as HarnessGroup
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.config.group import AggMetricConfig

    class Leaf(ConfigurableTask):  # type: ignore[misc]
        def __init__(self, name: str) -> None:
            self._name = name

        @property
        def task_name(self) -> str:
            return self._name

    results: dict[str, dict[str, Any]] = {}
    for name, rows in figures.items():
        results[name] = {"sample_len": rows[0].n}
        for row in rows:
            results[name][f"{row.metric},{row.filter}"] = row.value
            results[name][f"{row.metric}_stderr,{row.filter}"] = row.se
    made: dict[str, Any] = {name: Leaf(name) for name in figures}
    for group in groups:  # inner groups stand first
        made[group.name] = HarnessGroup(
            group.name, aggregate_metric_list=[AggMetricConfig(**one) for one in group.metrics]
        )
        for member in group.members:
            made[group.name].add(made[member])
    return {group.name: made[group.name].aggregate(results) for group in groups}


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize(
    "asked", [["acc"], ["exact_match"], ["acc", "exact_match"], ["exact_match/strict"], ["acc/strict"]]
)
def test_groups_have_lm_evals_figures(figures: dict[str, list[AggregateRow]], asked: list[str], weighted: bool) -> None:
    metrics = tuple(
        entry(metric, weighted, [one] if one else None) for metric, _, one in (name.partition("/") for name in asked)
    )
    groups = [Group("inner", ("b", "c"), None, metrics), Group("outer", ("a", "inner", "d"), None, metrics)]
    expected = of_harness(groups, figures)
    leaves = leaf_tasks(groups)
    for group in groups:
        rows = list(group_rows("m", group, leaves[group.name], figures, 0.95))
        wanted = {key: value for key, value in expected[group.name].items() if "," in key and "stderr" not in key}
        assert {f"{row.metric},{row.filter}": row.value for row in rows} == pytest.approx(wanted, abs=1e-12)
        if not weighted:
            errors = {f"{row.metric},{row.filter}": row.se for row in rows}
            stderrs = {key: expected[group.name][key.replace(",", "_stderr,")] for key in wanted}
            assert errors == pytest.approx(stderrs, abs=1e-12)


def test_what_some_tasks_lack_is_said(figures: dict[str, list[AggregateRow]]) -> None:
    inner, outer = Group("inner", ("b", "c"), None, (entry("acc"),)), Group("outer", ("a", "inner", "d"))
    outer = Group("outer", outer.members, None, (entry("acc"), entry("f1")))
    assert list(lacking_notes([outer, inner], figures)) == [
        "outer: acc (none) is the mean over 3 of its 4 tasks; not among them: d",
        "outer: no task of it has f1, which aggregate_metric_list names",
    ]


def test_a_group_without_a_list_has_the_mean_by_size_of_what_all_its_tasks_have(
    figures: dict[str, list[AggregateRow]],
) -> None:
    groups = [Group("inner", ("b", "c")), Group("outer", ("a", "inner", "d"))]
    (row,) = group_rows("m", groups[1], leaf_tasks(groups)["outer"], figures, 0.95)
    strict = {name: next(one for one in rows if one.filter == "strict") for name, rows in figures.items()}
    assert (row.metric, row.filter, row.n) == ("exact_match", "strict", 247)
    assert row.value == pytest.approx(sum(one.n * one.value for one in strict.values()) / 247)


def test_a_task_in_two_groups_within_one_counts_once(figures: dict[str, list[AggregateRow]]) -> None:
    groups = [Group("one", ("a", "b")), Group("two", ("b", "c")), Group("both", ("one", "two"))]
    assert leaf_tasks(groups)["both"] == ("a", "b", "c")
