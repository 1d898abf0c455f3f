"""What step 3 asks models: the texts that metrics want valued, each distinct one once, answers kept in the memo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from metrics.registry import Asks, Metric, MetricInput, find_metric
from models.scorers import Scorer, check_named, metric_defaults, open_scorer, scorer_scope
from pipeline.console import say
from pipeline.errors import ModelError
from pipeline.execution import Chunk, Spec
from pipeline.fingerprint import FileHashes, canonical, digest
from pipeline.memo import Memo, MemoReader
from pipeline.progress import Progress
from pipeline.requests import CallFailure
from pipeline.views import read_lines
from steps.context import Context
from steps.units import Unit
from tasks.task import MetricSpec

_AT_ONCE = 4096  # texts gathered before a model is asked
# From a chunk of lines, the inputs of the metrics; None for error rows.
Inputs = Callable[[Spec], Callable[[Chunk], Iterable[MetricInput | None]]]


def own_arguments(metric: MetricSpec) -> dict[str, Any]:
    """The arguments of the metric itself; what they leave open, the folder of the model that it asks may say."""
    known = find_metric(metric.name)
    if known.asks is None:
        return dict(metric.arguments)
    found = metric_defaults(known.asks.scorer, model_settings(metric, known.asks))
    names = known.own_argument_names()
    if "template" in metric.arguments or "chat" in metric.arguments:  # one form of the text goes before any other
        found = {name: value for name, value in found.items() if name not in ("template", "chat")}
    return {name: value for name, value in (found | metric.arguments).items() if name in names}


def model_settings(metric: MetricSpec, asks: Asks) -> dict[str, Any]:
    return {name: value for name, value in metric.arguments.items() if name in asks.settings}


def check_model(metric: MetricSpec) -> None:
    """Raises InputError where the metric asks a model and names none that can be had."""
    asks = find_metric(metric.name).asks
    if asks is not None:
        check_named(asks.scorer, model_settings(metric, asks))


def model_scope(metric: MetricSpec, context: Context) -> dict[str, Any]:
    """`{"scope": …}` for a metric that asks a model: what its answers depend on beside the text."""
    asks = find_metric(metric.name).asks
    if asks is None:
        return {}
    return {"scope": scorer_scope(asks.scorer, model_settings(metric, asks), context.hashes)}


class Questions:
    """A metric's texts and their keys. `scope` is hashed once."""

    def __init__(self, metric: Metric, arguments: Mapping[str, Any], scope: Mapping[str, Any]) -> None:
        assert metric.asks is not None
        self._texts = metric.asks.texts
        self._arguments = arguments
        self._scope = digest(scope)

    def texts(self, row: MetricInput) -> dict[str, str]:
        """The row's texts by key, in the metric's order."""
        return {digest([self._scope, text]): text for text in self._texts(row, **self._arguments)}

    def keys(self, row: MetricInput) -> list[str]:
        """A key for each text, repeated where texts are."""
        return [digest([self._scope, text]) for text in self._texts(row, **self._arguments)]


class ModelCalls:
    """Asks the models of step 3, each opened when first needed and closed with the step."""

    def __init__(self, memo: Memo, hashes: FileHashes, max_attempts: int) -> None:
        self._memo = memo
        self._hashes = hashes
        self._max_attempts = max_attempts
        self._stack = ExitStack()
        self._scorers: dict[str, Scorer] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def ask(self, unit: Unit, spec: Spec, metrics: Sequence[MetricSpec], inputs: Inputs) -> Counter[str]:
        """Have the memo answer all that the metrics of a view want to know; counts for the lock file."""
        counts: Counter[str] = Counter()
        for asked, own in zip(spec["metrics"], metrics, strict=True):
            if "scope" in asked:
                counts += self._ask_metric(unit, spec, asked, own, inputs)
        return counts

    def _ask_metric(
        self, unit: Unit, spec: Spec, asked: Mapping[str, Any], own: MetricSpec, inputs: Inputs
    ) -> Counter[str]:
        metric = find_metric(own.name)
        assert metric.asks is not None
        questions = Questions(metric, asked["arguments"], asked["scope"])
        settings = model_settings(own, metric.asks)
        counts: Counter[str] = Counter()
        with Progress(f"step3 {own.name} of {unit.task.name} of {unit.model}", None, unit="texts") as progress:
            for lot in _lots(questions, spec, inputs):
                known = self._memo.known(lot)
                counts["memo"] += len(known)
                missing = self._untried({key: text for key, text in lot.items() if key not in known})
                if missing:
                    scorer = self._scorer(metric.asks.scorer, settings, asked["scope"])
                    keys = list(missing)
                    for position, answer in scorer.score(list(missing.values())):
                        counts["made"] += 1
                        self._keep(scorer, metric.asks.scorer, keys[position], answer)
                        progress.advance()
                self._memo.flush()  # the next lot must find them
                counts["retryable"] += len(self._untried(dict.fromkeys(missing.keys() - self._memo.known(missing), "")))
        return counts

    def _untried(self, missing: dict[str, str]) -> dict[str, str]:
        failures = self._memo.failures(missing)
        return {
            key: text for key, text in missing.items() if key not in failures or failures[key].retry(self._max_attempts)
        }

    def _keep(self, scorer: Scorer, kind: str, key: str, answer: bytes | CallFailure) -> None:
        if isinstance(answer, CallFailure):
            self._memo.put_failure(key, answer.type, answer.message, answer.deterministic)
        else:
            self._memo.put(key, kind, answer, canonical(scorer.versions).decode())

    def _scorer(self, kind: str, settings: Mapping[str, Any], scope: Mapping[str, Any]) -> Scorer:
        """The model, loaded. Raises ModelError where its files are no longer those that `scope` was made from."""
        token = digest(scope)
        if token not in self._scorers:
            say(f"loading {settings['model']}")
            scorer = self._stack.enter_context(open_scorer(kind, settings))
            if digest(scorer_scope(kind, settings, self._hashes)) != token:
                what = "the model's files changed since the step began"
                raise ModelError(what, where=str(settings["model"]), fix="Run the same command again")
            self._scorers[token] = scorer
        return self._scorers[token]


def _lots(questions: Questions, spec: Spec, inputs: Inputs) -> Iterator[dict[str, str]]:
    """The texts of a view by key, some thousands at a time."""
    read = inputs(spec)
    lot: dict[str, str] = {}
    for chunk in read_lines(Path(spec["source"])):
        for row in read(chunk):
            if row is not None:
                lot |= questions.texts(row)
        if len(lot) >= _AT_ONCE:
            yield lot
            lot = {}
    if lot:
        yield lot


class Answers:
    """The memo's answers to the questions of a chunk of rows, for worker processes."""

    def __init__(self, questions: Questions, memo: MemoReader) -> None:
        self._questions = questions
        self._memo = memo

    def of(self, rows: Sequence[MetricInput]) -> list[list[bytes] | None]:
        """For each row its answers in the metric's order; None where one is missing."""
        wanted = [self._questions.keys(row) for row in rows]
        found = self._memo.get({key for keys in wanted for key in keys})
        return [[found[key] for key in keys] if all(key in found for key in keys) else None for keys in wanted]

    def lack(self, row: MetricInput) -> str:
        """Why a row has not all its answers, as far as the memo knows."""
        failures = self._memo.failures(self._questions.keys(row)).values()
        return ": ".join(["its model gave no answer", *[f"{one.type}: {one.message}" for one in failures][:1]])
