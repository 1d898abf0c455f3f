"""`status`: for each step, model and task whether its view is fresh, how many calls are missing, or why it is stale."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.config import Shared, Step1Settings, Step4Settings
from pipeline.config_load import Loaded, load_all
from pipeline.console import show
from pipeline.errors import InputError, gathered, raise_all
from pipeline.lock_file import LockFile
from pipeline.memo import FILE_NAME, MemoReader
from pipeline.run_folder import STEPS
from steps.chained import ChainedStep, all_units, input_faults, step_basis, view_reasons
from steps.chained_steps import chained_step
from steps.context import Context, open_context
from steps.manifest import read_manifest, read_run, untrusted_by
from steps.step1_generation import reasons, unanswered
from steps.step1_import import ImportPlan, import_plan
from steps.step1_plan import Step1Plan, distinct, make_plan
from steps.step4_report_lock import report_basis, report_reasons
from steps.units import Unit

FRESH = "fresh"
NOT_MADE = "not yet made"
UNKNOWN = "made, and whether it is up to date cannot be told"
INTERRUPTED = "interrupted before its end"


class Line(NamedTuple):
    """The state of one view, in words; of step 1, with how many of its calls are missing."""

    step: str
    model: str
    task: str
    state: str
    missing: int = 0
    calls: int = 0


def status(path: Path, overrides: Sequence[str]) -> int:
    """Print the state of the run that `path` describes, as far as it can be told; 0.

    Raises InputError afterwards, with what has kept it from being told, and StorageError.
    """
    loaded = load_all(path, overrides)
    faults: list[InputError] = []
    lines = list(run_lines(loaded, path, overrides, faults))
    for line in summarised(lines):
        show(line)
    if "step4" in loaded:
        settings = loaded["step4"].settings
        assert isinstance(settings, Step4Settings)
        with gathered(faults):
            context = _context(settings, path, overrides, loaded)
            show(f"reports: {_reports_state(settings, context, lines)}")
            if settings.lm_eval_layout is not None:
                show(f"lm_eval's layout: {_layout_state(settings, context)}")
    raise_all(faults)
    return 0


def _context(settings: Shared, path: Path, overrides: Sequence[str], every: Mapping[str, Loaded]) -> Context:
    """The context of a step of the file whose steps are `every`."""
    return open_context(settings, path, overrides, whole_run=len(every) > 1, untrusted=untrusted_by(every))


def _reports_state(settings: Step4Settings, context: Context, lines: Sequence[Line]) -> str:
    """The state of the files over all tasks; `lines` are those of the views that they follow from."""
    if not context.folder.manifest.exists():
        return NOT_MADE
    basis = report_basis(settings, context, *read_run(context.folder, context.hashes, context.untrusted))
    reasons = report_reasons(basis, context)
    if reasons:
        return NOT_MADE if reasons == [NOT_MADE] else "out of date: " + "; ".join(reasons)
    first = min((line.step for line in lines if not line.state.startswith((FRESH, UNKNOWN))), default=None)
    return FRESH if first is None else f"{FRESH} until {first} is run"


def _layout_state(settings: Step4Settings, context: Context) -> str:
    """The state of the files in lm-evaluation-harness's layout."""
    from steps.step4_lm_eval_layout import layout_reasons

    if not context.folder.report_lock.exists():
        return NOT_MADE
    reasons = list(layout_reasons(settings, context, *read_run(context.folder, context.hashes, context.untrusted)))
    return "out of date: " + "; ".join(reasons) if reasons else FRESH


def run_lines(
    loaded: dict[str, Loaded], path: Path, overrides: Sequence[str], faults: list[InputError]
) -> Iterator[Line]:
    """The state of every view of the steps that the file holds; a step before it that is to run again is named.

    What keeps a step's states from being told is put into `faults`; its lines say then what is there.
    """
    stale: dict[tuple[str, str], str] = {}
    for line in _step_lines(loaded, path, overrides, faults):
        first = stale.get((line.model, line.task))
        if not line.state.startswith((FRESH, UNKNOWN)):
            stale.setdefault((line.model, line.task), line.step)
        elif first is not None:
            yield line._replace(state=f"{line.state} until {first} is run")
            continue
        yield line


