"""The metric `semantic_similarity`: cosine of the embeddings of response and target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metrics.registry import Asks, MetricInput, Output, Values, register_metric
from metrics.targets import target_texts
from pipeline.errors import MetricError


def _texts(row: MetricInput) -> list[str]:
    """The response, then the texts that are right."""
    response = row.response[0] if isinstance(row.response, (list, tuple)) and len(row.response) == 1 else row.response
    if not isinstance(response, str):
        raise MetricError(
            f"semantic_similarity values one text and got a {type(row.response).__name__}",
            fix="End the filter pipeline with take_first",
        )
    return [response, *target_texts(row)]


@register_metric(
    "semantic_similarity",
    {"semantic_similarity": Output(maximum=None)},
    output_types=("generate_until",),
    asks=Asks(
        "embedding",
        _texts,
        ("model", "revision", "device", "batch_size", "max_length", "prompt", "dtype", "trust_remote_code"),
    ),
)
def semantic_similarity(rows: Sequence[MetricInput], answers: Sequence[Sequence[bytes]]) -> list[Values]:
    """cos(response, target), in [-1, 1]; of several targets the nearest counts. llm_evaluation's `score` of a row.

    The embeddings come from the model that `model` names (float32; cosines in float64).
    """
    return [{"semantic_similarity": _nearest(one)} for one in answers]


def _nearest(answers: Sequence[bytes]) -> float | None:
    response, *targets = (np.frombuffer(answer, dtype=np.float32).astype(np.float64) for answer in answers)
    if not targets:
        return None
    return max(_cosine(response, target) for target in targets)


def _cosine(one: np.ndarray, two: np.ndarray) -> float:
    norms = float(np.linalg.norm(one) * np.linalg.norm(two))
    return float(one @ two) / norms if norms else 0.0
