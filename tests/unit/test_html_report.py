"""The HTML report, read by a parser: its numbers, its drawings, its sentences; nothing loaded, nothing injected."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from pipeline.rows import AggregateRow
from reports.headlines import headlines
from reports.html import report_html
from reports.run_results import Comparison, Distribution, Faults, Reason, ReportedModel, RunResults, Spread
from reports.summary import summary_sentences
from reports.svg import Scale, tick_text, ticks

EVIL = "<b>x</b>\"&'"
VOID = {"meta", "link", "br", "img", "wbr", "hr", "input"}


class Page(HTMLParser):
    """The cells of each table row, the texts by element, all attributes; fails where elements do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attributes]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in VOID:
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        for tag in set(self.open):
            self.texts[tag][-1] += data
        if self.open and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data if self.open[-1] != "small" else f" [{data}]"


def row(model, task="add", value=0.5, **fields):
    given = {"metric": "acc", "filter": "none", "n": 100, "se": 0.02, "low": value - 0.04, "high": value + 0.04}
    return AggregateRow(model=model, task=task, value=value, higher_is_better=True, **{**given, **fields})


def compared(model, value, task="add", half=0.05, **fields):
    given = {"metric": "acc", "filter": "none", "n": 100, "se": half / 2, "low": value - half, "high": value + half}
    return Comparison(model, task, value=value, **{**given, **fields})


def run(**changes):
    """A base and two checkpoints: one task gained, one lost."""
    given = {
        "title": "my run",
        "created": "2025-01-02T03:04:05+00:00",
        "models": [ReportedModel("base"), ReportedModel("one", 100, "sft"), ReportedModel("two", 200, "sft")],
        "rows": [
            row("base", value=0.4),
            row("one", value=0.6),
            row("two", value=0.8, errors=3),
            *(row(model, "keep", value) for model, value in (("base", 0.9), ("one", 0.88), ("two", 0.7))),
        ],
        "primary": {"add": "acc", "keep": "acc"},
        "baseline": "base",
        "comparisons": [
            compared("one", 0.2),
            compared("two", 0.4),
            compared("one", -0.02, "keep"),
            compared("two", -0.2, "keep"),
        ],
    }
    return RunResults(**(given | changes))


def renamed(name):
    """The run with `name` for its title, a model, a task, a metric, a filter and an error."""
    figures = [row(model, name, metric=name, filter=name) for model in ("base", name)]
    return run(
        title=name,
        models=[ReportedModel("base"), ReportedModel(name, 7, name)],
        rows=[*figures, row(name, name, metric=name, filter=name, slice=f"{name}=1")],
        primary={name: name},
        comparisons=[compared(name, 0.2, name, metric=name, filter=name)],
        distributions=[Distribution(name, name, (0.0, 0.5, 1.0), {name: Spread(2, 0.5, (0.0,) * 5, (1, 1))})],
        faults=[Faults(name, name, 9, 1, parse_failed={name: 2, "b": 1}, reasons=[Reason(name, 1, name)])],
    )


def test_the_main_table_has_a_row_a_task_and_a_column_a_model():
    page = Page(report_html(run()))
    assert page.rows[0] == ["Task", "n", "base [baseline]", "one", "two"]
    assert page.rows[1] == [
        "add [acc ↑]",
        "100",
        "0.400 ± 0.020",
        "0.600 ± 0.020 [▲ +0.200 ± 0.025]",
        "0.800 ± 0.020 [3 errors] [▲ +0.400 ± 0.025]",
    ]
    assert page.rows[2][3:] == ["0.880 ± 0.020 [≈ −0.020 ± 0.025]", "0.700 ± 0.020 [▼ −0.200 ± 0.025]"]
    assert page.texts["b"][:2] == ["0.800 ± 0.020", "0.900 ± 0.020"]


def test_a_table_of_main_metrics_says_that_there_are_others():
    others = [row(model, metric="f1") for model in ("base", "one", "two")]
    note = "Each task or group stands here by its main metric"
    assert note in report_html(run(rows=[*run().rows, *others]))
    assert note not in report_html(run())


def test_the_summary_says_what_was_gained_and_what_it_cost():
    results = run()
    assert summary_sentences(results, headlines(results)) == [
        "On add (acc), two is clearly better than base: 0.800 against 0.400 (+0.400 ± 0.025).",
        "On keep (acc), no checkpoint is clearly better than base, and two is clearly worse: "
        "0.700 against 0.900 (−0.200 ± 0.025).",
        "The price: two has clearly lost on keep, 0.700 against 0.900 (−0.200 ± 0.025).",
        "Without a clear loss: one, which gains on add: 0.600 against 0.400 (+0.200 ± 0.025).",
    ]


