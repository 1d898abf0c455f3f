"""The engine of step 1, opened when the first call is missing: a run that needs nothing loads nothing."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from models.engine import Engine
from pipeline.console import say
from steps.context import Context
from steps.step1_plan import Step1Plan


class LazyEngine:
    """Opens the base with all adapters of the plan at the first `open`."""

    def __init__(self, plan: Step1Plan, context: Context) -> None:
        self._plan = plan
        self._context = context
        self._stack = ExitStack()
        self._engine: Engine | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def open(self) -> Engine:
        """The engine, loaded. Raises ModelError, AdapterError, MissingPackageError."""
        if self._engine is None:
            from models.factory import make_engine

            say(f"loading {self._plan.settings.model.path}")
            self._engine = self._stack.enter_context(make_engine(self._plan, self._context))
        return self._engine

    def record(self) -> dict[str, Any]:
        """What the lock file tells of the engine; empty where it was not needed."""
        if self._engine is None:
            return {}
        return {"versions": self._engine.versions, "hardware": self._engine.hardware()}
