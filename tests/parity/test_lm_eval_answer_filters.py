"""Filters of the harness's names against lm_eval's own, on generated responses."""

from __future__ import annotations

import random

import pytest

import filters  # noqa: F401  # registers them
from filters.registry import build_filter

registry = pytest.importorskip("lm_eval.api.registry")

PIECES = [
    "Answer: ",
    "(A)",
    "(B)",
    "C",
    "the cat",
    "The Cat",
    "a dog",
    "cat",
    "!",
    "。",
    ", ",
    "\n",
    " ",
    ":B",
    "#### 4",
]
CHOICES = [["cat", "the cat", "a dog!"], ["(A)", "B", " C "], ["x"], ["", "y"]]


def responses(count, seed=3):
    generator = random.Random(seed)
    return ["".join(generator.choices(PIECES, k=generator.randrange(7))) for _ in range(count)]


def reference(name, arguments, samples, documents):
    import lm_eval.filters  # noqa: F401  # registers them

    return [
        list(value) if isinstance(value, list) else value
        for value in registry.get_filter(name)(**arguments).apply(samples, documents)
    ]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("lowercase", {}),
        ("uppercase", {}),
        ("remove_whitespace", {}),
        ("majority_vote", {}),
        ("take_first_k", {"k": 2}),
        ("map", {"mapping_dict": {"cat": 1, "(A)": "A", "": None}, "default_value": "other"}),
        ("map", {}),
    ],
)
def test_values_are_the_harness_s(name, arguments):
    texts = responses(600)
    samples = [texts[start : start + 3] for start in range(0, 600, 3)]
    samples += [["cat", "(A)", "cat"], ["b", "a", "a"], ["a", "b", "c"]]
    own = build_filter(name, arguments)
    assert [own(sample, {}) for sample in samples] == reference(name, arguments, samples, [{}] * len(samples))


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"regex_pattern": r"(\([A-Z]\))", "group_select": -1},
        {"regex_pattern": r"(x)?(\([A-Z]\))?", "fallback": ""},
        {"regex_pattern": r"(\([A-Z]\))", "ignore_case": True, "ignore_punctuation": True},
        {"ignore_punctuation": True, "regexes_to_ignore": ["the ", r"\s"]},
    ],
)
def test_multiple_choice_is_the_harness_s(arguments):
    texts = responses(1500)
    documents = [{"choices": CHOICES[number % len(CHOICES)]} for number in range(len(texts))]
    own = build_filter("multi_choice_regex", arguments)
    found = [own([text], document) for text, document in zip(texts, documents, strict=True)]
    assert found == reference("multi_choice_regex", arguments, [[text] for text in texts], documents)
    assert len({value for (value,) in found}) > 3
