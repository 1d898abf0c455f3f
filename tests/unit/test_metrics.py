"""Exact match, accuracy and the tables of metrics and aggregations."""

from __future__ import annotations

import math

import pytest

import metrics  # noqa: F401  # registers them
from metrics.aggregation import find_aggregation
from metrics.registry import FLAGS, Likelihood, MetricInput, find_metric
from pipeline.errors import MetricError, TaskError
from stats.mean import Column


def row_values(name, response, target, choices=None, unconditional=None, **arguments):
    row = MetricInput(response=response, target=target, choices=choices, unconditional=unconditional)
    (values,) = find_metric(name, arguments).function([row], **arguments)
    assert set(values) <= {*find_metric(name).outputs, FLAGS}
    return values


def value(name, response, target, choices=None, **arguments):
    return row_values(name, response, target, choices, **arguments)[name]


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


ACCURACIES = ("acc", "acc_norm", "acc_bytes", "acc_mutual_info")


@pytest.mark.parametrize("target", [5, -1, 0.5, math.nan, "x", "", ["x", 7]])
def test_a_target_that_is_no_choice_makes_the_answer_wrong_and_is_flagged(target):
    flagged = {FLAGS: {"target_not_a_choice": True}}
    for name in (*ACCURACIES, "exact_match"):
        found = row_values(name, scores(-1.0, -2.0, greedy=0), target, ["a", "b"], scores(-1.0, -1.0))
        assert found == {name: 0.0} | flagged
    assert row_values("acc", "A", target, ["A", "B"]) == {"acc": 0.0} | flagged
    for name in ("f1", "mcc", "brier_score", "likelihood"):
        assert row_values(name, scores(-1.0, -2.0), target, ["a", "b"]) == {name: None}


@pytest.mark.parametrize(("target", "logprobs"), [(None, (-1.0, -2.0)), ([], (-1.0, -2.0)), (0, (math.nan, -1.0))])
def test_what_nobody_could_answer_is_missing_not_wrong(target, logprobs):
    for name in (*ACCURACIES, "f1", "mcc", "brier_score", "likelihood"):
        found = row_values(name, scores(*logprobs), target, ["a", "b"], scores(-1.0, -1.0))
        assert found == {name: None}
    assert value("acc", "A", None, ["A", "B"]) is None


def test_labels_read_as_floats_are_indices():
    assert value("acc", scores(-2.0, -1.0), 1.0, ["a", "b"]) == 1.0
    assert value("exact_match", "yes", 1.0, ["no", "yes"]) == 1.0


def test_mutual_information_subtracts_what_a_choice_is_worth_without_the_question():
    conditional, alone = scores(-1.0, -2.0), scores(-0.5, -5.0)
    assert value("acc_mutual_info", conditional, 1, ["a", "b"], unconditional=alone) == 1.0
    assert value("acc", conditional, 1, ["a", "b"]) == 0.0
    assert value("acc_mutual_info", scores(-math.inf, -2.0), 1, ["a", "b"], unconditional=scores(-math.inf, 0)) is None
    with pytest.raises(MetricError, match="without the question"):
        value("acc_mutual_info", conditional, 1, ["a", "b"])
    with pytest.raises(MetricError, match="got 1 log-probabilities without the question for 2"):
        value("acc_mutual_info", conditional, 1, ["a", "b"], unconditional=scores(-1.0))


def test_length_in_bytes():
    # 9 bytes against 4: what `acc_norm` decides the other way.
    assert value("acc_bytes", scores(-6.0, -4.0), 0, ["中文字", "abcd"]) == 1.0
    assert value("acc_bytes", scores(-0.1, -5.0), 1, ["", "b"]) == 1.0


def test_brier_score_by_hand():
    halves = scores(-1.0, -1.0)
    assert value("brier_score", halves, 0, ["a", "b"]) == pytest.approx(0.5)
    assert value("brier_score", scores(0.0, -math.inf), 1, ["a", "b"]) == 2.0
    assert value("brier_score", scores(math.log(0.7), math.log(0.2), math.log(0.1)), "b", ["a", "b", "c"]) == (
        pytest.approx(0.49 + 0.64 + 0.01)
    )
    assert value("brier_score", scores(-math.inf, -math.inf), 0, ["a", "b"]) is None


def test_classes_are_counted():
    assert value("f1", scores(-2.0, -1.0), 1, ["no", "yes"]) == [1.0, 1.0, 1.0]
    assert value("f1", scores(-2.0, -1.0), 0, ["no", "yes"]) == [0.0, 1.0, 0.0]
    assert value("mcc", scores(-2.0, -1.0), 0, ["no", "yes"]) == [0.0, 0.0, 1.0, 1.0, 0.0]
    with pytest.raises(MetricError, match="two choices, and a row has 3"):
        value("f1", scores(-2.0, -1.0, -3.0), 0, ["a", "b", "c"])
    for name in ("f1", "mcc", "brier_score"):
        with pytest.raises(MetricError, match="one right choice"):
            value(name, scores(-2.0, -1.0), [0, 1], ["a", "b"])


def test_likelihood_gives_what_an_aggregation_of_the_task_s_own_reads():
    assert value("likelihood", scores(-2.0, -1.0), "b", ["a", "b"]) == [1, [-2.0, -1.0]]


def test_perplexities_hold_the_log_likelihood_and_the_length():
    assert value("perplexity", scores(-3.5), "text") == -3.5
    text = " Größe  zählt\n"
    assert value("word_perplexity", scores(-9.0), text) == [-9.0, 4.0]  # an empty piece at each end counts
    assert value("byte_perplexity", scores(-9.0), text) == [-9.0, 17.0]
    assert value("bits_per_byte", Likelihood(-9.0, False, 3), text) == [-9.0, 17.0]
    assert value("bits_per_byte", scores(-9.0), None) is None
    with pytest.raises(MetricError, match="no text but a int"):
        value("word_perplexity", scores(-9.0), 3)
    with pytest.raises(MetricError, match="one continuation and got 2"):
        value("perplexity", scores(-9.0, -1.0), "text")


def test_accuracy_without_choices_is_the_greedy_flag():
    assert value("acc", scores(-1.0, greedy=0), "text") == 1.0
    assert value("acc", scores(-1.0), "text") == 0.0


def test_accuracy_of_a_text_that_is_a_choice():
    assert [value("acc", text, 1, ["A", "B"]) for text in ("A", "B", "b", "")] == [0.0, 1.0, 0.0, 0.0]
    assert value("acc", "B", [0, 1], ["A", "B"]) == 1.0


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
    with pytest.raises(TaskError, match="process_results"):
        find_metric("acc_all")


def test_the_mean_leaves_missing_values_out_and_counts_them():
    column = Column()
    column.extend([1.0, None, 0.0, 1.0, math.nan], "abcde")
    estimate = find_aggregation("mean")(column)
    assert (estimate.value, estimate.n, estimate.missing) == (pytest.approx(2 / 3), 3, 2)
