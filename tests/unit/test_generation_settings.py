"""Generation settings from several sources: the later wins, names of other tools are understood, faults are named."""

import pytest

from models.generation import effective_generation
from pipeline.errors import InputError


def effective(*sources):
    return effective_generation([(f"source {number}", source) for number, source in enumerate(sources)])


@pytest.mark.parametrize(
    ("sources", "temperature"),
    [
        ([], 0.0),
        ([{"do_sample": True}], 1.0),
        ([{"temperature": 0.7}], 0.7),
        ([{"temperature": 0.7}, {"do_sample": True}], 0.7),
        ([{"temperature": 0.7}, {"do_sample": False}], 0.0),
        ([{"do_sample": False, "temperature": 0.7}], 0.0),
        ([{"do_sample": False, "temperature": 0.0}, {"temperature": 1.0}], 1.0),
        ([{"do_sample": False, "temperature": 0.6}, {"do_sample": True}], 0.6),
        ([{"do_sample": False, "temperature": 0.6}, {"until": ["x"]}], 0.0),
    ],
)
def test_sampling_or_greedy(sources, temperature):
    settings = effective(*sources)
    assert settings.temperature == temperature
    assert settings.greedy == (temperature == 0)


def test_what_only_samples_follow_is_no_part_of_greedy_settings():
    drawing = {"top_k": 50, "top_p": 0.9, "min_p": 0.1, "repetition_penalty": 1.1}
    assert effective(drawing) == effective({"repetition_penalty": 1.1})
    sampled = effective(drawing, {"temperature": 0.2})
    assert (sampled.top_k, sampled.top_p, sampled.min_p) == (50, 0.9, 0.1)


def test_one_beam_is_no_beam_search():
    assert effective({"num_beams": 1}) == effective({})
    with pytest.raises(InputError, match="'num_beams' is 10: there is no beam search"):
        effective({"num_beams": 10})


def test_synonyms_and_the_later_source():
    settings = effective({"max_new_tokens": 10, "until": "\n"}, {"max_tokens": 20, "stop": ["a", "b"]})
    assert (settings.max_gen_toks, settings.until) == (20, ("a", "b"))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"temperatur": 1}, "there is no generation setting 'temperatur'"),
        ({"do_sample": "yes"}, "do_sample is 'yes': true or false"),
        ({"temperature": -1}, "temperature is out of range"),
        ({"top_p": 0}, "top_p is out of range"),
        ({"max_gen_toks": "many"}, "max_gen_toks"),
    ],
)
def test_faults_are_named(source, message):
    with pytest.raises(InputError, match=message):
        effective(source)