def test_the_summary_says_what_the_figures_lack():
    faults = [Faults("base", "add", 100), Faults("two", "add", 100, errors=3, truncated=40)]
    results = run(faults=faults)
    assert summary_sentences(results, headlines(results))[-2:] == [
        "3 of 200 rows of answers ended in errors and are left out of the figures.",
        "40 of 200 rows of answers had prompts too long for the model, which were cut.",
    ]


def test_a_lower_error_is_a_gain():
    rows = [
        AggregateRow(model=model, task="add", metric="ter", filter="none", value=value, n=10, higher_is_better=False)
        for model, value in (("base", 90.0), ("one", 70.0))
    ]
    results = run(rows=rows, primary={"add": "ter"}, comparisons=[compared("one", -20.0, metric="ter")])
    (first, *_) = summary_sentences(results, headlines(results))
    assert first.startswith("On add (ter), one is clearly better than base: 70.00 against 90.00")
    assert "▲ −20.00" in report_html(results)


@pytest.mark.parametrize(
    ("differences", "sentence"),
    [
        ([compared("one", 0.01), compared("two", -0.01)], "On add (acc), no difference to base is larger than chance explains."),
        ([compared("one", -0.1), compared("two", -0.2)], "On add (acc), every checkpoint is clearly worse than base; two: 0.800 against 0.400 (−0.200 ± 0.025)."),
        ([compared("two", -0.2)], "On add (acc), two is clearly worse than base; two: 0.800 against 0.400 (−0.200 ± 0.025)."),
    ],
)  # fmt: skip
def test_words_follow_the_intervals(differences, sentence):
    results = run(comparisons=differences)
    assert summary_sentences(results, headlines(results)) == [sentence]


def test_a_run_of_one_model_gives_its_figures():
    results = run(models=[ReportedModel("base")], rows=[row("base", value=0.4)], baseline=None, comparisons=[])
    assert summary_sentences(results, headlines(results)) == ["add (acc): base 0.400 ± 0.020."]
    page = Page(report_html(results))
    assert "svg" not in page.tags
    assert "baseline" not in page.texts["body"][0]


def test_groups_stand_for_their_members_and_groups_without_a_figure_do_not():
    rows = [row("base", task) for task in ("g", "a", "b", "c", "d")]
    results = run(rows=rows, groups={"g": ["a", "b"], "empty": ["c", "d"]}, primary={}, comparisons=[])
    assert [line.task for line in headlines(results)] == ["g", "c", "d"]
    page = Page(report_html(results))
    assert [cells[0] for cells in page.rows[1:4]] == ["g [acc ↑]", "c [acc ↑]", "d [acc ↑]"]
    assert [cells[0] for cells in page.rows[5:10]] == ["g", "a", "b", "c", "d"]


def test_a_learning_curve_has_a_point_a_checkpoint_and_the_base_as_a_line():
    page = Page(report_html(run()))
    assert page.tags.count("svg") == 2
    assert page.tags.count("circle") == 4
    assert page.tags.count("polyline") == 2
    titles = page.texts["title"]
    assert "one, step 100: 0.600 ± 0.020 (n = 100)" in titles
    assert titles.count("base: 0.400 ± 0.020 (n = 100)") == 2  # its band and its line
    rising, falling = (value for name, value in page.attributes if name == "points")
    assert rises(rising)
    assert not rises(falling)


def rises(points):
    """Whether the last point stands higher on the page than the first."""
    heights = [float(point.split(",")[1]) for point in points.split(" ")]
    return heights[-1] < heights[0]


def test_trainings_have_lines_of_their_own():
    models = [ReportedModel("base"), ReportedModel("one", 100, "out/sft"), ReportedModel("two", 100, "out/dpo")]
    page = Page(report_html(run(models=models)))
    assert page.tags.count("polyline") == 4
    assert "sft" in page.texts["body"][0]
    assert "dpo" in page.texts["body"][0]


def test_a_distribution_is_drawn_with_its_quantiles():
    spreads = {"base": Spread(4, 0.5, (0.1, 0.2, 0.5, 0.7, 0.9), (3, 1)), "one": Spread(2, 0.25, (0.1,) * 5, (2, 0))}
    page = Page(report_html(run(distributions=[Distribution("chat", "semantic_similarity", (0.0, 0.5, 1.0), spreads)])))
    assert ["base", "4", "0.500", "0.100", "0.200", "0.500", "0.700", "0.900"] in page.rows
    assert "0 to 0.5: 3 of 4 (75.0%)" in page.texts["title"]
    assert page.tags.count("svg") == 4


