"""Step 2: what of each answer counts. Filter pipelines reduce raw responses to values; no model is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

import filters  # noqa: F401  # registers them all
from filters.registry import Filter, build_pipeline
from pipeline.config import Step2Settings
from pipeline.execution import Chunk, Spec
from pipeline.rows import encode_row
from pipeline.views import decode_line, lines_of, open_view
from steps.context import Context
from steps.line_step import Failures, LinesDone, LineStep, count_in
from steps.step2_expansion import expanded
from steps.step2_requests import each_request
from steps.step2_rows import Generated, filtered_row
from steps.step2_together import WholeValues
from steps.step2_whole_task import WholePipeline, is_own
from steps.task_functions import task_functions, unpacked
from tasks.seeds import Seeds
from tasks.task import Expansion, Task


def postprocess(settings: Step2Settings) -> LineStep:
    """The step under `settings`."""

    def spec(task: Task, context: Context) -> Spec:
        pipelines = {
            pipeline.name: [[step.name, step.arguments] for step in pipeline.steps] for pipeline in task.filters
        }
        own = {name: [list(step) for step in steps] for name, steps in run_pipelines(settings).items()}
        expand = {"expand": asdict(task.expand)} if task.expand else {}
        requests = {"each_request": True} if task.scorer is not None else {}
        return {"task": task.name, "filters": pipelines | own, **expand, **requests, **_own_code(task)}

    return LineStep(name="step2", version=4, spec=spec, build=build, build_together=build_together)


def _own_code(task: Task) -> Spec:
    """What the spec says of filters that are the task's own code; nothing for most tasks."""
    functions = task_functions(task)
    names = [step.name for pipeline in task.filters for step in pipeline.steps]
    if not any(is_own(name, functions) for name in names):
        return {}
    code = {key: code.content for key, code in task.code.items()}
    return {"whole_task": True, "code": code, "seeds": vars(task.seeds)}


def run_pipelines(settings: Step2Settings) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """The filter pipelines that the run adds to every task: a filter's name and its arguments, in order."""
    return {
        name: [(str(step.get("function", "")), _without(step, "function")) for step in steps]
        for name, steps in settings.filters.items()
    }


def build(spec: Spec) -> Callable[[Chunk], LinesDone]:
    """From a spec, the function from lines of step 1 to lines of step 2."""
    pipelines = {
        name: build_pipeline([(function, arguments) for function, arguments in steps])
        for name, steps in spec["filters"].items()
    }
    rows = _Rows(spec, pipelines)
    return lambda chunk: rows.done(chunk)


def build_together(spec: Spec) -> Iterator[LinesDone]:
    """The lines of step 2 for a task with a filter that sees the whole of it, chunk by chunk."""
    functions = unpacked(spec["functions"])
    whole, apart = dict[str, WholePipeline](), dict[str, Filter]()
    for name, steps in spec["filters"].items():
        if any(is_own(function, functions) for function, _ in steps):
            whole[name] = WholePipeline(steps, functions)
        else:
            apart[name] = build_pipeline(steps)
    rows = _Rows(spec, apart)
    with open_view(Path(spec["source"])) as view:  # once: a view that is replaced meanwhile is not read
        Seeds(**spec["seeds"]).sow()
        values = WholeValues(view, spec, whole)
        for chunk in lines_of(view):
            yield rows.done(chunk, values)


class _Rows:
    """From lines of step 1 to lines of step 2, under a spec and its filter pipelines."""

    def __init__(self, spec: Spec, pipelines: Mapping[str, Filter]) -> None:
        self._spec = spec
        self._pipelines = pipelines
        if "each_request" in spec:
            self._pipelines = {name: each_request(pipeline) for name, pipeline in pipelines.items()}
        self._decoder = msgspec.json.Decoder(Generated)
        self._expansion = Expansion(**spec["expand"]) if "expand" in spec else None

    def done(self, chunk: Chunk, whole: WholeValues | None = None) -> LinesDone:
        """The chunk's lines; with the values of pipelines that have seen the whole task."""
        number, lines = chunk
        counts: Counter[str] = Counter(documents=len(lines), errors=0)
        errors: Failures = {}
        encoded = []
        for offset, line in enumerate(lines):
            row = decode_line(self._decoder, line, self._spec["source"], number + offset, self._spec["remake"])
            filtered = filtered_row(row, self._spec, self._pipelines)
            if whole is not None:
                whole.add(row, filtered)
            rows = [filtered]
            if self._expansion is not None:
                rows = expanded(filtered, [request.text for request in row.requests], self._expansion)
                counts["not_expanded"] += not rows
            for one in rows:
                if one.error is not None:
                    counts["errors"] += 1
                    count_in(errors, {one.error.type: (1, one.error.message)})
                counts["parse_failed"] += bool(one.flags.get("parse_failed"))
                encoded.append(encode_row(one))
        return LinesDone(b"".join(encoded), len(encoded), dict(counts), errors=errors)


def _without(mapping: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key != name}
