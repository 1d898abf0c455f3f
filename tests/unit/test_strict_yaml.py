"""The YAML rules: what is a number, what stays text, where each value stands, and what is refused with its line."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError, InputError, Problem
from pipeline.strict_yaml import parse, read

DOCUMENT = """\
# a comment
shared: &shared
  temperature: 0
  top_p: 1.0
model: base
tasks:
  - gsm8k
  -
    name: blimp
    limit: 10
generation:
  <<: *shared
  top_p: 0.9
"""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("~", None),
        ("null", None),
        ("None", "None"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01 12:00:00", "2024-01-01 12:00:00"),
        ("0", 0),
        ("-3", -3),
        ("+4", 4),
        ("010", "010"),
        ("0x1f", "0x1f"),
        ("0b11", "0b11"),
        ("1_000", "1_000"),
        ("1e-5", 1e-5),
        ("1E5", 1e5),
        ("-.5", -0.5),
        ("1.", 1.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("=", "="),
        (".", "."),
        ("'1'", "1"),
        ('"true"', "true"),
        ("!!str 1", "1"),
        ("!!float 1", 1.0),
        ("", None),
    ],
)
def test_scalars(text: str, value: object) -> None:
    found = parse(f"key: {text}\n", "f").value["key"]
    assert found == value
    assert type(found) is type(value)


def test_nan() -> None:
    assert math.isnan(parse(".nan", "f").value)


def test_keys_follow_the_same_rules() -> None:
    assert list(parse("{no: 1, 1: 2, 1.5: 3, 010: 4, ~: 5}", "f").value) == ["no", 1, 1.5, "010", None]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 2),
        (("model",), 5),
        (("tasks", 0), 7),
        (("tasks", 1), 9),
        (("tasks", 1, "limit"), 10),
        (("tasks", 7), 6),
        (("tasks", 1, "absent"), 9),
        (("absent", "deeper"), 2),
        (("generation", "top_p"), 13),
        (("generation", "temperature"), 3),
        (("model", "beyond a scalar"), 5),
    ],
)
def test_lines(path: tuple[str | int, ...], line: int) -> None:
    located = parse(DOCUMENT, "f.yaml")
    assert located.line(path) == line
    assert located.where(path) == f"f.yaml:{line}"


def test_merge_keys_give_way_to_own_keys() -> None:
    assert parse(DOCUMENT, "f").value["generation"] == {"temperature": 0, "top_p": 0.9}
    assert parse("a: &a {x: 1}\nb: &b {x: 2, y: 3}\nc: {<<: [*a, *b]}", "f").value["c"] == {"x": 1, "y": 3}


def problems_of(text: str) -> list[tuple[str, str]]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "f")
    return [(problem.where, problem.message) for problem in caught.value.problems]


def test_repeated_keys_are_all_reported_with_both_lines() -> None:
    found = problems_of("a: 1\nb: {c: 1,\n    c: 2}\na: 3\n")
    assert [where for where, _ in found] == ["f:3", "f:4"]
    assert "'c' is already set on line 2" in found[0][1]
    assert "'a' is already set on line 1" in found[1][1]


def test_repeated_keys_can_be_taken_with_the_last_one_winning() -> None:
    seen: list[Problem] = []
    located = parse("a: 1\na: 2\n", "f", on_duplicate=seen.append)
    assert located.value == {"a": 2}
    assert located.line(("a",)) == 2
    assert [problem.where for problem in seen] == ["f:2"]


def test_a_key_that_repeats_a_merged_one_is_no_repetition() -> None:
    assert parse("a: &a {x: 1}\nb: {<<: *a, x: 2}", "f").value["b"] == {"x": 2}


@pytest.mark.parametrize(
    ("text", "where", "part"),
    [
        ("a: [1,\n  2\n", "f:1", "bracket"),
        ("a: 1\n\tb: 2", "f:2", "not tabs"),
        ("a: b: c", "f:1", "must be quoted"),
        ("x: 1\na: @b", "f:2", "must be quoted"),
        ("a: *b", "f:1", "begins with *"),
        ("a: 'x\nb: 2", "f:1", "never closed"),
        ("a: 1\n---\nb: 2", "f:2", "one document"),
        ("a: 1\nb: \x01", "f:2", "U+0001"),
        ("a: \ud800", "f:1", "U+D800"),
        ("a: !function utils.f", "f:1", "!function"),
        ("a: !!python/object/apply:os.system [ls]", "f:1", "!!python/object/apply:os.system"),
        ("a: {{question}}", "f:1", "must be quoted"),
        ("a: &a [*a]", "f:1", "holds itself"),
        ("a: !!int x", "f:1", "'x' cannot be read as int"),
        ("a: " + "1" * 5000, "f:1", "cannot be read as int"),
        ("a: 1\nb:\n  <<: 3", "f:3", "takes the name of a mapping"),
        ("[" * 100_000 + "]" * 100_000, "f:1", "levels deep"),
        ("- " * 100_000, "f:1", "levels deep"),
    ],
)
def test_what_is_refused(text: str, where: str, part: str) -> None:
    ((found_where, message),) = problems_of(text)
    assert found_where == where
    assert part in message


def test_long_flat_lists_are_not_taken_for_deep_ones() -> None:
    assert parse("- {a: [1]}\n" * 1000, "f").value == [{"a": [1]}] * 1000


def test_anchors_are_built_once_however_often_they_are_named() -> None:
    levels = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 30))
    value = parse(f"l0: &l0 [x]\n{levels}", "f").value
    assert value["l29"][0] is value["l29"][8]


def test_own_tags_get_content_and_line() -> None:
    located = parse("a: 1\nb: !function utils.f\n", "f", constructors={"!function": lambda text, line: (text, line)})
    assert located.value["b"] == ("utils.f", 2)


def test_files(tmp_path: Path) -> None:
    good = tmp_path / "good.yaml"
    good.write_bytes("\ufeffname: Größe\r\nnext: 2\r\n".encode())
    assert read(good).value == {"name": "Größe", "next": 2}
    assert read(good).where(("next",)) == f"{good}:2"
    with pytest.raises(InputError, match=r"none\.yaml: no such file"):
        read(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="folder"):
        read(tmp_path)
    bad = tmp_path / "bad.yaml"
    bad.write_bytes("a: 1\nb: é\n".encode("latin-1"))
    with pytest.raises(ConfigError) as caught:
        read(bad)
    assert caught.value.problems[0].where == f"{bad}:2"
    assert "UTF-8" in caught.value.problems[0].message


# PyYAML writes a text such as 1e5 without quotes, since to itself that is no number; here it is one.
texts = st.text().filter(lambda text: not re.fullmatch(r"[-+]?[0-9_.]+[eE][-+]?[0-9]+", text))
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(plain)
def test_what_pyyaml_writes_is_read_back(value: object) -> None:
    assert parse(yaml.safe_dump(value), "f").value == value
