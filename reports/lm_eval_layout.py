"""lm-evaluation-harness's result files in the form of its version 0.4.13: names, keys, hashes. Text alone.

Which rows, figures and surroundings go into them is for `steps/step4_lm_eval_*.py` to know.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.rows import AggregateRow
from reports.layout import number

VERSION = "0.4.13"
NOTHING = "N/A"  # a standard error that is not defined, a group without a version
PREDICTED = 999  # what the harness gives as the figure of a task that is not scored

Figures = dict[str, Any]  # of one task or group: "metric,filter" -> value, beside name, alias and sample_len


def model_folder_name(name: str) -> str:
    """The folder of a model's files: its path or hub name without what file names cannot hold."""
    return re.sub(r'["<>:/|\\?*\[\]]+', "__", name)


def time_stamp(moment: datetime) -> str:
    """What tells the files of one writing from those of another; they sort by it."""
    return moment.isoformat().replace(":", "-")


def results_name(stamp: str) -> str:
    return f"results_{stamp}.json"


def samples_name(task: str, stamp: str) -> str:
    return f"samples_{task.replace('/', '_')}_{stamp}.jsonl"


def text_hash(text: str) -> str:
    """sha256 in hexadecimal of the text in UTF-8."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Sample:
    """One document under one filter pipeline. `responses` are, for each request, those of its repetitions."""

    index: int
    document: Any
    target: Any
    arguments: Sequence[tuple[Any, ...]]
    responses: Sequence[Sequence[Any]]
    filtered: Sequence[Any]
    filter: str
    values: Mapping[str, Any]


def sample_record(sample: Sample) -> dict[str, Any]:
    """A line of a task's samples file: responses and target as text, a hash of each part, each value under its name."""
    first = sample.arguments[0][0]
    return {
        "doc_id": sample.index,
        "doc": sample.document,
        "target": str(sample.target),
        "arguments": {
            f"gen_args_{number_}": {f"arg_{position}": part for position, part in enumerate(parts)}
            for number_, parts in enumerate(sample.arguments)
        },
        "resps": _as_texts(sample.responses),
        "filtered_resps": _as_texts(sample.filtered),
        "filter": sample.filter,
        "metrics": list(sample.values),
        "doc_hash": text_hash(json.dumps(sample.document, indent=2, default=_plain, ensure_ascii=False)),
        "prompt_hash": text_hash(first),
        "target_hash": text_hash(str(sample.target)),
        **sample.values,
    }


def record_hashes(record: Mapping[str, Any]) -> str:
    """What of a sample goes into its task's hash."""
    return f"{record['doc_hash']}{record['prompt_hash']}{record['target_hash']}"


def json_line(record: Mapping[str, Any]) -> bytes:
    """A line of JSONL; NaN and infinities stand in it as Python writes them."""
    return json.dumps(record, default=_plain, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def task_figures(name: str, alias: str | None, rows: Iterable[AggregateRow]) -> Figures:
    """The figures of one task over all its documents, each with its standard error."""
    whole = [row for row in rows if row.slice is None and row.value is not None]
    figures: Figures = {"name": name, "alias": alias or name, "sample_len": max((row.n for row in whole), default=0)}
    for row in whole:
        figures |= figure(row.metric, row.filter, number(row.value), number(row.se))
    return figures


def predicted_figures(name: str, alias: str | None, filters: Iterable[str], count: int) -> Figures:
    """The same of a task that is not scored. The harness has a line a filter for generated answers alone: `filters`
    are none, and `count` is 0, for a task whose answers are log-likelihoods."""
    figures: Figures = {"name": name, "alias": alias or name, "sample_len": count}
    for filter_name in filters:
        figures |= figure("bypass", filter_name, PREDICTED, None)
    return figures


def figure(metric: str, filter_name: str, value: float | None, error: float | None) -> Figures:
    return {
        f"{metric},{filter_name}": value,
        f"{metric}_stderr,{filter_name}": NOTHING if error is None else error,
    }


@dataclass(frozen=True)
class Evaluation:
    """All of one model's results file. `results` holds tasks, then groups from the inside; others are by name."""

    results: Mapping[str, Figures]
    averaged_groups: Sequence[str]  # those of which figures are averaged
    subtasks: Mapping[str, Sequence[str]]  # of each group, the outer ones first
    configs: Mapping[str, Mapping[str, Any]]
    versions: Mapping[str, Any]
    shots: Mapping[str, int]
    directions: Mapping[str, Mapping[str, bool | None]]  # metric -> whether higher is better
    counts: Mapping[str, Mapping[str, int]]  # original, effective
    config: Mapping[str, Any]  # of model and run
    surroundings: Mapping[str, Any]
    task_hashes: Mapping[str, str]
    experiment: Mapping[str, Any]  # what the harness's tracker knows of model and prompts


def results_json(evaluation: Evaluation) -> str:
    """The text of results_<time>.json."""
    groups = {name: evaluation.results[name] for name in evaluation.averaged_groups}
    content = {
        "results": evaluation.results,
        **({"groups": groups} if groups else {}),
        "group_subtasks": evaluation.subtasks,
        "configs": _sorted(evaluation.configs),
        "versions": _sorted(evaluation.versions),
        "n-shot": _sorted(_with_groups_shots(evaluation)),
        "higher_is_better": _sorted(_with_groups_directions(evaluation)),
        "n-samples": evaluation.counts,
        "config": evaluation.config,
        **evaluation.surroundings,
        "task_hashes": evaluation.task_hashes,
        **evaluation.experiment,
    }
    return json.dumps(content, indent=2, default=_plain, ensure_ascii=False)


def _with_groups_shots(evaluation: Evaluation) -> dict[str, int]:
    """A group has the number of examples that its members share; members that are outer groups are not known yet."""
    shots = dict(evaluation.shots)
    for name, members in evaluation.subtasks.items():
        known = {shots[member] for member in members if member in shots}
        if len(known) == 1:
            shots[name] = known.pop()
    return shots


def _with_groups_directions(evaluation: Evaluation) -> dict[str, Mapping[str, bool | None]]:
    """A group has its members' metrics; None stands where members disagree."""
    directions = dict(evaluation.directions)
    for name, members in evaluation.subtasks.items():
        merged: dict[str, bool | None] = {}
        for member in members:
            for metric, higher in directions.get(member, {}).items():
                merged[metric] = higher if merged.get(metric, higher) == higher else None
        if merged:
            directions[name] = merged
    return directions


def _sorted(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return dict(sorted(mapping.items()))


def _as_texts(value: Any) -> Any:
    return [_as_texts(one) for one in value] if isinstance(value, (list, tuple)) else str(value)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, set) else str(value)
