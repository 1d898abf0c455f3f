"""Which models were not asked as the baseline was: a note beside each difference, and sentences for the whole run."""

from __future__ import annotations

from collections.abc import Sequence

from reports.faults import listed
from reports.run_results import Comparison, RunResults


def prompts_note(difference: Comparison) -> str:
    """`12 of 100 documents with other prompts`; empty where all were asked alike."""
    if not difference.other_prompts:
        return ""
    return f"{difference.other_prompts} of {difference.documents} documents with other prompts"


def other_prompts_sentences(results: RunResults) -> list[str]:
    """A sentence for each model that was asked otherwise than the baseline, without its full stop."""
    sentences = []
    for model in (one.name for one in results.models):
        tasks = {one.task: one for one in results.comparisons if one.model == model and one.other_prompts}
        found = [one for task, one in tasks.items() if task not in results.groups]
        if found:
            sentences.append(_sentence(model, results.baseline, found))
    templates = results.other_tokenizers
    if templates:
        verb = "were" if len(templates) > 1 else "was"
        names = listed(templates, "model")
        sentences.append(f"{names} {verb} asked through another tokenizer or chat template than {results.baseline}")
    return sentences


def _sentence(model: str, baseline: str | None, tasks: Sequence[Comparison]) -> str:
    count, documents = sum(one.other_prompts for one in tasks), sum(one.documents for one in tasks)
    names = listed((one.task for one in tasks), "task")
    asked = f"{count} of {documents} documents of {names} were asked of {model} with other prompts than of {baseline}"
    return f"{asked}: the difference is not the model's alone"
