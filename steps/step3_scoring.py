"""Step 3: how good each answer is. Metrics value the filtered responses, one row a document and filter pipeline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

import metrics  # noqa: F401  # registers them all
from metrics.registry import FLAGS, Likelihood, Metric, MetricInput, Values, find_metric, labelled
from pipeline.config import Step3Settings
from pipeline.errors import EvaluationError, MetricError
from pipeline.execution import Chunk, Spec
from pipeline.memo import MemoReader
from pipeline.rows import ErrorRecord, LazyDocument, ScoredRow, Status, encode_row, restore, to_plain
from pipeline.views import decode_line
from steps.context import Context, package_versions
from steps.line_step import LinesDone, LineStep
from steps.step3_class import ClassValues, class_scoring
from steps.step3_file_metrics import SCORED_BY_LIKELIHOOD
from steps.step3_models import Answers, ModelCalls, Questions, model_scope, own_arguments
from steps.step3_run_metrics import task_metrics
from steps.step3_task_code import TaskCodeValues, code_packages, scoring_code
from steps.units import Unit
from tasks.task import Task


class _Filtered(msgspec.Struct):
    """What this step reads of a `FilteredRow`."""

    doc_id: str
    index: int
    status: Status
    error: ErrorRecord | None
    document: msgspec.Raw
    prompt_hash: str
    target: Any
    choices: list[str] | None
    filtered: dict[str, Any]
    expansion: str | None
    flags: dict[str, Any]
    prompt: msgspec.Raw = msgspec.Raw(b"null")


def score(settings: Step3Settings, calls: ModelCalls | None = None) -> LineStep:
    """The step under `settings`. Without `calls`, which asks models, it can be planned but not run."""

    def prepare(unit: Unit, spec: Spec, context: Context) -> Counter[str]:
        return calls.ask(unit, spec, task_metrics(unit.task, settings), questions) if calls else Counter()

    def spec(task: Task, context: Context) -> Spec:
        chosen = task_metrics(task, settings)
        own_code = {} if settings.predict_only else scoring_code(task) | class_scoring(task)
        packages = {package for metric in chosen for package in find_metric(metric.name).packages}
        packages |= code_packages(task) if own_code else set()
        return {
            "task": task.name,
            "filters": [pipeline.name for pipeline in task.filters],
            "metrics": [
                {
                    "name": metric.name,
                    "arguments": own_arguments(metric),
                    **({"label": metric.label} if metric.label else {}),
                    **model_scope(metric, context),
                }
                for metric in chosen
            ],
            "likelihoods": task.output_type in SCORED_BY_LIKELIHOOD,
            "prompts": any(find_metric(metric.name).reads_prompt for metric in chosen),
            "slices": list(task.slices),
            "cluster": task.cluster,
            "packages": package_versions(sorted(packages)),
            **own_code,
        }

    return LineStep(name="step3", version=3, spec=spec, build=build, prepare=prepare)


def build(spec: Spec) -> Callable[[Chunk], LinesDone]:
    """From a spec, the function from lines of step 2 to lines of step 3."""
    chosen = [_Chosen.of(metric, spec) for metric in spec["metrics"]]
    own_code = TaskCodeValues(spec) if "scoring" in spec else ClassValues(spec) if "class" in spec else None
    read = _reader(spec)

    def work(chunk: Chunk) -> LinesDone:
        rows: list[ScoredRow] = []
        inputs: list[MetricInput | None] = []
        documents = 0
        for filtered in read(chunk):
            documents += 1
            for name in filtered.filtered or spec["filters"]:
                rows.append(_scored_row(filtered, name, spec))
                inputs.append(None if filtered.status == "error" else _metric_input(filtered, name, spec))
        for metric in chosen:
            _value_rows(metric, rows, inputs)
        if own_code is not None:
            live = zip(rows, inputs, strict=True)
            own_code.put_into((row, item) for row, item in live if item is not None)
        counts = Counter(errors=sum(row.status == "error" for row in rows), documents=documents)
        counts["missing"] = sum(value is None for row in rows for value in row.values.values())
        counts["truncated_reward_input"] = sum("truncated_reward_input" in row.flags for row in rows)
        return LinesDone(b"".join(encode_row(row) for row in rows), len(rows), dict(counts), _failures(rows))

    return work


def _failures(rows: Sequence[ScoredRow]) -> dict[str, tuple[int, str]]:
    """What valued some rows and failed on others: on how many, and the reason for the first."""
    found: dict[str, tuple[int, str]] = {}
    for row in rows:
        for name, reason in row.flags.get("metric_errors", {}).items():
            count, first = found.get(name, (0, reason))
            found[name] = (count + 1, first)
    return found


def questions(spec: Spec) -> Callable[[Chunk], Iterator[MetricInput | None]]:
    """From a spec, the function from lines of step 2 to what metrics see of them."""
    read = _reader(spec)

    def work(chunk: Chunk) -> Iterator[MetricInput | None]:
        for filtered in read(chunk):
            if filtered.status == "ok":
                yield from (_metric_input(filtered, name, spec) for name in filtered.filtered)

    return work


def _reader(spec: Spec) -> Callable[[Chunk], Iterator[_Filtered]]:
    decoder = msgspec.json.Decoder(_Filtered)

    def read(chunk: Chunk) -> Iterator[_Filtered]:
        number, lines = chunk
        for offset, line in enumerate(lines):
            yield decode_line(decoder, line, spec["source"], number + offset, spec["remake"])

    return read


@dataclass(frozen=True)
class _Chosen:
    """A metric with its arguments, and the memo's answers if it asks a model."""

    metric: Metric
    arguments: dict[str, Any]
    answers: Answers | None
    label: str | None = None

    @classmethod
    def of(cls, asked: dict[str, Any], spec: Spec) -> _Chosen:
        metric, arguments = find_metric(asked["name"]), asked["arguments"]
        label = asked.get("label")
        if "scope" not in asked:
            return cls(metric, arguments, None, label)
        questions = Questions(metric, arguments, asked["scope"])
        return cls(metric, arguments, Answers(questions, MemoReader(Path(spec["memo"]))), label)

    @property
    def name(self) -> str:
        return labelled(self.metric.name, self.label)

    def values(self, items: Sequence[MetricInput]) -> list[Values | None]:
        """A row's values; None for a row whose answers are missing. Raises what the metric raises."""
        if self.answers is None:
            return list(self._checked(self.metric.function(items, **self.arguments), items))
        answers = self.answers.of(items)
        sound = [(item, answer) for item, answer in zip(items, answers, strict=True) if answer is not None]
        valued = iter(
            self._checked(
                self.metric.function([item for item, _ in sound], [one for _, one in sound], **self.arguments),
                [item for item, _ in sound],
            )
        )
        return [None if answer is None else next(valued) for answer in answers]

    def _checked(self, values: list[Values], items: Sequence[MetricInput]) -> list[Values]:
        if len(values) != len(items):
            raise MetricError(f"the metric {self.metric.name} gave {len(values)} values for {len(items)} rows")
        return values


