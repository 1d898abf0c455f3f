"""The engine of step 1, opened when the first call is missing: a run that needs nothing loads nothing."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from models.adapters import adapter_note
from models.engine import Adapter, Engine
from pipeline.console import say, warn
from pipeline.errors import ModelError
from steps.context import Context
from steps.step1_plan import PlannedModel, Step1Plan


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
            from models.factory import open_engine

            plan = self._plan
            adapters = [_adapter(model) for model in plan.models if model.adapter is not None]
            others = f" and {len(adapters)} adapter{'s' * (len(adapters) != 1)}" if adapters else ""
            say(f"loading {plan.settings.model.path}{others}")
            engine = open_engine(
                plan.settings.engine,
                plan.folder,
                adapters=adapters,
                hashes=self._context.hashes,
                identity=plan.models[0].identity,
                tokenizer=plan.tokenizer_folder,
                chat_template=plan.chat_template,
                template_name=plan.template_name,
                delta=plan.delta_folder,
            )
            loaded = self._stack.enter_context(engine)
            if {model.record.name: plan.tokenizer(model) for model in plan.models} != plan.tokenizers:
                raise ModelError(
                    "a tokenizer or chat template changed while the models were loaded",
                    where=plan.where("model"),
                    fix="Run the same command again",
                )
            self._engine = loaded
            for adapter in adapters:
                note = adapter_note(adapter.path, plan.settings.model.path)
                if note:
                    warn(note)
        return self._engine

    def record(self) -> dict[str, Any]:
        """What the lock file tells of the engine; empty where it was not needed."""
        if self._engine is None:
            return {}
        return {"versions": self._engine.versions, "hardware": self._engine.hardware()}


def _adapter(model: PlannedModel) -> Adapter:
    assert model.adapter is not None
    found = model.adapter
    return Adapter(
        name=found.name,
        path=found.path,
        tokenizer=found.settings.tokenizer,
        allow_inert=found.settings.allow_inert,
        identity=model.identity.adapter,
    )
