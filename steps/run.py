"""Running one step, or the four in order, from a YAML file: settings in, exit code out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.config import Shared, Step1Settings, Step2Settings, Step3Settings, Step4Settings
from pipeline.config_load import Loaded, load, load_all
from pipeline.console import keeping_warnings
from pipeline.execution import Spec, Workers
from pipeline.fingerprint import FileHashes
from pipeline.interrupts import at_interrupt
from pipeline.memo import Memo
from pipeline.run_folder import STEPS
from pipeline.run_log import run_log
from steps.chained import all_units
from steps.chained_steps import chained_step
from steps.context import Context, open_context
from steps.line_step import run_line_step
from steps.manifest import read_run, untrusted_by
from steps.preflight import preflight
from steps.step2_postprocess import postprocess
from steps.step3_models import ModelCalls
from steps.step3_scoring import score
from steps.step4_aggregation import aggregation, run_aggregation
from tasks.task import Task


@keeping_warnings()
def run_step(step: str, path: Path, overrides: Sequence[str]) -> int:
    """Run one step; 0, or 1 where error rows remain or a metric valued no row. Raises EvaluationError."""
    loaded = load(path, step, overrides)
    every = load_all(path, overrides)
    preflight({step: loaded}, FileHashes(), untrusted_by(every))
    with Workers(loaded.settings.processes) as workers:
        errors = _run(step, loaded, _context(loaded.settings, path, overrides, workers, every))
    return 1 if errors else 0


@keeping_warnings()
def run_all(path: Path, overrides: Sequence[str]) -> int:
    """Run the four steps in order; error rows of one do not keep the next from running, but make the exit code 1."""
    every = load_all(path, overrides, complete=True)
    preflight(every, FileHashes())
    errors = 0
    with Workers(next(iter(every.values())).settings.processes) as workers:
        for step in STEPS:
            if step in every:
                context = _context(every[step].settings, path, overrides, workers, every)
                errors += _run(step, every[step], context)
    return 1 if errors else 0


def _context(
    settings: Shared, path: Path, overrides: Sequence[str], workers: Workers, every: Mapping[str, Loaded]
) -> Context:
    """The context of a step of the file whose steps are `every`."""
    untrusted = untrusted_by(every)
    context = open_context(settings, path, overrides, workers, whole_run=len(every) > 1, untrusted=untrusted)

    def expected(step: str, task: Task) -> tuple[int, Spec] | None:
        if step not in every:
            return None
        earlier = chained_step(every[step].settings)
        return earlier.version, earlier.spec(task, context)

    return replace(context, expected=expected)


def _run(step: str, loaded: Loaded, context: Context) -> int:
    """The number of error rows, and of metrics that failed on every row of a task."""
    settings = loaded.settings
    with run_log(context.folder.root):
        if isinstance(settings, Step1Settings):
            if settings.imports:
                from steps.step1_import import import_plan, import_predictions

                return import_predictions(import_plan(settings, context.hashes, loaded.where), context)
            from steps.step1_generation import generate
            from steps.step1_plan import make_plan

            return generate(make_plan(settings, context.hashes, loaded.where), context)
        manifest, tasks = read_run(context.folder, context.hashes, context.untrusted)
        units = all_units(manifest, tasks)
        match settings:
            case Step2Settings():
                return run_line_step(postprocess(settings), settings, context, units)
            case Step3Settings():
                with (
                    Memo(context.folder.memo) as memo,
                    at_interrupt(memo.flush),
                    ModelCalls(memo, context.hashes, settings.max_attempts) as calls,
                ):
                    return run_line_step(score(settings, calls), settings, context, units)
            case Step4Settings():
                from steps.step4_reports import report

                errors = run_aggregation(aggregation(settings), settings, context, units)
                lost = report(settings, context, manifest, tasks)
                if settings.lm_eval_layout is not None:
                    from steps.step4_lm_eval_layout import write_lm_eval_layout

                    write_lm_eval_layout(settings, context, manifest, tasks)
                return errors + lost
    raise ValueError(f"no step is called {step}")