def _step_lines(
    loaded: dict[str, Loaded], path: Path, overrides: Sequence[str], faults: list[InputError]
) -> Iterator[Line]:
    first: list[Line] = []
    for step in (step for step in STEPS if step in loaded):
        settings = loaded[step].settings
        context = _context(settings, path, overrides, loaded)
        try:
            if isinstance(settings, Step1Settings):
                lines = first = _first_lines(settings, loaded[step], context)
            elif "step1" in loaded and not context.folder.manifest.exists():
                lines = [Line(step, line.model, line.task, NOT_MADE) for line in first]
            else:
                lines = list(_chained_lines(chained_step(settings), context))
        except InputError as error:
            faults.append(error)
            lines = list(_noted_lines(step, context))
        yield from lines


def _first_lines(settings: Step1Settings, loaded: Loaded, context: Context) -> list[Line]:
    if settings.imports:
        return list(_import_lines(import_plan(settings, context.hashes, loaded.where), context))
    plan = make_plan(settings, context.hashes, loaded.where)
    plan.check_data()
    return list(step1_lines(plan, context))


def _noted_lines(step: str, context: Context) -> Iterator[Line]:
    """What the lock files say of a step's views, where more cannot be known."""
    if context.folder.manifest.exists():
        for model in read_manifest(context.folder).models:
            for task, entry in LockFile(context.folder, step, model.name).entries().items():
                yield Line(step, model.name, task, UNKNOWN if entry.state == "done" else INTERRUPTED)


def step1_lines(plan: Step1Plan, context: Context) -> Iterator[Line]:
    """The state of step 1's views, with the calls that the memo lacks."""
    memo = MemoReader(context.folder.memo) if (context.folder.memo / FILE_NAME).exists() else None
    try:
        for unit in plan.units:
            why = reasons(plan, unit, context)
            if why:
                yield Line("step1", unit.model, unit.task.name, "; ".join(why), *_missing(plan, unit, memo))
            else:
                yield Line("step1", unit.model, unit.task.name, FRESH + _mixture(unit, context))
    finally:
        if memo is not None:
            memo.close()


def _import_lines(plan: ImportPlan, context: Context) -> Iterator[Line]:
    for unit in plan.units:
        state = "; ".join(view_reasons("step1", unit, plan.basis(unit), context)) or FRESH
        yield Line("step1", unit.model, unit.task.name, state)


def _missing(plan: Step1Plan, unit: Unit, memo: MemoReader | None) -> tuple[int, int]:
    """How many calls of the unit are missing, of how many."""
    every = distinct(plan.calls(unit))
    missing = len(unanswered(every, memo, plan.settings.max_attempts)) if memo else len(every)
    return missing, len(every)


def _mixture(unit: Unit, context: Context) -> str:
    """A warning where a view's results come from several versions of the engine's packages."""
    entry = LockFile(context.folder, "step1", unit.model).get(unit.task.name)
    engines = entry.run.get("engines", {}) if entry else {}
    if len(engines) < 2:
        return ""
    return f", computed by {len(engines)} engine versions: " + "; ".join(
        f"{count} by {versions}" for versions, count in engines.items()
    )


def _chained_lines(step: ChainedStep, context: Context) -> Iterator[Line]:
    for unit in all_units(*read_run(context.folder, context.hashes, context.untrusted)):
        entry = LockFile(context.folder, step.before, unit.model).get(unit.task.name)
        faults = input_faults(step, unit, context, entry)
        if faults:
            state = NOT_MADE if faults == [NOT_MADE] else f"waits for {step.before}, which is " + "; ".join(faults)
        else:
            basis = step_basis(step, unit, context, allow_stale=False)
            state = "; ".join(view_reasons(step.name, unit, basis, context)) or FRESH
        yield Line(step.name, unit.model, unit.task.name, state)


def summarised(lines: Iterable[Line]) -> Iterator[str]:
    """Lines of text; the tasks of one step and model that are in the same state stand in one line."""
    merged: dict[tuple[str, str, str], list[Line]] = {}
    for line in lines:
        merged.setdefault((line.step, line.model, line.state), []).append(line)
    width = max((len(model) for _, model, _ in merged), default=0)
    for (step, model, state), views in merged.items():
        tasks = [view.task for view in views]
        calls = sum(view.calls for view in views)
        missing = f" ({sum(view.missing for view in views)} of {calls} calls missing)" if calls else ""
        names = ", ".join(tasks) if len(tasks) <= 3 else f"{tasks[0]}, {tasks[1]} and {len(tasks) - 2} more tasks"
        verdict = state if state.startswith((FRESH, NOT_MADE, UNKNOWN)) else f"out of date: {state}"
        yield f"{step}  {model:<{width}}  {names}: {verdict}{missing}"
