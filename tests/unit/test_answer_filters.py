"""Filters that rewrite, vote, look for choices, or remove thoughts."""

from __future__ import annotations

import pytest

import filters  # noqa: F401  # registers them
from filters.registry import Unparsed, build_filter, build_pipeline, parse_failed
from pipeline.errors import TaskError

QUESTION = {"choices": ["Guilty", "Guilty of Romance", "no idea!"]}


@pytest.mark.parametrize(
    ("name", "response", "expected"),
    [
        ("lowercase", "ÄB 中", "äb 中"),
        ("uppercase", "äb 中", "ÄB 中"),
        ("first_line", " a \nb", " a "),
        ("first_line", "\nb", ""),
        ("first_line", "a\r\nb", "a\r"),
        ("remove_whitespace", "\u3000a b\n", "a b"),
    ],
)
def test_each_text_is_rewritten_alone_and_in_lists(name, response, expected):
    one = build_filter(name, {})
    assert one(response, {}) == expected
    assert one([response, None, 3], {}) == [expected, None, 3]
    assert parse_failed(one(Unparsed(response), {}))


def test_map_gives_the_default_for_what_it_does_not_know():
    known = build_filter("map", {"mapping_dict": {"A": 1, "B": 2}, "default_value": 0})
    assert known(["B", "C", ["A"]], {}) == [2, 0, 0]
    (unknown,) = build_filter("map", {"default_value": "none"})(["x"], {})
    assert unknown == "none"
    assert parse_failed(unknown)
    with pytest.raises(TaskError, match="mapping_dict is a mapping"):
        build_filter("map", {"mapping_dict": ["A"]})


def test_the_majority_wins_and_of_equals_the_first():
    vote = build_filter("majority_vote", {})
    assert vote(["b", "a", "a", "b", "c"], {}) == ["b"]
    assert vote(["a", "b", "b"], {}) == ["b"]
    assert build_pipeline([("majority_vote", {}), ("take_first", {})])(["x", "y", "y"], {}) == "y"


@pytest.mark.parametrize(
    ("options", "response", "expected", "failed"),
    [
        ({}, "<think>a</think>\n\n4", "4", False),
        ({}, "a </think> b </think> c ", "c ", False),
        ({}, "no thoughts", "no thoughts", False),
        ({}, "<think>cut", "<think>cut", True),
        ({"unclosed": "empty"}, "<think>cut", "", True),
        ({"unclosed": "empty"}, "no thoughts", "", True),
        ({"start": "[", "end": "]"}, "[x]y", "y", False),
    ],
)
def test_thoughts_are_removed(options, response, expected, failed):
    (value,) = build_filter("remove_thinking", options)([response], {})
    assert value == expected
    assert parse_failed(value) is failed


@pytest.mark.parametrize("options", [{"unclosed": "drop"}, {"end": ""}])
def test_wrong_options_of_remove_thinking_are_errors(options):
    with pytest.raises(TaskError, match="remove_thinking"):
        build_filter("remove_thinking", options)


@pytest.mark.parametrize(
    ("options", "response", "expected"),
    [
        ({"regex_pattern": r"(\([A-Z]\))"}, "so (B) is right", "(B)"),
        ({"regex_pattern": r"(\([A-Z]\))"}, "it is Guilty of Romance", "(B)"),
        ({"regex_pattern": r"(\([A-Z]\))"}, "guilty", "[invalid]"),
        ({"regex_pattern": r"(\([A-Z]\))", "ignore_case": True}, "I am guilty", "(A)"),
        ({"regex_pattern": "zzz", "ignore_punctuation": True}, "no, idea", "(C)"),
        ({"regex_pattern": "zzz"}, "Answer:  C", "(C)"),
        ({"regex_pattern": "zzz", "group_select": 3, "fallback": "?"}, "Guilty", "?"),
    ],
)
def test_choices_are_found_by_pattern_then_text_then_letter(options, response, expected):
    (value,) = build_filter("multi_choice_regex", options)([response], QUESTION)
    assert value == expected
    assert parse_failed(value) is (expected in ("[invalid]", "?"))
