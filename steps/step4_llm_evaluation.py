"""Step 4 in llm_evaluation's form: its result files, from step 3's views and the run's figures.

A model's folder holds generated_predictions.jsonl, predict_results.json and all_results.json over all generation tasks
made of the user's own data, one after the other. The folder of llme_mmlu, llme_cmmlu and llme_ceval holds results.json
and results.log in that form; their figures in this project's form are in step4_eval_scores.jsonl beside them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from pipeline.lock_file import LockFile
from pipeline.rows import AggregateRow, Status, restore
from pipeline.views import ViewWriter, decode_line, read_lines, write_file
from reports.llm_evaluation import (
    BENCHMARKS,
    PREDICT_KEYS,
    SIMILARITY,
    ModelSummary,
    Speed,
    accuracies_log,
    letters_json,
    predict_results_json,
    prediction_line,
)
from steps.context import Context
from tasks.task import Group, Task, TaskSet

_PREFIX = "llme_"
FILES = ("generated_predictions.jsonl", "predict_results.json", "all_results.json")  # of the own tasks
Figures = Mapping[str, Sequence[AggregateRow]]  # of one model, by task or group


class _Answered(msgspec.Struct):
    """What this step reads of a `ScoredRow`."""

    index: int
    status: Status
    filter: str
    response: Any
    target: Any
    values: dict[str, Any]


def write_llm_evaluation(
    context: Context, model: str, own: Sequence[Task], tasks: TaskSet, figures: Figures
) -> ModelSummary | None:
    """The model's files, and its row of the results table; None where no task is of those kinds."""
    groups = {group.name: group for group in tasks.groups}
    benchmarks = [name for name in BENCHMARKS if _PREFIX + name in groups]
    own = [task for task in own if task.output_type == "generate_until"]
    if not own and not benchmarks:
        return None
    means: dict[str, float] = {}
    speed = None
    if own:
        means, speed = _predictions(context, model, own)
    accuracies = {name: _benchmark(context, model, groups, _PREFIX + name, figures) for name in benchmarks}
    measured = {name: value for name, value in accuracies.items() if value is not None}
    return ModelSummary(model, means, speed, measured)


def _predictions(context: Context, model: str, own: Sequence[Task]) -> tuple[dict[str, float], Speed]:
    values: dict[str, list[float]] = defaultdict(list)
    folder = context.folder.model(model)
    with ViewWriter(folder / FILES[0]) as writer:
        for task in own:
            for row in _first_filter(context, model, task.name):
                score = row.values.get(SIMILARITY)
                writer.write(prediction_line(_text(row.target), _text(row.response), score))
                for name in (*PREDICT_KEYS, SIMILARITY):
                    if isinstance(value := row.values.get(name), float | int):
                        values[name].append(value)
        writer.commit()
    means = {name: math.fsum(of_rows) / len(of_rows) for name, of_rows in values.items()}
    speed = _speed(context, model, own)
    write_file(folder / FILES[1], predict_results_json(means, speed, similarity=True))
    write_file(folder / FILES[2], predict_results_json(means, speed, similarity=False))
    return means, speed


def _speed(context: Context, model: str, own: Sequence[Task]) -> Speed:
    """Of step 1: answers from the memo took no time of an engine and are not counted."""
    entries = LockFile(context.folder, "step1", model).entries()
    timed = [entries[task.name] for task in own if task.name in entries]
    seconds = math.fsum(entry.seconds for entry in timed)
    made = sum(entry.counts.get("made", 0) for entry in timed)
    return Speed(seconds, round(made / seconds, 3) if made and seconds else None)


def _benchmark(context: Context, model: str, groups: Mapping[str, Group], name: str, figures: Figures) -> float | None:
    """Write the benchmark's two files; its accuracy over all questions, in percent."""
    subjects = sorted(_tasks_under(name, groups, figures))
    letters = {
        subject.removeprefix(f"{name}_"): {
            row.index: _letter(row.response) for row in _first_filter(context, model, subject)
        }
        for subject in subjects
    }
    categories = {"Average": _accuracy(figures[name])}
    for member in groups[name].members:
        if member in groups:
            categories[groups[member].alias or member.removeprefix(f"{name}_")] = _accuracy(figures[member])
    folder = context.folder.task(model, name)
    write_file(folder / "results.json", letters_json(letters))
    write_file(folder / "results.log", accuracies_log(categories))
    return categories["Average"]


def _tasks_under(name: str, groups: Mapping[str, Group], figures: Figures) -> Iterator[str]:
    for member in groups[name].members:
        if member in groups:
            yield from _tasks_under(member, groups, figures)
        elif member in figures:
            yield member


def _accuracy(rows: Sequence[AggregateRow]) -> float | None:
    value = next((restore(row.value) for row in rows if row.metric == "acc" and row.slice is None), None)
    return None if value is None else 100 * float(value)


def _letter(response: Any) -> str:
    """The likeliest choice; of equal ones the first, as the accuracy has it. Rows are [log-probability, …] a choice."""
    if isinstance(response, str):  # a letter of another tool
        return response
    scores = [float(restore(choice[0])) for choice in response]
    return chr(ord("A") + max(range(len(scores)), key=scores.__getitem__))


def _first_filter(context: Context, model: str, task: str) -> Iterator[_Answered]:
    """The sound rows of a view of step 3 under its first filter pipeline: one a document."""
    decoder = msgspec.json.Decoder(_Answered)
    source = context.folder.view("step3", model, task)
    first: str | None = None
    for number, lines in read_lines(source):
        for offset, line in enumerate(lines):
            row = decode_line(decoder, line, str(source), number + offset, context.command("step3"))
            first = row.filter if first is None else first
            if row.status == "ok" and row.filter == first:
                yield row


def _text(value: Any) -> str:
    """A response or target as one text: of several targets the first."""
    value = restore(value)
    if isinstance(value, (list, tuple)):
        value = value[0] if value else ""
    return "" if value is None else str(value)
