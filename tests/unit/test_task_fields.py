"""How a task reads questions, targets and choices out of its documents."""

from __future__ import annotations

import pytest

from pipeline.errors import TaskError
from tasks.document_fields import QuestionField, TargetField


@pytest.mark.parametrize(
    ("text", "read"), [("1", 1), ("007", 7), ("²", "²"), ("٣", "٣"), ("-1", "-1"), ("1.0", "1.0"), ("", "")]
)
def test_only_the_digits_0_to_9_are_an_index(text: str, read: int | str) -> None:
    assert TargetField("{{a}}", "x.yaml:1", False, True).target({"a": text}, "document 0") == read
    assert QuestionField("{{a}}", "x.yaml:1", False, True).question({"a": text}, "document 0") == read
    assert TargetField("{{a}}", "x.yaml:1", False, False).target({"a": text}, "document 0") == text


def test_a_document_may_keep_its_right_answer_to_itself(capsys: pytest.CaptureFixture[str]) -> None:
    text, index = (TargetField("a", "untold.yaml:7", False, has_choices) for has_choices in (False, True))
    for number in range(2):
        assert text.target({"a": None}, f"document {number}") is None
        assert index.target({"a": None}, f"document {number}") is None
    said = capsys.readouterr().err
    assert said.count("untold.yaml:7: document 0 has no right answer") == 1  # warnings of one text are said once
    assert "document 1" not in said
    with pytest.raises(TaskError, match=r"untold\.yaml:7: .*gives \{'b': 1\}, on document 0"):
        text.target({"a": {"b": 1}}, "document 0")
