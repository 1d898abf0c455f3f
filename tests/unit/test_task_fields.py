"""How a task reads questions, targets and choices out of its documents."""

from __future__ import annotations

import pytest

from tasks.document_fields import QuestionField, TargetField


@pytest.mark.parametrize(
    ("text", "read"), [("1", 1), ("007", 7), ("²", "²"), ("٣", "٣"), ("-1", "-1"), ("1.0", "1.0"), ("", "")]
)
def test_only_the_digits_0_to_9_are_an_index(text: str, read: int | str) -> None:
    assert TargetField("{{a}}", "x.yaml:1", False, True).target({"a": text}, "document 0") == read
    assert QuestionField("{{a}}", "x.yaml:1", False, True).question({"a": text}, "document 0") == read
    assert TargetField("{{a}}", "x.yaml:1", False, False).target({"a": text}, "document 0") == text