def _scored_row(row: _Filtered, filter_name: str, spec: Spec) -> ScoredRow:
    document = LazyDocument(row.document)
    flags = {name: value for name, value in row.flags.items() if name != "parse_failed"}
    if filter_name in row.flags.get("parse_failed", ()):
        flags["parse_failed"] = True
    return ScoredRow(
        model=spec["model"],
        task=spec["task"],
        doc_id=row.doc_id,
        index=row.index,
        status=row.status,
        error=row.error,
        expansion=row.expansion,
        cluster=str(document[spec["cluster"]]) if spec["cluster"] else row.doc_id,
        slices={name: document.get(name) for name in spec["slices"]},
        filter=filter_name,
        response=row.filtered.get(filter_name),
        target=row.target,
        flags=flags,
        prompt_hash=row.prompt_hash,
    )


def _metric_input(row: _Filtered, filter_name: str, spec: Spec) -> MetricInput:
    response, unconditional = row.filtered[filter_name], None
    if spec["likelihoods"] and not isinstance(response, str):  # an imported answer is the text of a choice
        scores = [Likelihood(restore(logprob), greedy, tokens) for logprob, greedy, tokens in response]
        count = len(row.choices or scores)
        response, unconditional = scores[:count], scores[count:] or None
    else:
        response = restore(response)
    return MetricInput(
        response=response,
        unconditional=unconditional,
        target=restore(row.target),
        choices=row.choices,
        document=LazyDocument(row.document),
        prompt=msgspec.json.decode(row.prompt) if spec["prompts"] else None,
    )


def _value_rows(chosen: _Chosen, rows: list[ScoredRow], inputs: list[MetricInput | None]) -> None:
    """Put the metric's values into `rows`; a row that it fails on has None, and the reason among its flags."""
    live = [(row, item) for row, item in zip(rows, inputs, strict=True) if item is not None]
    if not live:
        return
    try:
        values = chosen.values([item for _, item in live])
    except EvaluationError:
        raise
    except Exception:  # noqa: BLE001  # the row boundary, a batch at once: the rows that are sound keep their values
        values = [_value_alone(chosen, row, item) for row, item in live]
    names = next((valued for valued in values if valued is not None), chosen.metric.outputs)
    for (row, item), valued in zip(live, values, strict=True):
        if valued is None:
            failed = row.flags.setdefault("metric_errors", {})
            if chosen.answers is not None and chosen.name not in failed:
                failed[chosen.name] = chosen.answers.lack(item)
            valued = dict.fromkeys(name for name in names if name != FLAGS)
        row.flags |= valued.get(FLAGS) or {}
        for name, value in valued.items():
            if name != FLAGS:
                row.values[labelled(name, chosen.label)] = _storable(value, chosen.name)


def _value_alone(chosen: _Chosen, row: ScoredRow, item: MetricInput) -> Values | None:
    try:
        return chosen.values([item])[0]
    except Exception as error:  # noqa: BLE001  # the row boundary: the instrument failed, so the value is missing, not 0
        row.flags.setdefault("metric_errors", {})[chosen.name] = f"{type(error).__name__}: {error}"
        return None


def _storable(value: Any, metric: str) -> Any:
    try:
        return to_plain(value, f"a value of the metric {metric}")
    except TypeError as error:
        raise MetricError(str(error), fix="Return floats or lists of numbers") from error
