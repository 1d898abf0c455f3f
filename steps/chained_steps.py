"""Which of the steps after the first has given settings; what `status` and the steps after it ask about it."""

from __future__ import annotations

from pipeline.config import Shared, Step2Settings, Step3Settings, Step4Settings
from steps.chained import ChainedStep
from steps.step2_postprocess import postprocess
from steps.step3_scoring import score
from steps.step4_aggregation import aggregation


def chained_step(settings: Shared) -> ChainedStep:
    """Step 2, 3 or 4 under its settings."""
    match settings:
        case Step2Settings():
            return postprocess(settings)
        case Step3Settings():
            return score(settings)
        case Step4Settings():
            return aggregation(settings)
    raise TypeError(f"{type(settings).__name__} are no settings of a step that reads a view")
