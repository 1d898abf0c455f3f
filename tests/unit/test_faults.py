"""What went wrong with rows, counted and told: by reason, by task and model, the commonest first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import in_short
from pipeline.rows import ErrorRecord
from reports.faults import Lost, causes, fault_lines, listed, lost_sentences, totals
from reports.run_results import Faults, Reason
from reports.table import faults_markdown
from steps.step4_faults import FaultCount


@dataclass
class Row:
    values: dict[str, Any] = field(default_factory=lambda: {"f1": 1.0})
    flags: dict[str, Any] = field(default_factory=dict)
    error: ErrorRecord | None = None
    status: Any = "ok"


def failed(reason: str, metric: str = "f1") -> Row:
    return Row({metric: None}, {"metric_errors": {metric: reason}})


def error(message: str, kind: str = "ContextTooLong") -> Row:
    return Row({}, {}, ErrorRecord(type=kind, message=message), "error")


def counted(**rows_by_filter: list[Row]) -> Faults:
    count = FaultCount()
    for name, rows in rows_by_filter.items():
        count.add(name, rows[:1])
        count.add(name, rows[1:])
    return count.faults("base", "mine")


def test_a_metric_that_fails_on_some_rows_has_the_commonest_reason_and_is_not_lost() -> None:
    found = counted(none=[failed("KeyError: 'b'"), Row(), failed("KeyError: 'a'"), failed("KeyError: 'a'")])
    assert (found.documents, found.missing, found.errors, found.lost) == (4, 3, 0, {})
    assert found.reasons == [Reason("f1 failed: KeyError", 3, "'a'", alike=False)]


def test_values_that_are_no_number_are_missing() -> None:
    values = [Row({"f1": value, "acc": 1.0}) for value in (None, {"$float": "nan"}, {"$float": "inf"}, 0, [0.0])]
    assert counted(none=values).missing == 2


def test_a_metric_that_fails_on_every_row_without_an_error_is_lost() -> None:
    found = counted(none=[error("too long"), failed("its model gave no answer"), failed("its model gave no answer")])
    assert found.lost == {"f1": "its model gave no answer"}
    assert found.reasons == [
        Reason("f1 failed: its model gave no answer", 2, ""),
        Reason("ContextTooLong", 1, "too long"),
    ]
    assert counted(none=[error("too long")]).lost == {}


def test_of_several_filters_a_metric_must_fail_under_all() -> None:
    bad = [failed("ValueError: no list"), failed("ValueError: no list")]
    assert counted(strict=bad, loose=[Row(), Row()]).lost == {}
    both = counted(strict=bad, loose=bad)
    assert both.lost == {"f1": "ValueError: no list"}
    assert (both.documents, both.missing) == (2, 4)


def test_a_million_different_messages_are_counted_and_not_kept() -> None:
    found = counted(none=[*[error(f"document {number}") for number in range(3000)], *[error("document 0")] * 5])
    assert found.reasons == [Reason("ContextTooLong", 3005, "document 0", alike=False)]


def test_lines_are_sorted_by_what_the_figures_lack() -> None:
    faults = [
        Faults("base", "cut", 10, truncated=9, cut=9, parse_failed={"strict": 9}),
        Faults("base", "whole", 10, missing=20, reasons=[Reason("f1 failed: KeyError", 10, "'a'")]),
        Faults("base", "fine", 10),
        Faults("base", "some", 10, errors=2, reasons=[Reason("ContextTooLong", 2, "so many", False)]),
    ]
    lines = fault_lines(faults)
    assert [line.task for line in lines] == ["whole", "some", "cut"]
    assert lines[0].reasons == ("10 × f1 failed: KeyError: 'a'",)
    assert lines[1].reasons == ("2 × ContextTooLong, such as: so many",)
    assert (lines[1].errors, lines[2].errors, lines[2].parse_failed) == ("2 (20%)", "", "9 (90%)")
    assert totals(faults) == "2 errors, 9 prompts truncated, 9 answers cut at the token limit, 9 answers not parsed, 20 missing values"  # fmt: skip


def test_causes_are_of_all_tasks_and_models() -> None:
    faults = [
        Faults(model, f"t{number}", 10, 2, reasons=[Reason("ContextTooLong", 2, f"{number}"), Reason("Odd", 1, "x")])
        for number in range(5)
        for model in ("base", "one")
    ]
    assert causes(faults) == [
        "20 × ContextTooLong, such as: 0 – t0, t1, t2 and 2 more tasks (models: base and one)",
        "10 × Odd: x – t0, t1, t2 and 2 more tasks (models: base and one)",
    ]


def test_sentences_join_the_tasks_of_one_failure() -> None:
    lost = [
        Lost("a", "base", "process_results", "KeyError: 'x'."),
        Lost("b", "base", "process_results", "KeyError: 'y'"),
        Lost("b", "base", "f1", "ValueError: no"),
    ]
    assert lost_sentences(lost) == [
        "process_results failed on every row of a and b (model: base): KeyError: 'x'",
        "f1 failed on every row of b (model: base): ValueError: no",
    ]


def test_names_are_listed_up_to_three() -> None:
    assert listed(["a"], "task") == "a"
    assert listed(["a", "b", "a"], "task") == "a and b"
    assert listed("abc", "task") == "a, b and c"
    assert listed("abcd", "task") == "a, b, c and 1 more task"


def test_markdown_has_what_the_figures_lack_and_says_how_much_is_left_out() -> None:
    assert faults_markdown([Faults("base", "cut", 10, cut=9)]) == ""
    faults = [Faults("base", f"t|{number}", 10, errors=1, reasons=[Reason("A", 1, "b|c")]) for number in range(23)]
    text = faults_markdown(faults)
    assert "| t\\|0  | base  | 1 × A: b\\|c |   10 | 1 (10%) |                |" in text
    assert text.endswith("\n\n3 further lines stand in report.html.")


def test_messages_of_other_people_s_code_become_one_line() -> None:
    message = "LookupError: \n*******\n  Resource \x1b[93mpunkt\x1b[0m not found.\n\n  Please:\n*******\n"
    assert in_short(message) == "LookupError: Resource punkt not found. Please:"
    assert in_short("x" * 500) == "x" * 198 + " …"
