"""Step 1: ask the models. Calls that the memo lacks go to the engine; views are written from the memo."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby

from models.engine import Engine
from pipeline.console import log_detail, say
from pipeline.errors import StorageError
from pipeline.fingerprint import canonical, digest
from pipeline.interrupts import at_interrupt
from pipeline.lock_file import Basis, Entry, LockFile
from pipeline.memo import Failure, Memo, MemoReader
from pipeline.os_locks import one_configuration
from pipeline.progress import Progress
from pipeline.requests import CallFailure, GenerateResult, Request, Result, ScoreResult
from pipeline.rows import encode_row
from pipeline.views import ViewSummary, ViewWriter
from steps.calls import Call
from steps.chained import now, view_reasons
from steps.context import Context
from steps.lazy_engine import LazyEngine
from steps.manifest import write_manifest
from steps.partial_view import PartialView
from steps.prompt_texts import PromptTexts
from steps.step1_plan import Step1Plan, distinct
from steps.step1_rows import decode_result, encode_result, make_row
from steps.step1_summary import say_summary
from steps.units import Unit, claim
from steps.write_out import show_tasks
from tasks.task import Example

_ROWS_AT_ONCE = 500


def generate(plan: Step1Plan, context: Context) -> int:
    """Bring the views of step 1 up to date; the number of error rows in them. Raises EvaluationError."""
    with (
        one_configuration(context.folder.os_lock("step1"), digest(plan.configuration()), context.about()),
        Memo(context.folder.memo) as memo,
        at_interrupt(memo.flush),
        LazyEngine(plan, context) as engine,
    ):
        if memo.network:
            say(f"{memo.path} is on a network file system: the memo uses SQLite's rollback journal, which is slower")
        write_manifest(context.folder, plan.manifest())
        texts = PromptTexts(plan.settings, lambda: plan.tokenizer_folder)
        show_tasks(plan.tasks.tasks, plan.settings, plan.prompt_settings, texts)
        plan.try_prompts({unit.task.name: unit.task for unit in plan.units if reasons(plan, unit, context)}.values())
        calls: Counter[str] = Counter()
        with closing(claim(context.folder, "step1", plan.units, lambda unit: reasons(plan, unit, context))) as units:
            for unit in units:
                work = _UnitWork(unit, plan, context, memo, engine)
                work.run()
                calls.update(made=work.made, found=work.found)
    found = {
        (unit.model, unit.task.name): LockFile(context.folder, "step1", unit.model).get(unit.task.name)
        for unit in plan.units
    }
    entries = {key: entry for key, entry in found.items() if entry is not None}
    return say_summary(entries, calls["made"], calls["found"])


def reasons(plan: Step1Plan, unit: Unit, context: Context) -> list[str]:
    """Why the unit's view is not what the plan gives; none where it is fresh."""
    entry = LockFile(context.folder, "step1", unit.model).get(unit.task.name)
    stale = view_reasons("step1", unit, plan.basis(unit), context)
    if not stale and entry is not None and entry.counts.get("given_up"):
        before, now_allowed = entry.run["configuration"]["max_attempts"], plan.settings.max_attempts
        if now_allowed > before:
            return [f"max_attempts: {before} -> {now_allowed}, and {entry.counts['given_up']} calls were given up"]
    return stale


def unanswered(every: Mapping[str, Call], memo: MemoReader, max_attempts: int) -> list[Call]:
    """The calls that a run would make: without a result, and not given up after `max_attempts` failures."""
    known = memo.known(every)
    failures = memo.failures(every.keys() - known)
    return [
        call
        for key, call in every.items()
        if key not in known and (key not in failures or failures[key].retry(max_attempts))
    ]


