"""Step 4's second half: the figures of groups, and the files and the table that people read."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.config import Step4Settings
from pipeline.console import show, warn
from pipeline.os_locks import locked
from pipeline.rows import AggregateRow
from pipeline.views import write_file
from reports.character_eval import TASK as CHARACTER_EVAL
from reports.csv_file import results_csv
from reports.faults import lost_metrics, lost_sentences
from reports.html import report_html
from reports.json_file import all_results_json
from reports.llm_evaluation import ModelSummary, results_table_csv, results_table_markdown
from reports.other_prompts import other_prompts_sentences
from reports.run_results import RunResults
from reports.summary import left_out
from reports.table import faults_markdown, results_markdown
from reports.terminal import results_text
from steps.context import Context
from steps.manifest import Manifest
from steps.step4_aggregation import write_figures
from steps.step4_character_eval import FILES as CHARACTER_EVAL_FILES
from steps.step4_character_eval import character_eval_section, write_character_eval
from steps.step4_figures import read_figures
from steps.step4_groups import group_rows, lacking_notes, leaf_tasks
from steps.step4_llm_evaluation import FILES as LLM_EVALUATION_FILES
from steps.step4_llm_evaluation import write_llm_evaluation
from steps.step4_report_lock import report_basis, write_report_lock
from steps.step4_run_results import own_tasks, run_results
from tasks.task import TaskSet

_Figures = dict[str, list[AggregateRow]]  # of one model, by task or group


def report(settings: Step4Settings, context: Context, manifest: Manifest, tasks: TaskSet) -> int:
    """Write the run's results and show the table; of several processes one at a time.

    Returns on how many tasks of models some metric failed on every row.
    """
    with locked(context.folder.os_lock("report")):
        basis = report_basis(settings, context, manifest, tasks)
        results, files = _report(settings, context, manifest, tasks)
        write_report_lock(context, basis, files)
    return sum(bool(faults.lost) for faults in results.faults)


def _report(
    settings: Step4Settings, context: Context, manifest: Manifest, tasks: TaskSet
) -> tuple[RunResults, list[Path]]:
    """What the reports are of, and the files written."""
    figures = {model.name: _model_figures(settings, context, model.name, tasks) for model in manifest.models}
    for note in dict.fromkeys(note for by_name in figures.values() for note in lacking_notes(tasks.groups, by_name)):
        warn(note)
    names = [member.name for member in tasks.groups] + [task.name for task in tasks.tasks]
    rows = [row for by_name in figures.values() for name in names for row in by_name[name]]
    own_names = own_tasks(manifest)
    own = [task for task in tasks.tasks if task.name in own_names]
    found = [write_llm_evaluation(context, name, own, tasks, by_name) for name, by_name in figures.items()]
    summaries = [summary for summary in found if summary is not None]
    for name, by_name in figures.items():
        if CHARACTER_EVAL in by_name:
            write_character_eval(context, name, by_name[CHARACTER_EVAL])
    results = run_results(settings, context, manifest, tasks, rows)
    return results, [*_write(context, results, summaries), *_model_files(context, figures, tasks, summaries)]


def _model_figures(settings: Step4Settings, context: Context, model: str, tasks: TaskSet) -> _Figures:
    """The figures of one model's tasks, as written before, and of its groups, written here."""
    figures = {task.name: read_figures(context, model, task.name) for task in tasks.tasks}
    leaves = leaf_tasks(tasks.groups)
    for group in tasks.groups:
        figures[group.name] = list(group_rows(model, group, leaves[group.name], figures, settings.confidence))
        write_figures(context, model, group.name, figures[group.name])
    return figures


def _model_files(
    context: Context, figures: Mapping[str, _Figures], tasks: TaskSet, summaries: Sequence[ModelSummary]
) -> Iterator[Path]:
    """What was written of groups, of CharacterEval and in llm_evaluation's form."""
    folder = context.folder
    for name, by_name in figures.items():
        for group in tasks.groups:
            own = folder.task(name, group.name)
            yield from (folder.view("step4", name, group.name), own / "results.json", own / "results.log")
        if CHARACTER_EVAL in by_name:
            yield from (folder.task(name, CHARACTER_EVAL) / file for file in CHARACTER_EVAL_FILES)
    for summary in summaries:
        if summary.speed is not None:
            yield from (folder.model(summary.model) / file for file in LLM_EVALUATION_FILES)


def _write(context: Context, results: RunResults, summaries: Sequence[ModelSummary]) -> list[Path]:
    """The files written for all models."""
    root = context.folder.root
    rows, groups, compared = results.rows, results.groups, results.comparisons
    sections = [results_table_markdown(summaries)] if summaries else []
    sections += character_eval_section(rows)
    sections += [section for section in (faults_markdown(results.faults),) if section]
    notes = [left_out(results.skipped)] if results.skipped else []
    notes += [f"{sentence}." for sentence in lost_sentences(lost_metrics(results.faults))]
    for sentence in (asked_otherwise := other_prompts_sentences(results)):
        warn(sentence)
    sections += [*notes, *(f"{sentence}." for sentence in asked_otherwise)]
    contents = {
        "all_results.json": all_results_json(rows, compared, results.baseline),
        "results.csv": results_csv(rows),
        "results.md": results_markdown(rows, groups, results.title, compared, results.baseline, sections),
        "report.html": report_html(results),
    }
    if summaries:
        contents["llm_evaluation.csv"] = results_table_csv(summaries)
    for name, content in contents.items():
        write_file(root / name, content)
    color, width = sys.stdout.isatty(), shutil.get_terminal_size().columns
    show(results_text(rows, groups, compared, color=color, width=width).rstrip("\n"))
    for sentence in notes:
        show(f"\n{sentence}")
    show(f"\nresults: {root / 'report.html'}, results.md, results.csv, all_results.json")
    return [root / name for name in contents]
