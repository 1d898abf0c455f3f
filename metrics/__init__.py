"""How good an answer is. Importing the package registers every metric and aggregation."""

from metrics import (  # noqa: F401  # registered by being imported
    accuracy,
    aggregation,
    bleu4,
    choice_probabilities,
    classification,
    corpus_overlap,
    exact_match,
    perplexity,
    reward_model,
    rouge,
    semantic_similarity,
)
