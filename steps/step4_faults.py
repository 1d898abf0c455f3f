"""Step 4's count of what went wrong with one model's rows on one task, and why. Reads rows; the texts are reports'."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from pipeline.errors import in_short
from pipeline.rows import ErrorRecord, Status, to_plain
from reports.run_results import Faults, Reason

_MISSING = (None, to_plain(math.nan))
_KINDS = 5  # of reasons, the commonest
_MESSAGES = 1000  # different ones of a kind that are told apart: a million rows may each have their own


class _Row(Protocol):
    """What is read of a `ScoredRow`."""

    status: Status
    error: ErrorRecord | None
    values: dict[str, Any]
    flags: dict[str, Any]


class FaultCount:
    """The faults of rows under all filters."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._parse_failed: Counter[str] = Counter()
        self._valued = 0  # rows that metrics were asked to value, under all filters
        self._errors: dict[str, _Messages] = {}
        self._failed: dict[str, dict[str, _Messages]] = {}  # by metric, by the kind of what it raised
        self._first_filter: str | None = None

    def add(self, filter_name: str, rows: Sequence[_Row]) -> None:
        """Take rows of one filter in. Faults of the request count under the first: every filter has each document."""
        self._parse_failed[filter_name] += sum(bool(row.flags.get("parse_failed")) for row in rows)
        self._counts["missing"] += sum(value in _MISSING for row in rows for value in row.values.values())
        self._valued += sum(row.status == "ok" for row in rows)
        self._add_failures(row.flags["metric_errors"] for row in rows if "metric_errors" in row.flags)
        if self._first_filter is None:
            self._first_filter = filter_name
        if filter_name != self._first_filter:
            return
        self._counts["documents"] += len(rows)
        self._counts["truncated"] += sum(bool(row.flags.get("truncated_prompt")) for row in rows)
        self._counts["cut"] += sum(row.flags.get("finish_reason") == "length" for row in rows)
        self._counts["errors"] += sum(row.status == "error" for row in rows)
        for row in rows:
            if row.error is not None:
                self._errors.setdefault(row.error.type, _Messages()).add(row.error.message)

    def _add_failures(self, failures: Iterable[Mapping[str, str]]) -> None:
        for by_metric in failures:
            for metric, reason in by_metric.items():
                kind, _, message = reason.partition(": ")
                self._failed.setdefault(metric, {}).setdefault(kind, _Messages()).add(message)

    def faults(self, model: str, task: str) -> Faults:
        """The counts as the reports take them."""
        reasons = [messages.reason(kind) for kind, messages in self._errors.items()]
        lost = {}
        for metric, by_kind in self._failed.items():
            reasons += [messages.reason(f"{metric} failed: {kind}") for kind, messages in by_kind.items()]
            if sum(messages.count for messages in by_kind.values()) == self._valued:
                kind, messages = max(by_kind.items(), key=lambda item: item[1].count)
                lost[metric] = ": ".join(part for part in (kind, messages.commonest()) if part)
        return Faults(
            model=model,
            task=task,
            documents=self._counts["documents"],
            errors=self._counts["errors"],
            truncated=self._counts["truncated"],
            cut=self._counts["cut"],
            missing=self._counts["missing"],
            parse_failed={name: count for name, count in self._parse_failed.items() if count},
            reasons=sorted(reasons, key=lambda reason: -reason.count)[:_KINDS],
            lost=lost,
        )


class _Messages:
    """How many rows have a reason of one kind, and its messages."""

    def __init__(self) -> None:
        self.count = 0
        self._messages: Counter[str] = Counter()

    def add(self, message: str) -> None:
        self.count += 1
        if message in self._messages or len(self._messages) < _MESSAGES:
            self._messages[message] += 1

    def commonest(self) -> str:
        (message, _), *_ = self._messages.most_common(1)
        return in_short(message)

    def reason(self, what: str) -> Reason:
        return Reason(what, self.count, self.commonest(), alike=len(self._messages) == 1)
