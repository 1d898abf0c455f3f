"""The comparison finds each difference that it is there to find, and none where there is none."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest

from tests.parity.harness.comparison import Comparison, Views, compare_task

_SCORED = {
    "doc_id": 0,
    "filter": "none",
    "arguments": [("Q", " a"), ("Q", " b")],
    "resps": [[(-1.0, False)], [(-2.0, True)]],
    "filtered_resps": [(-1.0, False), (-2.0, True)],
    "metrics": ["acc"],
    "acc": 1.0,
}
_WRITTEN = {
    "doc_id": 0,
    "filter": "last",
    "arguments": [("Q", {"until": ["."]})],
    "resps": [["It is 4"]],
    "filtered_resps": ["4"],
    "metrics": ["exact_match"],
    "exact_match": 0.0,
}


def _theirs(sample: dict[str, Any], metric: str, value: float) -> dict[str, Any]:
    figures = {f"{metric},{sample['filter']}": value, f"{metric}_stderr,{sample['filter']}": 0.25}
    return {"samples": {"task": [sample]}, "results": {"task": figures}}


def _views(request: dict[str, Any], filtered: dict[str, Any], metric: str, value: float) -> Views:
    (name,) = filtered
    row = {"index": 0, "status": "ok", "error": None, "prompt": "Q", "requests": [{"prompt": None, **request}]}
    return Views(
        {0: row},
        {0: {"index": 0, "filtered": filtered}},
        {(0, name): {"index": 0, "filter": name, "values": {metric: value}}},
        {(metric, name): {"value": value, "se": 0.25, "method": "student-t"}},
    )


def _choice() -> tuple[dict[str, Any], Views]:
    request = {
        "type": "loglikelihood",
        "continuations": [" a", " b"],
        "logprobs": [-1.0001, -2.0],
        "greedy": [False, True],
    }
    return _theirs(copy.deepcopy(_SCORED), "acc", 1.0), _views(request, {"none": [[-1.0001, False, 1]]}, "acc", 1.0)


def _text() -> tuple[dict[str, Any], Views]:
    request = {"type": "generate_until", "text": "It is 4"}
    return _theirs(copy.deepcopy(_WRITTEN), "exact_match", 0.0), _views(request, {"last": "4"}, "exact_match", 0.0)


def _compared(theirs: dict[str, Any], found: Views) -> Comparison:
    return compare_task(theirs, "task", found, str)


@pytest.mark.parametrize("make", [_choice, _text])
def test_nothing_differs(make: Callable[[], tuple[dict[str, Any], Views]]) -> None:
    assert not _compared(*make()).faults


def _request(found: Views, **changes: Any) -> None:
    found.generated[0]["requests"][0].update(changes)


CHANGES: dict[str, tuple[Callable[[], tuple[dict[str, Any], Views]], Callable[[Views], Any], str]] = {
    "a prompt": (_choice, lambda found: found.generated[0].update(prompt="Q "), "prompts"),
    "a continuation": (_choice, lambda found: _request(found, continuations=[" a", "b"]), "prompts"),
    "a log-likelihood": (_choice, lambda found: _request(found, logprobs=[-1.0, -2.001]), "log-likelihood of ' b'"),
    "one of no value": (_choice, lambda found: _request(found, logprobs=[math.nan, -2.0]), "log-likelihood of ' a'"),
    "a greedy flag": (_choice, lambda found: _request(found, greedy=[True, True]), "greedy flag of ' a'"),
    "a text": (_text, lambda found: _request(found, text="It is  4"), "generated texts"),
    "a filtered text": (_text, lambda found: found.filtered[0].update(filtered={"last": "5"}), "filtered by last"),
    "a filter's name": (_text, lambda found: found.filtered[0].update(filtered={"first": "4"}), "the filter last"),
    "a value": (_choice, lambda found: found.scored[0, "none"].update(values={"acc": 0.0}), "acc under none"),
    "no value": (_choice, lambda found: found.scored[0, "none"].update(values={"acc": None}), "acc under none"),
    "no row of values": (_text, lambda found: found.scored.clear(), "no row of values under last"),
    "a figure": (_text, lambda found: found.figures["exact_match", "last"].update(value=1e-5), "exact_match,last"),
    "no figure": (_choice, lambda found: found.figures.clear(), "no figure acc,none"),
    "a standard error": (_choice, lambda found: found.figures["acc", "none"].update(se=0.26), "standard error of acc"),
    "a document": (_text, lambda found: found.generated.update({1: found.generated[0]}), "documents"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_difference_is_found(change: str) -> None:
    make, alter, said = CHANGES[change]
    theirs, found = make()
    alter(found)
    faults = _compared(theirs, found).faults
    assert any(said in fault for fault in faults), faults


def test_a_choice_too_close_to_call_is_no_fault() -> None:
    theirs, found = _choice()
    theirs["samples"]["task"][0]["resps"] = [[(-2.0001, False)], [(-2.0, True)]]
    _request(found, logprobs=[-1.99999, -2.00001])
    found.scored[0, "none"]["values"] = {"acc": 0.0}
    found.figures["acc", "none"]["value"] = 0.0
    comparison = _compared(theirs, found)
    assert (comparison.faults, comparison.ties) == ([], [0])
