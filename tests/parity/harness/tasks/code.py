"""Functions that the suite's own task files name: documents, prompts, filters, scores, aggregations."""

from __future__ import annotations

import math
import random
from collections import Counter

import numpy as np


def doc_to_text(doc):
    return f"{doc['passage']}\nQ: {doc['question']}?\nA:"


def untold_answer(doc):
    """Some documents' answers are kept secret."""
    return doc["right"] if len(doc["question"]) % 2 else None


def doc_to_choice(doc):
    return [choice.capitalize() for choice in doc["choices"]]


def only_long_passages(dataset):
    """Keeps some documents, changes a column and adds one."""
    kept = dataset.filter(lambda doc: len(doc["passage"]) > 35)
    return kept.map(lambda doc: {"passage": doc["passage"].upper(), "length": len(doc["passage"])})


def shown_examples():
    """Few-shot examples that stand in no split."""
    return [
        {
            "question": f"What is {number} + {number}",
            "right": str(2 * number),
            "passage": "Sums.",
            "answers": [str(2 * number)],
        }
        for number in range(1, 7)
    ]


def made_documents(**settings):
    """A data set out of nothing but a seed and the task's metadata."""
    from datasets import Dataset, DatasetDict

    count = settings.get("questions", 6)
    documents = [
        {"question": f"Which is larger, {random.randrange(50)} or {int(np.random.randint(50))}", "right": str(number)}
        for number in range(count)
    ]
    return DatasetDict({"test": Dataset.from_list(documents)})


class LettersFilter:
    """Keeps the letters of each answer, in lower case; sees the documents."""

    def __init__(self, **kwargs):
        self.shortest = kwargs.get("shortest", 1)

    def apply(self, resps, docs):
        def reduced(text, doc):
            letters = "".join(one for one in text.lower() if one.isalpha())
            return letters if len(letters) >= self.shortest else f"none for {doc['question']}"

        return [[reduced(text, doc) for text in texts] for texts, doc in zip(resps, docs, strict=True)]


def overlap(predictions, references, **kwargs):
    """A metric of the task's own: shared characters of answer and target."""
    shared = Counter(predictions[0]) & Counter(references[0])
    return sum(shared.values()) / (1 + len(references[0]))


def root_mean_square(items):
    return math.sqrt(sum(item * item for item in items) / len(items))


def process_generated(doc, results):
    """Scores of several names, one of them with its own aggregation over pairs."""
    answer = results[0]
    return {
        "length_ratio": len(answer) / (1 + len(doc["right"])),
        "has_digit": any(one.isdigit() for one in answer),
        "pooled": [len(answer), len(answer.strip())],
    }


def pooled_share(items):
    """One share over all documents, not a mean of shares."""
    return sum(kept for _, kept in items) / max(1, sum(length for length, _ in items))


def process_likelihoods(doc, results):
    logprobs = [logprob for logprob, _ in results]
    best = int(np.argmax(logprobs))
    return {"right": float(best == doc["place"]), "margin": (best, doc["place"])}


def agreement(items):
    return sum(best == place for best, place in items) / len(items)
