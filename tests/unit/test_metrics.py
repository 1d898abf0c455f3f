"""Exact match, accuracy and the tables of metrics and aggregations."""

from __future__ import annotations

import math

import pytest

import metrics  # noqa: F401  # registers them
from metrics.aggregation import find_aggregation
from metrics.registry import Likelihood, MetricInput, find_metric
from pipeline.errors import MetricError, TaskError
from stats.mean import Column


def value(name, response, target, choices=None, **arguments):
    row = MetricInput(response=response, target=target, choices=choices)
    (values,) = find_metric(name, arguments).function([row], **arguments)
    assert set(values) <= set(find_metric(name).outputs)
    return values[name]


def scores(*logprobs, greedy=None):
    return [Likelihood(logprob, number == greedy, 1) for number, logprob in enumerate(logprobs)]


@pytest.mark.parametrize(
    ("response", "target", "arguments", "expected"),
    [
        ("18", "18", {}, 1.0),
        ("18", 18, {}, 1.0),
        ("18.", "18", {}, 0.0),
        ("18.", "18", {"regexes_to_ignore": [r"\.$"]}, 1.0),
        ("1,234", "#### 1234", {"regexes_to_ignore": [",", "(?s).*#### "]}, 1.0),
        ("Paris", "paris", {}, 0.0),
        ("Paris", "paris", {"ignore_case": True}, 1.0),
        ("it's", "its", {"ignore_punctuation": True}, 1.0),
        ("a1b", "ab2", {"ignore_numbers": True}, 1.0),
        # Patterns come before the case is lowered.
        ("A", "", {"ignore_case": True, "regexes_to_ignore": ["a"]}, 0.0),
        ("b", ["a", "b"], {}, 1.0),
        ("c", ["a", "b"], {}, 0.0),
        (["a", "c"], "a", {}, 0.5),
        ([], "a", {}, 0.0),
        ("a", None, {}, None),
        ("None", None, {}, None),
        ("a", [], {}, None),
    ],
)
def test_exact_match(response, target, arguments, expected):
    assert value("exact_match", response, target, **arguments) == expected


def test_exact_match_reads_an_index_as_its_choice():
    assert value("exact_match", "yes", 1, ["no", "yes"]) == 1.0
    assert value("exact_match", "1", 1, ["no", "yes"]) == 0.0


def test_exact_match_of_a_choice_task_is_the_greedy_flag_of_the_right_choice():
    assert value("exact_match", scores(-1.0, -2.0, greedy=1), 1, ["a", "b"]) == 1.0
    assert value("exact_match", scores(-1.0, -2.0, greedy=1), 0, ["a", "b"]) == 0.0


def test_accuracy_is_the_most_likely_choice_the_first_of_equals():
    choices = ["long choice", "b"]
    assert value("acc", scores(-2.0, -1.5), 1, choices) == 1.0
    assert value("acc", scores(-2.0, -1.5), "b", choices) == 1.0
    assert value("acc", scores(-2.0, -1.5), [0, 1], choices) == 1.0
    assert value("acc", scores(-2.0, -2.0), 1, choices) == 0.0
    assert value("acc_norm", scores(-2.0, -1.5), 0, choices) == 1.0


def test_length_is_in_characters_not_bytes():
    # 3 characters of 3 bytes each against 4 of 1: by bytes the first would win.
    assert value("acc_norm", scores(-6.0, -4.0), 1, ["中文字", "abcd"]) == 1.0


def test_an_empty_choice_never_wins_by_its_length():
    assert value("acc_norm", scores(-0.1, -5.0), 1, ["", "b"]) == 1.0


@pytest.mark.parametrize(("target", "logprobs"), [(5, (-1.0, -2.0)), (-1, (-1.0, -2.0)), ("x", (-1.0, -2.0)), (0, (math.nan, -1.0))])  # fmt: skip
def test_what_nobody_could_answer_is_missing_not_wrong(target, logprobs):
    assert value("acc", scores(*logprobs), target, ["a", "b"]) is None
    assert value("acc_norm", scores(*logprobs), target, ["a", "b"]) is None


def test_accuracy_without_choices_is_the_greedy_flag():
    assert value("acc", scores(-1.0, greedy=0), "text") == 1.0
    assert value("acc", scores(-1.0), "text") == 0.0


def test_accuracy_of_a_text_that_is_a_choice():
    assert [value("acc", text, 1, ["A", "B"]) for text in ("A", "B", "b", "")] == [0.0, 1.0, 0.0, 0.0]
    assert value("acc", "B", [0, 1], ["A", "B"]) == 1.0
    assert value("acc", "A", 5, ["A", "B"]) is None


def test_accuracy_of_texts_or_of_too_few_scores_is_an_error():
    with pytest.raises(MetricError, match="log-probabilities of continuations"):
        value("acc_norm", "a", 0, ["a"])
    with pytest.raises(MetricError, match="each of 2 choices and got 1"):
        value("acc", scores(-1.0), 0, ["a", "b"])


def test_unknown_names_are_errors_that_help():
    with pytest.raises(TaskError, match="Did you mean exact_match"):
        find_metric("exact_macth")
    with pytest.raises(TaskError, match="ignore_case"):
        find_metric("exact_match", {"ignorecase": True})
    with pytest.raises(TaskError, match="regular expression"):
        value("exact_match", "a", "a", regexes_to_ignore=["("])
    with pytest.raises(TaskError, match="Did you mean mean"):
        find_aggregation("meen")


def test_the_mean_leaves_missing_values_out_and_counts_them():
    column = Column()
    column.extend([1.0, None, 0.0, 1.0, math.nan], "abcde")
    estimate = find_aggregation("mean")(column)
    assert (estimate.value, estimate.n, estimate.missing) == (pytest.approx(2 / 3), 3, 2)
