"""Finds documents that a task of lm_eval takes: by what its templates and functions do with them, then by trying."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

from tasks.task import PromptSettings
from tests.parity.harness_prompts.learning import learn
from tests.parity.harness_prompts.reference import Reference, Splits, split_names
from tests.parity.harness_prompts.shapes import KINDS, Shape, Style, leaves, likely_kind, make_value

_DOCUMENTS = 5  # of the split that is asked about
_TRIES = 60
_MENDED = 40  # columns and values that are found only by a KeyError
_STYLES: tuple[Style, ...] = ("gaps", "odd", "plain")
_SECONDS = 5.0  # of computing, for one try
_HOPELESS = (OSError, ImportError)  # the network, a package that is not there, or no end


class NoDataError(Exception):
    """No documents were found that lm_eval takes; the message is its last error."""


def find_data(config: dict[str, Any]) -> tuple[Splits, Reference]:
    """Documents for each split, and lm_eval's task over them; such as it can score, if there are. Raises NoDataError."""
    columns = learn(config)
    try:
        return _Search(config, columns, scored=True).found()
    except NoDataError as error:
        if isinstance(error.__cause__, TimeoutError):
            raise
        return _Search(config, columns, scored=False).found()


@dataclass
class _Search:
    """Tries documents of such columns; `scored`: answers about them must be scored too."""

    config: dict[str, Any]
    columns: Shape
    scored: bool
    error: Exception | None = None  # of the last try
    tries: int = 0

    def found(self) -> tuple[Splits, Reference]:
        """Raises NoDataError."""
        found = None
        for style in _STYLES:
            found = found or (self._accepted(style) if self._hopeful() else None)
        if found is None and self._hopeful():
            found = self._mended() or self._of_other_kinds()
        if found is None:
            raise NoDataError(f"{type(self.error).__name__}: {self.error}"[:300]) from self.error
        return found

    def _accepted(self, style: Style = "plain") -> tuple[Splits, Reference] | None:
        """The documents and the task over them, if lm_eval takes them."""
        splits = self._splits(style)
        try:
            with _ended_in_time():
                made = Reference(self.config, splits)
                made.requests(PromptSettings(num_fewshot=0))
                for document in made.task.eval_docs:
                    _check_sense(made.task, document)
                if self.scored:
                    made.answer(Random(0))
                    made.scored()
        except Exception as error:  # noqa: BLE001 - whatever lm_eval and the task's code raise is an answer
            self.error = error
            return None
        return splits, made

    def _splits(self, style: Style) -> Splits:
        return {
            name: [
                {column: make_value(shape, 10 * place + number, style) for column, shape in self.columns.fields.items()}
                or {"text": f"text {10 * place + number}"}
                for number in range(_DOCUMENTS + place)
            ]
            for place, name in enumerate(split_names(self.config))
        }

    def _hopeful(self) -> bool:
        return not isinstance(self.error, _HOPELESS) and "'NoneType' object is not callable" not in str(self.error)

    def _mended(self) -> tuple[Splits, Reference] | None:
        """After each KeyError another column, or other values of one."""
        for _ in range(_MENDED):
            if not isinstance(self.error, KeyError) or not self._has_answer_to(self.error.args[0]):
                return None
            if found := self._accepted():
                return found
        return None

    def _has_answer_to(self, key: Any) -> bool:
        for shape in leaves(self.columns):
            if "looked up" in shape.uses and shape.refuse(key):
                return True
        known = key in self.columns.fields
        if isinstance(key, str) and not known:
            column = self.columns.field(key)
            if key == "choices":  # which a filter of lm_eval's reads, and takes a text as well for its letters
                column.element()
        return isinstance(key, str) and not known

    def _of_other_kinds(self) -> tuple[Splits, Reference] | None:
        """One value after the other made of another kind; what gets further is kept."""
        best, improved = self._progress(), True
        while improved:
            improved = False
            for shape in sorted(leaves(self.columns), key=lambda one: not one.uses):
                before = shape.kind
                for kind in self._kinds(shape):
                    shape.kind = kind
                    if (found := self._accepted()) or not self._hopeful():
                        return found
                    if self._progress() > best:
                        best, before, improved = self._progress(), kind, True
                        break
                shape.kind = before
        return None

    def _kinds(self, shape: Shape) -> list[str]:
        """Other kinds that the shape may be of, as far as tries are left."""
        others = [kind for kind in KINDS if kind != likely_kind(shape)][: max(0, _TRIES - self.tries)]
        self.tries += len(others)
        return others

    def _progress(self) -> tuple[int, int]:
        """How far lm_eval came: whether it had read its first document, and the line of its code that failed."""
        trace = self.error.__traceback__ if self.error else None
        line = 0
        while trace is not None and not line:
            line = trace.tb_lineno if trace.tb_frame.f_code.co_filename.endswith("lm_eval/api/task.py") else 0
            trace = trace.tb_next
        return int(line > 1000), line


@contextmanager
def _ended_in_time() -> Iterator[None]:
    """Task code that tries until something comes out, which of these documents never does, is interrupted."""

    def interrupt(*_: object) -> None:
        raise TimeoutError("the task's code does not come to an end")

    before = signal.signal(signal.SIGVTALRM, interrupt)
    signal.setitimer(signal.ITIMER_VIRTUAL, _SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _check_sense(task: Any, document: Any) -> None:
    """What lm_eval takes without a word, though no data set means it: the last choice as -1, lists for choices.

    Nor a choice task's document without any answer, which is wrong there whatever is chosen, and an error here.
    """
    gold = task.doc_to_target(document)
    if (gold is None and task.OUTPUT_TYPE == "multiple_choice") or (isinstance(gold, int) and gold < 0):
        raise ValueError(f"there is no right choice, but {gold}")
    choices = task.doc_to_choice(document) if task.config.doc_to_choice is not None else []
    if not all(isinstance(choice, str) for choice in choices):
        raise ValueError(f"there are choices that are no texts: {choices}")
