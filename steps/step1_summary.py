"""What step 1 says at its end: views, calls, cut prompts, errors. From the lock file's entries; it counts nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from pipeline.console import say, warn
from pipeline.lock_file import Entry
from pipeline.near import listed
from steps.chained import say_errors, up_to_date

_NAMED = 3  # tasks


def say_summary(entries: Mapping[tuple[str, str], Entry], made: int, found: int) -> int:
    """Say how the views stand, by model and task; the number of error rows in them.

    `made` and `found`: the calls that this command made, and those that it found in the memo.
    """
    errors = sum(entry.counts.get("errors", 0) for entry in entries.values())
    calls = f"{made} call{'s' * (made != 1)} made, {found} found in the memo" if made or found else "no calls needed"
    say(f"{up_to_date('step1', len(entries), errors)}; {calls}")
    cut: Counter[str] = Counter()
    for (_, task), entry in entries.items():
        cut[task] += entry.counts.get("truncated", 0)
    if cut.total():
        warn(_cut_prompts(cut))
    say_errors(entries.values())
    return errors


def _cut_prompts(cut: Counter[str]) -> str:
    """How many prompts were cut, and of which tasks most."""
    tasks = [f"{task} ({count})" for task, count in cut.most_common() if count]
    total = cut.total()
    cut_off = f"{total} prompt{'s' * (total != 1)} cut from the left, to fit the model's max_length"
    return f"{cut_off}: {listed(tasks, _NAMED, 'task')}"