def test_faults_are_listed_and_none_are_said():
    faults = [
        Faults("base", "add", 100),
        Faults("two", "add", 200, 3, 1, 50, 2, {"strict": 20, "loose": 5}, [Reason("TooLong", 3, "it is")]),
    ]
    page = Page(report_html(run(faults=faults)))
    assert ["add", "two", "200", "3 (2%)", "1 (0%)", "50 (25%)", "strict 20 (10%); loose 5 (2%)", "2"] in page.rows
    assert ["", "3 × TooLong: it is"] in page.rows
    assert "300 rows" in page.texts["body"][0]
    assert "answered in full" in report_html(run(faults=faults[:1]))


def test_a_long_table_of_faults_is_folded_under_what_is_common():
    reasons = [Reason("TooLong", 1, "it is"), Reason("f1 failed: KeyError", 2, "'x'")]
    faults = [Faults("two", f"t{number}", 10, 1, missing=2, reasons=reasons) for number in range(20)]
    few, many = (Page(report_html(run(faults=some))) for some in (faults[:3], faults))
    assert few.tags.count("details") == many.tags.count("details") - 1
    assert "40 × f1 failed: KeyError: 'x' – t0, t1, t2 and 17 more tasks (model: two)" in many.texts["li"]
    assert any(text.startswith("20 lines") for text in many.texts["summary"])
    assert ["t19", "two", "10", "1 (10%)", "", "", "", "2"] in many.rows
    assert not [text for text in few.texts["li"] if "×" in text]


def test_a_metric_that_valued_no_row_is_told_in_short():
    faults = [Faults("two", "add", 10, missing=10, lost={"f1": "KeyError: 'x'"})]
    assert (
        "f1 failed on every row of add (model: two): KeyError: 'x'."
        in Page(report_html(run(faults=faults))).texts["li"]
    )


def test_nothing_is_said_of_a_difference_where_no_row_has_a_value():
    def valueless(model):
        return AggregateRow(
            model=model, task="lost", metric="acc", filter="none", value=None, n=0, missing=9, higher_is_better=True
        )

    rows = [*run().rows, valueless("base"), valueless("one")]
    results = run(rows=rows, comparisons=[*run().comparisons, Comparison("one", "lost", "acc", "none", None)])
    assert not [sentence for sentence in summary_sentences(results, headlines(results)) if "lost (" in sentence]
    alone = run(rows=[row("base"), valueless("base")], baseline=None, comparisons=[])
    assert summary_sentences(alone, headlines(alone)) == ["add (acc): base 0.500 ± 0.020."]


def test_charactereval_has_its_published_table():
    own = {"task": "charactereval", "metric": "reward_model"}
    rows = [
        row("base", value=2.5, slice="metric_en=Accuracy", **own),
        row("base", value=2.25, slice="group=Overall", **own),
    ]
    page = Page(report_html(run(rows=[*run().rows, *rows])))
    heading = next(cells for cells in page.rows if "Overall" in cells)
    (line,) = (cells for cells in page.rows if len(cells) == len(heading) and cells[0] == "base")
    assert dict(zip(heading, line, strict=True))["KA"] == "2.500"
    assert (line[-1], line[1]) == ("2.250", "–")
    assert "CharacterEval" in page.texts["h2"]
    assert "CharacterEval" not in Page(report_html(run())).texts["h2"]


def test_names_are_text_wherever_they_stand():
    results = renamed(EVIL)
    text = report_html(results)
    page = Page(text)
    assert "<b>x" not in text
    assert page.texts["h1"] == [EVIL]
    assert any(EVIL in cell for cells in page.rows for cell in cells)
    assert any(value.startswith(EVIL) for name, value in page.attributes if name == "aria-label")


def test_the_page_loads_nothing():
    text = report_html(renamed("http"))
    page = Page(text)
    assert not {"script", "link", "iframe", "img", "object"} & set(page.tags)
    assert not [value for name, value in page.attributes if name in ("src", "href") or name.startswith("on")]
    assert not re.search(r"https?://|@import|url\(", text)
    assert "prefers-color-scheme: dark" in text
    assert ("name", "viewport") in page.attributes


def test_no_figures_at_all_are_a_page_too():
    page = Page(report_html(run(rows=[], comparisons=[], models=[], baseline=None)))
    assert "There are no figures yet." in page.texts["body"][0]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.25, 0.5, 0.75, 1]), (0.31, 0.92, [0.4, 0.6, 0.8]), (50, 300, [100, 200, 300]), (3, 3, [3])],
)
def test_ticks_are_round(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


def test_scales_and_tick_labels():
    assert Scale(0, 10, 100, 0)(2.5) == 75
    assert Scale(1, 1, 0, 10)(1) == 5
    assert [tick_text(value) for value in (0.25, 1500, 20_000, -1)] == ["0.25", "1500", "20k", "−1"]
