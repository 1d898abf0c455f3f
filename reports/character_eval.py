"""CharacterEval's own forms: the published table, and the original's four files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.rows import AggregateRow
from reports.layout import number
from reports.width import column_widths, padded

TASK = "charactereval"
METRIC = "reward_model"
# Groups and, within them, dimensions in the order of the published table, with its abbreviations.
PUBLISHED: Mapping[str, Mapping[str, str]] = {
    "Character consistency": {
        "Exposure": "KE",
        "Accuracy": "KA",
        "Hallucination": "KH",
        "Behavior": "PB",
        "Utterance": "PU",
    },
    "Conversational ability": {"Fluency": "Flu.", "Coherence": "Coh.", "Consistency": "Cons."},
    "Role-playing attractiveness": {
        "Humanlikeness": "HL",
        "Communication_skills": "CS",
        "Diversity": "ED",
        "Empathy": "Emp.",
    },
}
_OVERALL = "Overall"
_DIMENSION, _GROUP = "metric_en=", "group="
_LEGEND = (
    "Dimensions as in the published table (Tu et al. 2024): knowledge exposure, accuracy and hallucination, persona "
    "behavior and utterance, average; fluency, coherence, consistency, average; human-likeness, communication skills, "
    "expression diversity, empathy, average. An average is the unweighted mean of its dimensions; overall, of all "
    "twelve. Standard errors and errors stand in the table by slice."
)


def group_average(scores: Mapping[str, float], group: str) -> float:
    """The unweighted mean of a group's dimensions, as the published table has it."""
    dimensions = PUBLISHED[group]
    return sum(scores[name] for name in dimensions) / len(dimensions)


def published_lines(rows: Iterable[AggregateRow]) -> list[list[str]]:
    """The published table's lines, its heading first: one a model, and a metric's label if there are several.

    Figures have three decimals; a dash stands where there is none.
    """
    figures: dict[str, dict[str, float | None]] = {}
    for row in rows:
        if row.task == TASK and row.metric.partition(":")[0] == METRIC and row.slice is not None:
            label = row.metric.partition(":")[2]
            line = f"{row.model} ({label})" if label else row.model
            figures.setdefault(line, {})[row.slice] = number(row.value)
    if not figures:
        return []
    heading = ["Model"]
    wanted: list[str] = []
    for group, dimensions in PUBLISHED.items():
        heading += [*dimensions.values(), "Avg."]
        wanted += [*(_DIMENSION + name for name in dimensions), _GROUP + group]
    wanted.append(_GROUP + _OVERALL)
    lines = [[*heading, _OVERALL]]
    for name, by_slice in figures.items():
        values = [by_slice.get(part) for part in wanted]
        lines.append([name, *("–" if value is None else f"{value:.3f}" for value in values)])
    return lines


def legend() -> str:
    """What the abbreviations of the published table mean."""
    return _LEGEND


def eval_scores_text(scores: Mapping[str, float]) -> str:
    """llm_evaluation's file of figures: `name: value` a line, names at the right, two decimals."""
    names = list(scores)
    width = max(column_widths([[name] for name in names]), default=0)
    return "\n".join(f"{padded(name, width, right=True)}: {scores[name]:.2f}" for name in names)


def json_array(records: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """The parts of a JSON array as the original writes it: four spaces of indentation, characters unescaped."""
    separator = "[\n"
    for record in records:
        text = json.dumps(record, ensure_ascii=False, indent=4)
        yield separator + "\n".join("    " + line for line in text.split("\n"))
        separator = ",\n"
    yield "[]" if separator == "[\n" else "\n]"


def generation_record(document: Mapping[str, Any], response: str | None) -> dict[str, Any]:
    """An example as the original stores it, with the model's answer; None where there is none."""
    return {**_example(document), "model_output": response}


def dimension_record(document: Mapping[str, Any], response: str, scores: Sequence[float | None] = ()) -> dict[str, Any]:
    """An example on one dimension, and perhaps its score under the dimension's name."""
    name = document["metric_en"]
    record = {**generation_record(document, response), "metric_en": name, "metric_zh": document["metric_zh"]}
    for score in scores:
        record[name] = score
    return record


def _example(document: Mapping[str, Any]) -> dict[str, Any]:
    joined = ("profile", "dimensions", "metric_en", "metric_zh")
    return {name: value for name, value in document.items() if name not in joined}
