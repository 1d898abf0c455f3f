"""The result files of llm_evaluation, for scripts that read them: their names, keys and forms. Text alone.

Which rows and figures go into them is `steps/step4_llm_evaluation.py`'s to know.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reports.table import escaped, markdown_table
from reports.width import column_widths, padded

# a value's name among this project's metrics -> its key in predict_results.json
PREDICT_KEYS = {
    "bleu-4": "predict_bleu-4",
    "rouge-1": "predict_rouge-1",
    "rouge-2": "predict_rouge-2",
    "rouge-l": "predict_rouge-l",
}
SIMILARITY = "semantic_similarity"
BENCHMARKS = ("mmlu", "cmmlu", "ceval")
_COLUMNS = (
    "rouge-1",
    "rouge-2",
    "rouge-l",
    "samples_per_second",
    "steps_per_second",
    "sem_sim_score",
    *(f"avg_{name}" for name in BENCHMARKS),
)


@dataclass(frozen=True)
class Speed:
    """How fast a model answered: seconds, and answers a second; None where none was generated anew."""

    seconds: float
    per_second: float | None


@dataclass(frozen=True)
class ModelSummary:
    """One model's figures: means over its predictions, its speed, and its accuracy in percent on each benchmark."""

    model: str
    means: Mapping[str, float] = field(default_factory=dict)
    speed: Speed | None = None
    accuracies: Mapping[str, float] = field(default_factory=dict)


def prediction_line(label: str, predict: str, score: float | None) -> bytes:
    """A line of generated_predictions.jsonl; `score` is the row's semantic similarity, where it was computed."""
    record: dict[str, Any] = {"label": label, "predict": predict}
    if score is not None:
        record["score"] = score
    return json.dumps(record, ensure_ascii=False).encode("utf-8") + b"\n"


def predict_results_json(means: Mapping[str, float], speed: Speed, *, similarity: bool) -> str:
    """predict_results.json, or all_results.json, which lacks the `similarity` that is computed later there.

    A step there is a batch of one answer, and so it is here: steps_per_second equals samples_per_second.
    """
    results: dict[str, float | None] = {key: means[name] for name, key in PREDICT_KEYS.items() if name in means}
    results["predict_runtime"] = round(speed.seconds, 4)
    results["predict_samples_per_second"] = speed.per_second
    results["predict_steps_per_second"] = speed.per_second
    if similarity and SIMILARITY in means:
        results["avg_sem_sim_score"] = means[SIMILARITY]
    return json.dumps(results, indent=4, ensure_ascii=False)


def letters_json(letters: Mapping[str, Mapping[int, str]]) -> str:
    """A benchmark's results.json: subject -> index of the question, as text -> the letter answered."""
    content = {subject: {str(index): letter for index, letter in given.items()} for subject, given in letters.items()}
    return json.dumps(content, indent=2, ensure_ascii=False)


def accuracies_log(accuracies: Mapping[str, float | None]) -> str:
    """A benchmark's results.log: names at the right, percent with two decimals, no line break at the end."""
    width = max(column_widths([[name] for name in accuracies]), default=0)
    return "\n".join(
        f"{padded(name, width, right=True)}: {'nan' if value is None else f'{value:.2f}'}"
        for name, value in accuracies.items()
    )


def results_table_csv(summaries: Iterable[ModelSummary]) -> str:
    """llm_evaluation.csv: a row a model, all digits, an empty field for what was not measured."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(("model", *_COLUMNS))
    for summary in summaries:
        figures = _figures(summary)
        writer.writerow([summary.model, *("" if figures[name] is None else figures[name] for name in _COLUMNS)])
    return text.getvalue()


def results_table_markdown(summaries: Sequence[ModelSummary]) -> str:
    """The same table as a section of results.md, without the columns that no model has."""
    figures = {summary.model: _figures(summary) for summary in summaries}
    columns = [name for name in _COLUMNS if any(one[name] is not None for one in figures.values())]
    lines = [["Model", *columns]]
    for model, one in figures.items():
        lines.append([escaped(model), *(_shown(one[name], name) for name in columns)])
    return f"## llm_evaluation\n\n{markdown_table(lines)}\n\n{_note(columns)}"


def _note(columns: Sequence[str]) -> str:
    """The units of the columns that are there."""
    parts = ["`sem_sim_score` is a mean cosine"] if "sem_sim_score" in columns else []
    parts += ["speeds are of answers generated anew"] if "samples_per_second" in columns else []
    parts.append("the rest is in percent" if parts else "in percent")
    text = ", ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _figures(summary: ModelSummary) -> dict[str, float | None]:
    speed = summary.speed.per_second if summary.speed else None
    return {
        **{name: summary.means.get(name) for name in ("rouge-1", "rouge-2", "rouge-l")},
        "samples_per_second": speed,
        "steps_per_second": speed,
        "sem_sim_score": summary.means.get(SIMILARITY),
        **{f"avg_{name}": summary.accuracies.get(name) for name in BENCHMARKS},
    }


def _shown(value: float | None, column: str) -> str:
    if value is None:
        return "–"
    return f"{value:.4f}" if column == "sem_sim_score" else f"{value:.2f}"
