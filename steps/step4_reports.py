"""Step 4's second half: the figures of groups, and the files and the table that people read."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

import msgspec

from pipeline.config import Step4Settings
from pipeline.console import show
from pipeline.rows import AggregateRow
from pipeline.views import write_file
from reports.character_eval import TASK as CHARACTER_EVAL
from reports.csv_file import results_csv
from reports.html import report_html
from reports.json_file import all_results_json
from reports.llm_evaluation import ModelSummary, results_table_csv, results_table_markdown
from reports.run_results import RunResults
from reports.table import results_markdown
from reports.terminal import results_text
from steps.context import Context
from steps.manifest import Manifest
from steps.step4_aggregation import write_figures
from steps.step4_character_eval import character_eval_section, write_character_eval
from steps.step4_groups import group_rows, inner_first
from steps.step4_llm_evaluation import write_llm_evaluation
from steps.step4_run_results import own_tasks, run_results
from tasks.task import TaskSet

_Figures = dict[str, list[AggregateRow]]  # of one model, by task or group


def report(settings: Step4Settings, context: Context, manifest: Manifest, tasks: TaskSet) -> None:
    """Write the run's results and show the table."""
    figures = {model.name: _model_figures(settings, context, model.name, tasks) for model in manifest.models}
    names = [member.name for member in tasks.groups] + [task.name for task in tasks.tasks]
    rows = [row for by_name in figures.values() for name in names for row in by_name[name]]
    own_names = own_tasks(manifest)
    own = [task for task in tasks.tasks if task.name in own_names]
    summaries = [write_llm_evaluation(context, name, own, tasks, by_name) for name, by_name in figures.items()]
    for name, by_name in figures.items():
        if CHARACTER_EVAL in by_name:
            write_character_eval(context, name, by_name[CHARACTER_EVAL])
    results = run_results(settings, context, manifest, tasks, rows)
    _write(context, results, [summary for summary in summaries if summary is not None])


def _model_figures(settings: Step4Settings, context: Context, model: str, tasks: TaskSet) -> _Figures:
    """The figures of one model's tasks, as written before, and of its groups, written here."""
    figures = {task.name: _read(context, model, task.name) for task in tasks.tasks}
    for group in inner_first(tasks.groups):
        figures[group.name] = list(group_rows(model, group, figures, settings.confidence))
        write_figures(context, model, group.name, figures[group.name])
    return figures


def _write(context: Context, results: RunResults, summaries: Sequence[ModelSummary]) -> None:
    root = context.folder.root
    rows, groups, compared = results.rows, results.groups, results.comparisons
    sections = [results_table_markdown(summaries)] if summaries else []
    sections += character_eval_section(rows)
    write_file(root / "all_results.json", all_results_json(rows, compared, results.baseline))
    write_file(root / "results.csv", results_csv(rows))
    write_file(root / "results.md", results_markdown(rows, groups, results.title, compared, results.baseline, sections))
    write_file(root / "report.html", report_html(results))
    if summaries:
        write_file(root / "llm_evaluation.csv", results_table_csv(summaries))
    color, width = sys.stdout.isatty(), shutil.get_terminal_size().columns
    show(results_text(rows, groups, compared, color=color, width=width).rstrip("\n"))
    show(f"\nresults: {root / 'report.html'}, results.md, results.csv, all_results.json")


def _read(context: Context, model: str, task: str) -> list[AggregateRow]:
    decoder = msgspec.json.Decoder(AggregateRow)
    return [decoder.decode(line) for line in context.folder.view("step4", model, task).read_bytes().splitlines()]
