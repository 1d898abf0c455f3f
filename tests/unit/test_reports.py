"""What people read: the order and text of tables, and files that programs read back."""

from __future__ import annotations

import csv
import io
import json
import math
import re

import pytest

from pipeline.rows import AggregateRow, restore
from reports.csv_file import results_csv
from reports.json_file import all_results_json, task_results_json
from reports.layout import decimals_for, figure_text, lay_out
from reports.log_file import task_results_log
from reports.run_results import Comparison
from reports.table import results_markdown
from reports.terminal import results_text
from reports.width import display_width, padded


def row(model="base", task="gsm8k", metric="exact_match", **fields):
    defaults = {"filter": "none", "value": 0.5, "n": 100, "se": 0.05, "higher_is_better": True}
    return AggregateRow(model=model, task=task, metric=metric, **{**defaults, **fields})


TWO_MODELS = [row(value=0.724, se=0.0123), row("tuned", value=0.75, se=0.0119, errors=2, missing=1)]


def table_lines(text):
    """The cells of each line of the first table, without the rule."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in [lines[0], *lines[2:]]]


def test_one_line_a_figure_one_column_a_model_the_best_bold():
    head, line = table_lines(results_markdown(TWO_MODELS))
    assert head == ["Task", "Metric", "Filter", "n", "base", "tuned"]
    assert line == ["gsm8k", "exact_match ↑", "none", "100", "0.724 ± 0.012", "**0.750 ± 0.012 (2 errors, 1 missing)**"]


def test_lower_is_better_bears_its_arrow_and_its_best():
    _, line = table_lines(
        results_markdown(
            [row(value=9.0, se=None, higher_is_better=False), row("b", value=12.0, se=None, higher_is_better=False)]
        )
    )
    assert line[1] == "exact_match ↓"
    assert line[4:] == ["**9.00**", "12.00"]


@pytest.mark.parametrize(
    "rows",
    [
        [row()],
        [row(), row("b")],
        [row(higher_is_better=None), row("b", value=0.1, higher_is_better=None)],
        [row(), row("b", value=None)],
    ],
)
def test_nothing_is_bold_where_nothing_is_better(rows):
    assert "**" not in results_markdown(rows)


def test_groups_come_first_with_their_members_under_them():
    rows = [row(task=task) for task in ("alone", "b", "a", "inner", "top", "c")]
    lines = table_lines(results_markdown(rows, {"inner": ["a", "b"], "top": ["c", "inner"]}))[1:]
    assert [line[0] for line in lines] == ["top", "- c", "- inner", "- - a", "- - b", "alone"]


def test_a_group_without_figures_indents_nothing_and_a_circle_ends():
    rows = [row(task="a"), row(task="b")]
    assert [line.task for line in lay_out(rows, {"g": ["a", "b"]}).lines] == ["a", "b"]
    assert {line.depth for line in lay_out(rows, {"g": ["a", "b"]}).lines} == {0}
    assert [line.task for line in lay_out(rows, {"a": ["b", "a"]}).lines] == ["a", "b"]


def test_different_sizes_stand_in_the_cells():
    _, line = table_lines(results_markdown([row(), row("b", n=98, value=0.4)]))
    assert line[3:] == ["", "**0.500 ± 0.050 (n = 100)**", "0.400 ± 0.050 (n = 98)"]


def test_a_model_that_lacks_a_task_has_an_empty_cell_and_no_value_is_a_dash():
    lines = table_lines(results_markdown([row(), row("b", task="other", value=None, se=None, n=0)]))
    assert lines[1][4:] == ["0.500 ± 0.050", ""]
    assert lines[2][3:] == ["0", "", "–"]


def test_shots_have_a_column_where_known():
    head, line = table_lines(results_markdown([row(num_fewshot=5)]))
    assert (head[3], line[3]) == ("Shots", "5")
    assert "Shots" not in results_markdown([row()])


def test_slices_have_a_table_of_their_own():
    text = results_markdown([row(), row(slice="subject=law", value=0.25)])
    whole, parts = text.split("## By slice")
    assert "law" not in whole
    assert table_lines(parts)[1][0] == "gsm8k: subject=law"
    assert "By slice" not in results_markdown([row()])


def test_names_cannot_break_the_table():
    text = results_markdown([row(task="a|b*c", model="<m>\n|x", filter="`f`")])
    assert len({line.count("|") - line.count("\\|") for line in text.splitlines() if line.startswith("|")}) == 1
    assert r"a\|b\*c" in text


def test_no_results_is_said():
    assert "There are no results: nothing was scored." in results_markdown([])
    assert results_text([]).startswith("There are no results: nothing was scored.")


@pytest.mark.parametrize(
    ("value", "se", "decimals"),
    [(0.7, 0.0123, 3), (0.7, 0.00047, 5), (0.7, 1e-9, 6), (71.2, 10.5, 2), (71.2, 0.05, 3), (0.0, None, 3), (0.5, 0.0, 3), (math.nan, math.nan, 3)],
)  # fmt: skip
def test_decimals_keep_two_digits_of_the_error(value, se, decimals):
    assert decimals_for([row(value=value, se=se)]) == decimals


def test_figures_read_as_they_are():
    assert figure_text(row(value=math.nan, se=None), 3) == "nan"
    assert figure_text(row(value={"$float": "inf"}, se=None), 3) == "inf"
    assert figure_text(row(value=None, se=None, errors=1), 3) == "– (1 error)"
    assert figure_text(row(value=45.12345, se=1.5), 2) == "45.12 ± 1.50"


def test_columns_line_up_with_wide_characters():
    text = results_text([row(task="中文任务"), row(task="en"), row("模型", task="en", value=0.9)])
    lines = text.splitlines()
    assert display_width(lines[0].split("Metric")[0]) == display_width(lines[2].split("exact_match")[0])
    assert display_width(lines[0].split("Metric")[0]) == display_width(lines[3].split("exact_match")[0])
    assert lines[3].endswith("0.900 ± 0.050 *")
    assert "\x1b" not in text


def test_width_counts_terminal_columns():
    assert [display_width(text) for text in ("abc", "中a", "e\u0301", "ｱ", "")] == [3, 3, 1, 1, 0]
    assert padded("中", 4) == "中  "
    assert padded("中", 4, right=True) == "  中"
    assert padded("long", 2) == "long"


def test_the_terminal_s_table_shows_every_figure_and_keeps_brackets():
    text = results_text([*TWO_MODELS, row(task="[bold]x[/bold]")], color=True, width=140)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert text != plain
    assert "0.724 ± 0.012" in plain
    assert "[bold]x[/bold]" in plain
    assert max(display_width(line) for line in plain.splitlines()) <= 140


def test_csv_holds_every_field_and_reads_back():
    rows = [
        row(slice='a="b", c\nd', value=1 / 3, low=None, errors=2),
        row(value=math.inf, higher_is_better=None),
        row(value=[1, 2]),
    ]
    text = results_csv(rows)
    read = list(csv.DictReader(io.StringIO(text, newline="")))
    assert list(read[0]) == list(AggregateRow.__struct_fields__)
    assert read[0]["slice"] == 'a="b", c\nd'
    assert float(read[0]["value"]) == 1 / 3
    assert (read[0]["low"], read[0]["higher_is_better"], read[0]["errors"]) == ("", "true", "2")
    assert (read[1]["value"], read[1]["higher_is_better"]) == ("inf", "")
    assert json.loads(read[2]["value"]) == [1, 2]
    assert text.count("\r\n") == 4


def test_json_finds_a_figure_by_model_task_metric_and_filter():
    text = all_results_json([row(slice="subject=中", value=0.25), row(value=1 / 3), row("b", value=math.nan)])
    results = json.loads(text)
    figure = results["base"]["gsm8k"]["exact_match,none"]
    assert figure["value"] == 1 / 3
    assert figure["slices"]["subject=中"]["value"] == 0.25
    assert list(figure)[-1] == "slices"
    assert math.isnan(restore(results["b"]["gsm8k"]["exact_match,none"]["value"]))
    assert "subject=中" in text
    assert text.endswith("}\n")


def test_json_holds_every_field_that_its_place_does_not_name():
    figure = json.loads(task_results_json([row()]))["exact_match,none"]
    assert set(figure) | {"model", "task", "metric", "filter", "slice"} == set(AggregateRow.__struct_fields__)


def test_log_lines_name_value_interval_and_size():
    text = task_results_log([row(low=0.4, high=0.6, method="wilson", errors=1), row(metric="f1", slice="a=b", se=None)])
    assert text.splitlines() == [
        "exact_match,none: 0.500 ± 0.050 (1 error) [0.400, 0.600] wilson, n = 100",
        "     f1,none a=b: 0.500 n = 100",
    ]
    assert task_results_log([]) == ""


def compared(value, low, high, model="tuned"):
    return Comparison(model, "gsm8k", "exact_match", "none", value=value, n=100, se=0.01, low=low, high=high)


@pytest.mark.parametrize(
    ("low", "high", "higher", "mark"),
    [(0.01, 0.05, True, "▲"), (-0.01, 0.05, True, "≈"), (0.01, 0.05, False, "▼"), (0.01, 0.05, None, "Δ")],
)
def test_differences_stand_in_the_cells_with_what_their_interval_says(low, high, higher, mark):
    rows = [row(higher_is_better=higher), row("tuned", value=0.53, higher_is_better=higher)]
    text = results_markdown(rows, comparisons=[compared(0.03, low, high)], baseline="base")
    _, line = table_lines(text)
    assert line[4].strip("*") == "0.500 ± 0.050"
    assert line[5].strip("*") == f"0.530 ± 0.050, {mark} +0.030 ± 0.010"
    assert "difference to base on the same documents" in text
    plain = results_text(rows, comparisons=[compared(0.03, low, high)]).splitlines()[2]
    assert (f"0.530 ± 0.050 {mark}" in plain) == (higher is not None)


def test_a_difference_of_nothing_has_no_sign_and_none_at_all_no_text():
    rows = [row(), row("tuned")]
    _, line = table_lines(results_markdown(rows, comparisons=[compared(-0.0001, -0.1, 0.1)]))
    assert line[5] == "0.500 ± 0.050, ≈ 0.000 ± 0.010"
    _, line = table_lines(results_markdown(rows, comparisons=[compared(None, None, None)]))
    assert line[5] == "0.500 ± 0.050"


def test_json_holds_the_difference_beside_the_figure():
    results = json.loads(all_results_json([row(), row("tuned")], [compared(0.03, 0.01, 0.05)], "base"))
    difference = results["tuned"]["gsm8k"]["exact_match,none"]["difference"]
    assert (difference["baseline"], difference["value"], difference["low"], difference["n"]) == (
        "base",
        0.03,
        0.01,
        100,
    )
    assert "difference" not in results["base"]["gsm8k"]["exact_match,none"]
