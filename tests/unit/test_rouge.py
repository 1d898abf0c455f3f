"""ROUGE: its two definitions against the packages that they are named after, and its tokenizers."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import metrics  # noqa: F401  # registers them
from metrics.registry import MetricInput, find_metric
from metrics.rouge_overlap import chinese_rouge, standard_rouge
from metrics.tokenizers import characters, find_tokenizer, suitable_tokenizer, words
from pipeline.errors import MetricError, TaskError

PIECES = ["我", "工作", "吗", "。", "！", "？", "?", "”", "’", "，", "…", "……", "......", " ", "\n", "\r\n", "\u3000", "a", "b.", "。。x"]  # fmt: skip
TOKENS = st.lists(st.sampled_from(PIECES), max_size=14)


def rouge(response, target, **arguments):
    (values,) = find_metric("rouge", arguments).function([MetricInput(response=response, target=target)], **arguments)
    return values


@settings(max_examples=400, deadline=None)
@given(TOKENS, TOKENS)
@example(["我", "。", "\n", "\n", "我"], ["。", "\n", "\n"])
def test_variant_rouge_chinese_gives_the_values_of_that_package(response, target):
    from rouge_chinese import Rouge

    values = chinese_rouge(response, target)
    if not " ".join(response).split() or not " ".join(target).split():
        assert values == ((0.0, 0.0, 0.0),) * 3
        return
    (reference,) = Rouge().get_scores(" ".join(response), " ".join(target))
    expected = [tuple(round(reference[name][part] * 100, 4) for part in "fpr") for name in ("rouge-1", "rouge-2", "rouge-l")]  # fmt: skip
    assert list(values) == expected


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from("abcde"), max_size=14), st.lists(st.sampled_from("abcde"), max_size=14))
def test_variant_rouge_score_gives_the_values_of_that_package(response, target):
    from rouge_score.rouge_scorer import RougeScorer

    class Spaces:
        def tokenize(self, text):
            return text.split()

    reference = RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=Spaces()).score(
        " ".join(target), " ".join(response)
    )
    for value, name in zip(standard_rouge(response, target), ("rouge1", "rouge2", "rougeL"), strict=True):
        score = reference[name]
        assert value == pytest.approx((100 * score.fmeasure, 100 * score.precision, 100 * score.recall), abs=1e-12)


def test_where_the_two_definitions_part():
    # A repeated word counts twice in one, once in the other.
    assert standard_rouge(["a", "a", "b"], ["a", "c"])[0] == pytest.approx((40.0, 100 / 3, 50.0))
    assert chinese_rouge(["a", "a", "b"], ["a", "c"])[0] == (50.0, 50.0, 50.0)
    # Without repetition they agree to the four decimals of one of them.
    one, two = standard_rouge(list("abcd"), list("acde")), chinese_rouge(list("abcd"), list("acde"))
    for left, right in zip(one, two, strict=True):
        assert left == pytest.approx(right, abs=6e-5)


def test_values_are_percent_and_details_add_precision_and_recall():
    assert rouge("the cat", "The cat sat") == pytest.approx({"rouge-1": 80.0, "rouge-2": 200 / 3, "rouge-l": 80.0})
    detailed = rouge("the cat", "The cat sat", details=True)
    assert detailed["rouge-1-p"] == 100.0
    assert detailed["rouge-2-r"] == 50.0
    assert set(detailed) == set(find_metric("rouge").outputs)


def test_the_best_of_several_targets_counts_for_each_rouge():
    assert rouge("a b", ["b a", "a b c d"])["rouge-1"] == 100.0
    assert rouge("a b", ["b a", "a b c d"])["rouge-2"] == 50.0
    assert rouge("a", []) == {"rouge-1": None, "rouge-2": None, "rouge-l": None}


@pytest.mark.parametrize("arguments", [{"tokenizer": "jieba"}, {}, {"variant": "rouge_chinese", "tokenizer": "words"}])
def test_an_empty_side_scores_zero(arguments):
    for response, target in [("", "字"), ("字", ""), (" \n", "字"), ("", "")]:
        assert set(rouge(response, target, **arguments).values()) == {0.0}


def test_the_default_variant_goes_with_the_tokenizer():
    twice, once = "我 我", "我"
    assert rouge(twice, once, tokenizer="jieba")["rouge-1"] == 100.0
    assert rouge(twice, once, tokenizer="jieba", variant="rouge_score")["rouge-1"] == pytest.approx(200 / 3)
    assert rouge(twice, once, tokenizer="characters")["rouge-1"] == pytest.approx(200 / 3)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Plain words", "words"),
        ("Привет, мир", "words"),
        ("안녕하세요 세계", "words"),
        ("我工作一年。", "jieba"),
        ("仕事をしています", "characters"),
        ("สวัสดี", "characters"),
        ("", "words"),
    ],
)
def test_auto_goes_by_the_script_of_the_target(text, name):
    assert suitable_tokenizer(text) == name
    assert rouge(text, text)["rouge-1"] == (100.0 if text else 0.0)


def test_words_are_words_in_every_script():
    assert words("Don't STOP, naïve Straße_1!") == ["don", "t", "stop", "naïve", "strasse_1"]
    assert words("नमस्ते दुनिया") == ["नमस्ते", "दुनिया"]
    assert words("e\u0301te\u0301 à") == ["e\u0301te\u0301", "à"]
    assert characters("a \u3000字\n") == ["a", "字"]


def test_jieba_says_nothing_and_is_not_loaded_before_it_is_needed(capfd, caplog):
    with caplog.at_level(logging.DEBUG):
        assert find_tokenizer("jieba")("我来到北京") == ["我", "来到", "北京"]
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    assert "jieba" in sys.modules


def test_importing_the_metrics_loads_no_heavy_package():
    code = "import sys, metrics; print(sorted({'jieba', 'scipy', 'rouge_score', 'pandas', 'torch'} & set(sys.modules)))"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_wrong_settings_are_errors_that_name_the_right_ones():
    with pytest.raises(TaskError, match="jieba, characters, words, auto"):
        rouge("a", "a", tokenizer="char")
    with pytest.raises(TaskError, match="rouge_chinese, rouge_score"):
        rouge("a", "a", variant="rouge")
    with pytest.raises(MetricError, match="take_first"):
        rouge(["a", "b"], "a")
