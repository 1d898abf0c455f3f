"""Few-shot samplers: the harness's draws, and never the question itself."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from pipeline.errors import TaskError
from tasks.fewshot import FirstSampler, RandomSampler

POOL = [{"n": number} for number in range(20)]


def test_a_pool_apart_is_drawn_from_by_one_generator() -> None:
    sampler, reference = RandomSampler(POOL, 3, 1234, "apart", ""), Random(1234)
    for question in ({"n": 0}, {"n": 1}, {"n": 2}):
        assert sampler.shots(question) == reference.sample(POOL, 3)


def test_from_the_evaluated_split_one_more_is_drawn_and_the_question_dropped() -> None:
    sampler, reference = RandomSampler(POOL, 5, 7, "drawn", ""), Random(7)
    dropped = 0
    for question in POOL * 3:
        drawn = reference.sample(POOL, 6)
        dropped += question in drawn
        assert sampler.shots(question) == [data for data in drawn if data != question][:5]
    assert dropped > 5


def test_copies_of_the_question_are_never_shown() -> None:
    pool = [{"n": number % 4} for number in range(12)]  # three of each
    sampler = RandomSampler(pool, 8, 1, "drawn", "")
    for question in pool:
        shots = sampler.shots(question)
        assert len(shots) == 8
        assert question not in shots


def test_where_the_harness_would_show_the_question_another_stands_in_its_place() -> None:
    sampler, reference = RandomSampler(POOL, 6, 3, "leaky", ""), Random(3)
    mended = 0
    for question in POOL:
        drawn, shots = reference.sample(POOL, 6), sampler.shots(question)
        assert question not in shots
        assert len({shot["n"] for shot in shots}) == 6
        kept: list[Any] = [one for one, two in zip(shots, drawn, strict=True) if one == two]
        assert len(kept) == 6 - (question in drawn)
        mended += question in drawn
    assert mended > 2


def test_the_first_examples_leave_the_question_out() -> None:
    sampler = FirstSampler(POOL, 3, "drawn", "")
    assert sampler.shots({"n": 1}) == [{"n": 0}, {"n": 2}, {"n": 3}]
    assert sampler.shots({"n": 9}) == POOL[:3]
    assert FirstSampler(POOL, 3, "apart", "").shots({"n": 1}) == POOL[:3]


def test_a_pool_that_is_too_small_is_said_before_anything_is_drawn() -> None:
    with pytest.raises(TaskError, match=r"task\.yaml:4: .* need 4 documents, and their split has 3"):
        RandomSampler(POOL[:3], 4, 0, "apart", "task.yaml:4")
    with pytest.raises(TaskError, match="need 4 documents, and their split has 3"):
        RandomSampler(POOL[:3], 3, 0, "drawn", "")
