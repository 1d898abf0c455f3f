"""What a report is made of: a run's figures, comparisons, distributions and faults. Definitions alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.rows import AggregateRow

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
Groups = Mapping[str, Sequence[str]]  # a group's name -> its members, tasks or groups, in order


@dataclass(frozen=True)
class ReportedModel:
    """A model of the run. `series` is the training that a checkpoint belongs to, one line of a learning curve."""

    name: str
    training_step: int | None = None
    series: str = ""


@dataclass(frozen=True)
class Comparison:
    """A model's figure less that of the baseline over `n` documents that both have, with error and interval.

    `lost` and `lost_baseline`: values that the model, or the baseline, alone does not have. `documents`: those
    that both have answered; `other_prompts`: how many of them were asked with another prompt than the baseline's.
    """

    model: str
    task: str
    metric: str
    filter: str
    value: float | None
    n: int = 0
    se: float | None = None
    low: float | None = None
    high: float | None = None
    method: str | None = None
    lost: int = 0
    lost_baseline: int = 0
    other_prompts: int = 0
    documents: int = 0

    @property
    def clear(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


@dataclass(frozen=True)
class Reason:
    """Why `count` rows have an error or no value: the kind, and the commonest message, perhaps of several."""

    what: str
    count: int
    message: str
    alike: bool = True  # whether there is no other message


@dataclass(frozen=True)
class Faults:
    """What went wrong with one model's rows on one task; `documents` counts them all.

    `truncated`: prompts cut to the model's length; `cut`: answers ended by the token limit; `missing`: values that a
    metric could not give; `parse_failed` by filter; `reasons` of the error rows and of the rows that a metric failed
    on, the commonest first; `lost`: the metrics that failed on every row, with the commonest reason of each.
    """

    model: str
    task: str
    documents: int
    errors: int = 0
    truncated: int = 0
    cut: int = 0
    missing: int = 0
    parse_failed: Mapping[str, int] = field(default_factory=dict)
    reasons: Sequence[Reason] = ()
    lost: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Spread:
    """How one model's values are spread: their number, mean, `QUANTILES`, and counts in the common bins."""

    n: int
    mean: float
    quantiles: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Distribution:
    """The values a row of one metric, by model, counted in bins with these edges, one more than there are bins."""

    task: str
    metric: str
    edges: tuple[float, ...]
    spreads: Mapping[str, Spread]


@dataclass(frozen=True)
class RunResults:
    """A whole run. `baseline` is the model that the others are compared with; `primary` gives each task's metric."""

    title: str
    created: str
    models: Sequence[ReportedModel]
    rows: Sequence[AggregateRow]
    groups: Groups = field(default_factory=dict)
    primary: Mapping[str, str] = field(default_factory=dict)
    baseline: str | None = None
    confidence: float = 0.95
    comparisons: Sequence[Comparison] = ()
    distributions: Sequence[Distribution] = ()
    faults: Sequence[Faults] = ()
    other_tokenizers: Sequence[str] = ()  # models whose tokenizer or chat template is not the baseline's
    skipped: Sequence[str] = ()  # tasks that the run left out for want of data