@dataclass
class _UnitWork:
    """One model on one task, under its lock."""

    unit: Unit
    plan: Step1Plan
    context: Context
    memo: Memo
    engine: LazyEngine
    made: int = 0  # calls
    found: int = 0  # calls that the memo knew
    tokens: Counter[str] = field(default_factory=Counter)
    errors: dict[str, tuple[int, str]] = field(default_factory=dict)  # kind -> rows, and one of their messages

    def run(self) -> None:
        """Ask what is missing, then write the view. What is asked is in the memo before anything else happens."""
        began = time.monotonic()
        examples, calls = self.plan.examples(self.unit.task), self.plan.calls(self.unit)
        every = distinct(calls)
        missing = unanswered(every, self.memo, self.plan.settings.max_attempts)
        self.found = len(every) - len(missing)
        lock = LockFile(self.context.folder, "step1", self.unit.model)
        basis = self.plan.basis(self.unit)
        entry = self._entry(lock, basis)
        lock.put(self.unit.task.name, entry)
        spent, made_before = entry.seconds, entry.counts.get("made", 0)
        try:
            if missing:
                self._ask(missing, examples, calls)
            self.memo.flush()
            entry.view, counts = self._write(examples, calls)
            entry.run |= {"engines": self.memo.engine_versions(every), "errors": self.errors}
            entry.state, entry.finished = "done", now()
            entry.counts = dict(counts | Counter(calls=len(every), memo=self.found))
        except BaseException as error:  # an interrupted run's time, calls and tokens count too
            try:
                self._note_end(lock, entry, spent + time.monotonic() - began, made_before)
            except StorageError as failure:  # what ended the work says more
                error.add_note(str(failure))
            raise
        self._note_end(lock, entry, spent + time.monotonic() - began, made_before)

    def _note_end(self, lock: LockFile, entry: Entry, seconds: float, made_before: int) -> None:
        entry.seconds = round(seconds, 3)
        entry.counts["made"] = made_before + self.made
        entry.tokens = dict(Counter(entry.tokens) + self.tokens)
        entry.run |= self.engine.record()
        lock.put(self.unit.task.name, entry)

    def _entry(self, lock: LockFile, basis: Basis) -> Entry:
        """A new entry, or that of an interrupted run of the same basis, whose time and tokens go on counting."""
        entry = lock.get(self.unit.task.name)
        if entry is not None and entry.state == "running" and entry.basis.fingerprint() == basis.fingerprint():
            entry.run = dict(self.context.record)
            return entry
        return Entry(state="running", basis=basis, run=dict(self.context.record), started=now())

    def _ask(self, missing: Sequence[Call], examples: Sequence[Example], calls: Sequence[Sequence[Call]]) -> None:
        engine = self.engine.open()
        versions = canonical(engine.versions).decode()
        planned = self.plan.model(self.unit.model)
        requests = [call.request(planned.record.name if planned.adapter else None) for call in missing]
        path = self.context.folder.view("step1", self.unit.model, self.unit.task.name)

        def row(position: int, results: Mapping[str, Result]) -> bytes:
            return self._row(examples[position], calls[position], results)

        label = f"step1 {self.unit.task.name} of {self.unit.model}"
        partial = PartialView(path.with_name(path.name + ".partial"), calls, (call.key for call in missing), row)
        with partial, Progress(label, len(requests), unit="calls") as progress:
            for result in _answers(engine, requests):
                self._keep(result, versions)
                partial.add(result)
                progress.advance(1, _tokens(result))

    def _keep(self, result: Result, versions: str) -> None:
        self.made += 1
        log_detail(f"answered {result.key}")
        if isinstance(result, CallFailure):
            self.memo.put_failure(result.key, result.type, result.message, result.deterministic)
            return
        self.memo.put(result.key, type(result).__name__, encode_result(result), versions)
        self.tokens["prompt"] += result.prompt_tokens
        self.tokens["completion"] += _completion(result)

    def _row(self, example: Example, calls: Sequence[Call], results: Mapping[str, Result]) -> bytes:
        keys = [call.key for call in calls]
        found: dict[str, Result] = {key: results[key] for key in keys if key in results}
        rest = [key for key in keys if key not in found]
        if rest:
            found |= {key: decode_result(value) for key, value in self.memo.get(rest).items()}
        failures = {
            key: Failure(result.type, result.message, result.deterministic, 1)
            for key, result in found.items()
            if isinstance(result, CallFailure)
        }
        return encode_row(make_row(self.unit.model, self.unit.task.name, example, calls, found, failures))

    def _write(self, examples: Sequence[Example], calls: Sequence[Sequence[Call]]) -> tuple[ViewSummary, Counter[str]]:
        """The view, in document order, from the memo alone."""
        counts: Counter[str] = Counter()
        with ViewWriter(self.context.folder.view("step1", self.unit.model, self.unit.task.name)) as writer:
            for start in range(0, len(examples), _ROWS_AT_ONCE):
                stop = start + _ROWS_AT_ONCE
                lot = list(zip(examples[start:stop], calls[start:stop], strict=True))
                keys = [call.key for _, group in lot for call in group]
                results = {key: decode_result(value) for key, value in self.memo.get(keys).items()}
                failures = self.memo.failures(key for key in keys if key not in results)
                attempts = self.plan.settings.max_attempts
                lost = set(keys) - results.keys() - failures.keys()  # pruned meanwhile, or never answered
                counts["retryable"] += len(lost) + sum(failure.retry(attempts) for failure in failures.values())
                counts["given_up"] += sum(not failure.retry(attempts) for failure in failures.values())
                for example, group in lot:
                    row = make_row(self.unit.model, self.unit.task.name, example, group, results, failures)
                    counts["rows"] += 1
                    if row.error is not None:
                        counts["errors"] += 1
                        count, message = self.errors.get(row.error.type, (0, row.error.message))
                        self.errors[row.error.type] = (count + 1, message)
                    counts["truncated"] += any(request.truncated_tokens for request in row.requests)
                    writer.write(encode_row(row))
            return writer.commit(), counts


def _answers(engine: Engine, requests: Sequence[Request]) -> Iterator[Result]:
    """The engine's answers, one method a kind of request."""
    ask: dict[str, Callable[..., Iterator[Result]]] = {
        "GenerateRequest": engine.generate,
        "ScoreRequest": engine.loglikelihood,
        "RollingRequest": engine.loglikelihood_rolling,
        "NextTokenRequest": engine.next_token,
    }
    by_kind = sorted(requests, key=lambda request: type(request).__name__)
    for kind, group in groupby(by_kind, key=lambda request: type(request).__name__):
        yield from ask[kind](list(group))


def _completion(result: GenerateResult | ScoreResult) -> int:
    tokens = result.completion_tokens
    return tokens if isinstance(tokens, int) else sum(tokens)


def _tokens(result: Result) -> int:
    return 0 if isinstance(result, CallFailure) else result.prompt_tokens + _completion(result)
