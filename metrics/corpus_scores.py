"""BLEU, chrF and TER of summed counts: from an array (resamples, counts) to one score each. Numbers alone.

Values equal sacreBLEU 2's with its defaults. What the counts are: `corpus_overlap.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def bleu_score(counts: Floats) -> Floats:
    """0 to 100; exponential smoothing, "smoothing 3" of Chen and Cherry (2014): order k without a match, of those
    that are, counts as 1 / 2^k matches. 0 without any match, and where the texts are too short for order 4."""
    orders = (counts.shape[1] - 2) // 2
    lengths, targets = counts[:, 0], counts[:, 1]
    matches, totals = counts[:, 2 : 2 + orders], counts[:, 2 + orders :]
    smoothed = np.where(matches > 0, matches, 0.5 ** np.cumsum(matches == 0, axis=1))
    defined = (totals > 0).all(axis=1) & (matches > 0).any(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = np.log(smoothed / totals).mean(axis=1)
        penalty = np.where(lengths < targets, np.exp(1 - targets / lengths), 1.0)
        return np.where(defined, 100 * penalty * np.exp(logarithm), 0.0)


def chrf_score(counts: Floats) -> Floats:
    """0 to 100: the F-score, recall weighing twice as much (β = 2), of precision and recall averaged over orders.

    M. Popović, "chrF: character n-gram F-score for automatic MT evaluation" (2015). Orders without n-grams on either
    side are left out of the averages.
    """
    found, wanted, matches = counts[:, 0::3], counts[:, 1::3], counts[:, 2::3]
    counted = (found > 0) & (wanted > 0)
    orders = np.maximum(counted.sum(axis=1), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(counted, matches / found, 0.0).sum(axis=1) / orders
        recall = np.where(counted, matches / wanted, 0.0).sum(axis=1) / orders
        score = 5 * precision * recall / (4 * precision + recall)
    return np.where(precision + recall > 0, 100 * score, 0.0)


def ter_score(counts: Floats) -> Floats:
    """Edits in percent of the targets' words; above 100 where a response needs more. 100 for words against none."""
    edits, length = counts[:, 0], counts[:, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(length > 0, 100 * edits / length, np.where(edits > 0, 100.0, 0.0))
