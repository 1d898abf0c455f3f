"""The table of metrics: functions that turn a batch of rows into values a row; they know no file and no model.

Adding one: write a function in a file of this folder, decorate it with `@register_metric`, and import that file in
`metrics/__init__.py`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pipeline.errors import EvaluationError, TaskError
from pipeline.near import did_you_mean


class Likelihood(msgspec.Struct, frozen=True):
    """One continuation's score: log-probability (natural), greedy flag, number of tokens."""

    logprob: float
    greedy: bool
    tokens: int


class MetricInput(msgspec.Struct, frozen=True, kw_only=True):
    """What a metric sees of a row: the filtered response, the target, the choices, the document."""

    response: Any  # a text, a list of texts, or for choice tasks a list of Likelihood in the order of `choices`
    target: Any
    choices: list[str] | None = None
    unconditional: list[Likelihood] | None = None  # the choices' scores without the question, in their order
    document: Mapping[str, Any] = {}
    prompt: Any = None  # a text or messages, as sent; for metrics registered with `reads_prompt` alone


# A metric may put this name among a row's values: a mapping of what is to stand among the row's flags.
FLAGS = "flags"
# The value names that the metric gives a row, each a float or a sufficient statistic (a list of numbers);
# None where the instrument failed.
Values = dict[str, Any]
MetricFunction = Callable[..., list[Values]]


@dataclass(frozen=True)
class Output:
    """One value name of a metric: how it is aggregated, its direction, and a factor for display (100: percent).

    `maximum` is the highest value that a row can have, the lowest being 0; None where there is none. Intervals of
    values that are all 0 or `maximum` are those of a proportion. `vector`: a row's value is a sufficient statistic,
    a list of numbers, and `aggregation` is one of counts; a row's list may be shorter than others', and is then filled
    up with zeros. `raw`: a row's value is an object that only an aggregation of the task's own can read.
    """

    aggregation: str = "mean"
    higher_is_better: bool = True
    scale: float = 1.0
    maximum: float | None = 1.0
    vector: bool = False
    raw: bool = False


@dataclass(frozen=True)
class Asks:
    """What a metric wants to know of a model before it can value rows; each distinct text is asked once.

    `scorer`: the kind of model (see `models/scorers.py`). `texts`: from a row and the metric's own arguments, the texts
    to ask about; their answers, as bytes, reach the metric in that order. `settings`: the names of the arguments
    that are the model's, not the metric's; one that the metric's function takes too reaches both.
    """

    scorer: str
    texts: Callable[..., Sequence[str]]
    settings: tuple[str, ...]


@dataclass(frozen=True)
class Metric:
    """A registered metric. `packages` decide the score: their versions stand in the lock."""

    name: str
    function: MetricFunction
    outputs: Mapping[str, Output]
    packages: tuple[str, ...] = ()
    output_types: frozenset[str] = field(default_factory=frozenset)  # where it makes sense; empty: everywhere
    asks: Asks | None = None
    reads_prompt: bool = False

    def own_argument_names(self) -> list[str]:
        """The arguments that the function takes."""
        parameters = list(inspect.signature(self.function).parameters)
        return parameters[1:] if self.asks is None else parameters[2:]

    def argument_names(self) -> list[str]:
        """The arguments that YAML may give."""
        return list(dict.fromkeys([*(self.asks.settings if self.asks else ()), *self.own_argument_names()]))


_METRICS: dict[str, Metric] = {}
# Names in lm_eval's registry that give no value there unless a task computes it: what to do instead.
_OF_TASK_CODE = {"acc_all": "lm_eval computes it in the code of a task alone: give the task a `process_results`"}


def register_metric(
    name: str,
    outputs: Mapping[str, Output],
    *,
    packages: Sequence[str] = (),
    output_types: Sequence[str] = (),
    asks: Asks | None = None,
    reads_prompt: bool = False,
) -> Callable[[MetricFunction], MetricFunction]:
    """Register `function(rows: Sequence[MetricInput], **arguments) -> list[Values]`.

    With `asks` the function's second parameter is the answers, a list of bytes for each row.
    """

    def register(function: MetricFunction) -> MetricFunction:
        if name in _METRICS:
            raise ValueError(f"two metrics are called {name}")
        _METRICS[name] = Metric(name, function, outputs, tuple(packages), frozenset(output_types), asks, reads_prompt)
        return function

    return register


def find_metric(name: str, arguments: Mapping[str, Any] | None = None, where: str = "") -> Metric:
    """The metric `name`. Raises TaskError, at `where`, for an unknown name or argument."""
    metric = _METRICS.get(name)
    if metric is None:
        hint = did_you_mean(name, _METRICS, f"Known metrics: {', '.join(sorted(_METRICS))}")
        raise TaskError(f"no metric is called {name!r}", where=where, fix=_OF_TASK_CODE.get(name, hint))
    known = metric.argument_names()
    for argument in arguments or {}:
        if argument not in known:
            takes = f"It takes {', '.join(known)}." if known else "It takes none."
            raise TaskError(f"the metric {name} has no argument {argument!r}", where=where, fix=takes)
    return metric


def metrics_for(output_type: str) -> list[str]:
    """The metrics that are meant for a kind of task, sorted by name."""
    return sorted(name for name, metric in _METRICS.items() if output_type in metric.output_types)


def all_names() -> set[str]:
    """Of all metrics, and of the values that they give."""
    return {name for metric in _METRICS.values() for name in (metric.name, *metric.outputs)}


def labelled(name: str, label: str | None) -> str:
    """What values called `name` are called where their metric was asked for under a label."""
    return f"{name}:{label}" if label else name


def check_values(metric: Metric, arguments: Mapping[str, Any], where: str) -> None:
    """Call the metric with no rows: it says now, not after step 1, what is wrong with its arguments' values.

    Raises TaskError at `where`.
    """
    taken = inspect.signature(metric.function).parameters
    own = {name: value for name, value in arguments.items() if name in taken}
    try:
        metric.function([], *([[]] if metric.asks else []), **own)
    except EvaluationError as error:
        raise TaskError(error.what, where=where, fix=error.fix) from error
    except (TypeError, ValueError) as error:
        raise TaskError(f"the metric {metric.name} does not take these arguments: {error}", where=where) from error


def gives_values(name: str) -> bool:
    """Whether a registered metric gives values called `name`, a label behind a colon apart."""
    plain = name.partition(":")[0]
    return any(plain in metric.outputs for metric in _METRICS.values())


def find_output(name: str) -> tuple[str, Output]:
    """The metric that gives values called `name`, and what is known of them. Raises TaskError where none does.

    Values of one metric asked for twice bear its label behind a colon.
    """
    plain = name.partition(":")[0]
    for metric in _METRICS.values():
        if plain in metric.outputs:
            return metric.name, metric.outputs[plain]
    raise TaskError(f"no metric gives values called {name!r}", fix="Run step 3 again: its rows name an unknown metric")
