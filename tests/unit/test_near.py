"""Near names and shortened lists, as messages say them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.near import did_you_mean, listed, nearest, or_meant, path_meant


def test_the_likest_name_is_meant_and_an_unlike_one_is_not() -> None:
    known = ("temperature", "top_p", "top_k")
    assert nearest("top_q", known, 2) == ["top_p", "top_k"]
    assert did_you_mean("temprature", known) == "Did you mean temperature?"
    assert did_you_mean("x", known, "Known: all") == "Known: all"
    assert or_meant("temprature", known, "unused") == "; did you mean temperature?"
    assert (or_meant("x", known), or_meant("x", known, "there are three")) == ("", "; there are three")


def test_a_path_is_held_against_what_is_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models" / "base").mkdir(parents=True)
    (tmp_path / "models" / "bas.txt").touch()
    base = tmp_path / "models" / "base"
    assert path_meant(tmp_path / "models" / "bas", Path.is_dir) == f"Did you mean {base}?"
    assert path_meant(tmp_path / "modles" / "bas") == f"Did you mean {tmp_path / 'models'}?"
    assert path_meant(tmp_path / "x" / "y") == f"There is no x in {tmp_path}."
    monkeypatch.chdir(tmp_path)
    assert path_meant(Path("q/y")) == f"There is no q in {tmp_path}."
    assert path_meant(Path("/nowhere/at/all")) == "There is no nowhere in /."


def test_a_long_list_ends_with_how_many_more_there_are() -> None:
    assert (listed([]), listed(["a", 2], 2), listed(list("abc"), 2)) == ("", "a, 2", "a, b and 1 more")
