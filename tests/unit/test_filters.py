"""The filters, one by one and in pipelines."""

from __future__ import annotations

import pytest

import filters  # noqa: F401  # registers them
from filters.registry import Unparsed, build_filter, build_pipeline, parse_failed
from pipeline.errors import TaskError
from pipeline.rows import to_plain


def test_regex_takes_the_chosen_match_and_strips_it():
    text = "first 12, then $3,000. and 7"
    pattern = r"(-?[$0-9.,]{2,})|(-?[0-9]+)"
    assert build_filter("regex", {"regex_pattern": pattern})([text], {}) == ["12,"]
    assert build_filter("regex", {"regex_pattern": pattern, "group_select": -1})([text], {}) == ["7"]
    assert build_filter("regex", {"regex_pattern": pattern, "group_select": 1})([text], {}) == ["$3,000."]
    assert build_filter("regex", {"regex_pattern": r"#(.*)#"})(["#  a b #"], {}) == ["a b"]


def test_regex_of_several_groups_takes_the_first_that_is_not_empty():
    find = build_filter("regex", {"regex_pattern": r"(x)?(y)?(z)", "group_select": 0})
    assert find(["yz", "z"], {}) == ["y", "z"]
    assert build_filter("regex", {"regex_pattern": "(x)?(y)?"})(["ab"], {}) == ["[invalid]"]


@pytest.mark.parametrize("response", ["no number", "", None, 3])
def test_what_is_not_found_is_the_fallback_and_known_as_such(response):
    (value,) = build_filter("regex", {"fallback": "none"})([response], {})
    assert value == "none"
    assert parse_failed(value)


def test_an_answer_that_reads_like_the_fallback_is_no_failure():
    (value,) = build_filter("regex", {"regex_pattern": r"(\[invalid\])"})(["[invalid]"], {})
    assert value == "[invalid]"
    assert not parse_failed(value)


def test_a_match_beyond_the_last_is_not_found():
    assert build_filter("regex", {"regex_pattern": "a", "group_select": 2})(["aa"], {}) == ["[invalid]"]
    assert build_filter("regex", {"regex_pattern": "a", "group_select": -3})(["aa"], {}) == ["[invalid]"]


def test_failure_is_still_known_at_the_end_of_a_pipeline():
    pipeline = build_pipeline([("regex", {}), ("strip", {}), ("take_first", {})])
    value = pipeline(["nothing here", "#### 3"], {})
    assert parse_failed(value)
    assert type(to_plain(value)) is str
    assert not parse_failed(pipeline(["#### 3", "nothing"], {}))


def test_several_samples_fail_when_all_do():
    pipeline = build_pipeline([("regex", {}), ("take_first_k", {"k": 2})])
    assert parse_failed(pipeline(["a", "b"], {}))
    assert not parse_failed(pipeline(["a", "#### 1"], {}))
    assert not parse_failed([])


def test_strip_removes_unicode_white_space_and_keeps_other_values():
    assert build_filter("strip", {})(["\u3000 a b\n", None, Unparsed(" ")], {}) == ["a b", None, ""]
    assert build_filter("strip", {})(" a ", {}) == "a"


def test_take_first_keeps_the_likelihoods_of_choices_together():
    scores = [[-1.0, True, 2], [-2.0, False, 1]]
    assert build_filter("take_first", {})([scores], {}) == scores
    assert build_filter("take_first", {})("chosen", {}) == "chosen"


def test_take_first_k_says_how_many_samples_it_lacks():
    assert build_filter("take_first_k", {"k": 2})(["a", "b", "c"], {}) == ["a", "b"]
    with pytest.raises(TaskError, match=r"needs 3 samples of each document and got 1[\s\S]*repeats: 3"):
        build_filter("take_first_k", {"k": 3})(["a"], {})


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("regexp", {}, "Did you mean regex"),
        ("regex", {"regex_pattern": "("}, "no regular expression"),
        ("regex", {"pattern": "a"}, "pattern"),
        ("take_first_k", {}, "k"),
        ("take_first_k", {"k": 0}, "1 or more"),
    ],
)
def test_wrong_names_and_arguments_are_errors_with_their_place(name, arguments, message):
    with pytest.raises(TaskError, match=message) as caught:
        build_filter(name, arguments, "task.yaml:7")
    assert caught.value.where == "task.yaml:7"
