"""Made-up answers through this project's steps 2 to 4, and what differs from lm_eval's filtered answers and figures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import msgspec

from pipeline.config import Step2Settings, Step3Settings, Step4Settings
from pipeline.rows import AggregateRow, FilteredRow, RequestRecord, ScoredRow, encode_row, restore
from steps import step4_aggregation
from steps.context import Context
from steps.line_step import LineStep, work_spec
from steps.step1_rows import generation_row
from steps.step2_postprocess import postprocess
from steps.step3_scoring import score
from steps.units import Unit
from tasks.task import Example, Task
from tests.parity.harness_prompts.ours import plain
from tests.parity.harness_prompts.reference import Answers, Scored

_FOLDER = "output"
_MODEL = "none"


class Steps:
    """Steps 2 to 4 of a run without settings of its own."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._step2 = postprocess(Step2Settings(output_dir=_FOLDER))
        self._step3 = score(Step3Settings(output_dir=_FOLDER))
        self._step4 = step4_aggregation.aggregation(Step4Settings(output_dir=_FOLDER))

    def differences(self, task: Task, examples: list[Example], answers: Answers, theirs: Scored) -> Iterator[str]:
        """Raises EvaluationError."""
        unit = Unit(_MODEL, task)
        source = self._step2.source(unit, self._context)
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_bytes(b"".join(encode_row(_row(task, one, answers[one.document.index])) for one in examples))
        filtered = self._run(self._step2, unit)
        yield from _differing_filtered(filtered, theirs)
        scored = self._run(self._step3, unit)
        yield from _differing_values(scored, theirs)
        columns = step4_aggregation._Columns(task)
        decoder = msgspec.json.Decoder(step4_aggregation._Scored)
        columns.add(decoder.decode(line) for line in scored)
        figures = list(columns.aggregate(unit, self._step4.spec(task, self._context)))
        yield from _differing_figures(figures, theirs)

    def _run(self, step: LineStep, unit: Unit) -> list[bytes]:
        """The lines of the step's view, which is written for the next one."""
        spec = work_spec(step, unit, step.spec(unit.task, self._context), self._context)
        if spec.get("whole_task") and step.build_together is not None:
            done = b"".join(one.lines for one in step.build_together(spec))
        else:
            lines = step.source(unit, self._context).read_bytes().splitlines(keepends=True)
            done = step.build(spec)((1, lines)).lines
        step.view(unit, self._context).write_bytes(done)
        return done.splitlines(keepends=True)


def _row(task: Task, example: Example, answers: list[list[Any]]) -> Any:
    """The row of step 1: lm_eval has a request for each choice, where there is one for all here."""
    given = iter(answers)
    records = []
    for spec in example.requests:
        if spec.type == "generate_until":
            records += [
                RequestRecord(type=spec.type, sample=sample, text=text, completion_tokens=[1])
                for sample, text in enumerate(next(given))
            ]
            continue
        first = [next(given)[0] for _ in spec.continuations or (None,)]
        scores = [(one, False) if isinstance(one, float) else one for one in first]
        record = RequestRecord(type=spec.type, continuations=list(spec.continuations) or None)
        record.logprobs, record.greedy = [one[0] for one in scores], [one[1] for one in scores]
        record.completion_tokens = [1] * len(scores)
        records.append(record)
    return generation_row(_MODEL, task.name, example, records)


def _differing_filtered(lines: list[bytes], theirs: Scored) -> Iterator[str]:
    for row in map(msgspec.json.Decoder(FilteredRow).decode, lines):
        if row.error is not None:
            yield f"document {row.index} has an error here: {row.error}"
            continue
        names = [name for index, name in theirs.rows if index == row.index]
        if sorted(names) != sorted(row.filtered):
            yield f"filters of document {row.index}: {sorted(row.filtered)} here, {sorted(names)} there"
            continue
        for name in names:
            (first, *others), found = theirs.rows[row.index, name].filtered, restore(row.filtered[name])
            if not others and not isinstance(first, (tuple, float)) and plain(found) != plain(first):
                yield f"document {row.index} filtered by {name}: {found!r} here, {first!r} there"


def _differing_values(lines: list[bytes], theirs: Scored) -> Iterator[str]:
    for row in map(msgspec.json.Decoder(ScoredRow).decode, lines):
        there = theirs.rows[row.index, row.filter].values
        if extra := row.values.keys() ^ there.keys():
            yield f"document {row.index}, {row.filter}: only one side has values called {sorted(extra)}"
        for name in row.values.keys() & there.keys():
            found, value = restore(row.values[name]), there[name]
            if found is None:
                yield f"document {row.index}, {row.filter}: {name} is missing here ({row.flags}), and {value!r} there"
            elif _is_number(value) and not isinstance(found, (list, tuple)) and not close(found, value):
                yield f"document {row.index}, {row.filter}: {name} is {found!r} here, and {value!r} there"


def _differing_figures(figures: list[AggregateRow], theirs: Scored) -> Iterator[str]:
    found = {f"{row.metric},{row.filter}": restore(row.value) for row in figures if row.slice is None}
    for key, value in theirs.figures.items():
        if key not in found:
            yield f"there is no figure {key} here, and {value!r} there"
        elif not close(found[key], value):
            yield f"the figure {key} is {found[key]!r} here, and {value!r} there"


def _is_number(value: Any) -> bool:
    return isinstance(value, (bool, int, float)) or (hasattr(value, "dtype") and getattr(value, "ndim", 1) == 0)


def close(one: Any, two: Any) -> bool:
    """Whether two figures agree within 1e-6."""
    if not (_is_number(one) and _is_number(two)):
        return bool(plain(one) == plain(two))
    first, second = float(one), float(two)
    if math.isnan(first) or math.isnan(second):
        return math.isnan(first) and math.isnan(second)
    return first == second or abs(first - second) <= 1e-6 * max(1.0, abs(second))
