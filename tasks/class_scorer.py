"""How a Python task class values rows and aggregates the values, for steps 3 and 4: they have its code and no data.

Most classes need nothing of their object for that; the data are read where one does.
"""

from __future__ import annotations

import base64
import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pipeline.errors import InputError, TaskError
from tasks.class_requests import as_document
from tasks.python_class import PythonClass

Answer = TypeVar("Answer")
Aggregate = Callable[[list[Any]], Any]

# Functions of lm_eval's and numpy's that are aggregations of this project, by module and name.
_METRICS = "lm_eval.api.metrics"
_KNOWN = {
    **{
        (_METRICS, name): name
        for name in ("mean", "nanmean", "median", "perplexity", "weighted_perplexity", "bits_per_byte")
    },
    **{(_METRICS, name): name for name in ("matthews_corrcoef", "bleu", "chrf", "ter", "brier_score")},
    (_METRICS, "f1_score"): "f1",
    ("numpy", "mean"): "mean",
    ("numpy", "nanmean"): "nanmean",
    ("statistics", "mean"): "mean",
    ("statistics", "fmean"): "mean",
}
_DEFAULT = "mean"  # the harness's, of a value that the class names no aggregation for


class PythonScorer:
    """See `tasks.task.ClassScorer`."""

    def __init__(self, made_of: PythonClass) -> None:
        self._class = made_of
        self._object: Any = None
        self._whole = False
        self._known_aggregates: dict[str, Aggregate] | None = None

    def check(self) -> None:
        self._class.load()

    def values(self, document: Mapping[str, Any], results: Sequence[Any]) -> Mapping[str, Any]:
        own, answers = as_document(document), list(results)
        named = self._ask(lambda made: made.process_results(own, answers))
        if not isinstance(named, Mapping):
            raise TypeError(f"process_results must give values by name, and gives {named!r}"[:200])
        return named

    def names(self) -> list[str]:
        return list(self._aggregates())

    def aggregation(self, name: str) -> str | None:
        function = self._aggregates().get(name)
        if function is None:
            return _DEFAULT
        return _KNOWN.get((getattr(function, "__module__", ""), getattr(function, "__name__", "")))

    def figure(self, name: str, values: list[Any]) -> float:
        def aggregated(made: Any) -> float:
            self._class.seeds.sow()
            return float(made.aggregation()[name](values))

        return self._class.called(f"the aggregation {name}", lambda: self._ask(aggregated))

    def higher_is_better(self, name: str) -> bool:
        directions = self._class.called("higher_is_better", lambda: self._ask(lambda made: made.higher_is_better()))
        return bool((directions or {}).get(name, True))

    def packed(self) -> str:
        return base64.b64encode(pickle.dumps(self._class)).decode("ascii")

    def _aggregates(self) -> Mapping[str, Aggregate]:
        if self._known_aggregates is None:
            asked = self._class.called("aggregation", lambda: self._ask(lambda made: made.aggregation()))
            self._known_aggregates = dict(asked or {})
        return self._known_aggregates

    def _ask(self, question: Callable[[Any], Answer]) -> Answer:
        """The answer of an object without its constructor, or of a whole one where that lacks something."""
        if self._object is None:
            self._object = self._class.called("its __new__", self._class.bare)
        try:
            return question(self._object)
        except AttributeError as error:
            if self._whole or error.obj is not self._object:
                raise
            self._object, self._whole = self._built(error.name), True
        return question(self._object)

    def _built(self, lacking: str | None) -> Any:
        try:
            return self._class.build()[0]
        except InputError as error:
            code = self._class.code
            what = f"the class {code.name} values rows by its `{lacking}`, which its constructor makes, and that fails"
            raise TaskError(f"{what}: {error}", where=code.where) from error


def unpacked_scorer(packed: str) -> PythonScorer:
    """From what `PythonScorer.packed` gave, in a worker process."""
    return PythonScorer(pickle.loads(base64.b64decode(packed)))
