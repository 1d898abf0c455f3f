"""Figures of a whole set, of counts summed over its rows: from an array (resamples, counts) to one figure each.

Numbers alone. What the counts are: `corpus_overlap.py` for BLEU, chrF and TER, which equal sacreBLEU 2's with its
defaults; `classification.py` for F1 and Matthews' correlation, which equal scikit-learn's; `perplexity.py`.
"""

from __future__ import annotations

import math

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


def f1_score(counts: Floats) -> Floats:
    """0 to 1, of [both, chosen, right]: 2·both / (chosen + right); 0 where nothing is chosen or right."""
    both, labelled = counts[:, 0], counts[:, 1] + counts[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(labelled > 0, 2 * both / labelled, 0.0)


def mcc_score(counts: Floats) -> Floats:
    """−1 to 1, of [agreement, chosen and right of class 0, chosen and right of class 1, …]: Matthews' correlation.

    R_K of J. Gorodkin, "Comparing two K-category assignments by a K-category correlation coefficient" (2004). 0 where
    one class alone is chosen, or one alone is right.
    """
    agreement, chosen, right = counts[:, 0], counts[:, 1::2], counts[:, 2::2]
    rows = chosen.sum(axis=1)
    covariance = agreement * rows - (chosen * right).sum(axis=1)
    variances = (rows**2 - (chosen**2).sum(axis=1)) * (rows**2 - (right**2).sum(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variances > 0, covariance / np.sqrt(variances), 0.0)


def weighted_perplexity(counts: Floats) -> Floats:
    """exp(−log-likelihood / units), of [log-likelihood, units]: the perplexity a word, a byte or a row."""
    with np.errstate(all="ignore"):
        return np.exp(-counts[:, 0] / counts[:, 1])


def bits_per_byte(counts: Floats) -> Floats:
    """−log2-likelihood / bytes, of [log-likelihood, bytes]."""
    with np.errstate(all="ignore"):
        return -counts[:, 0] / (counts[:, 1] * math.log(2))
