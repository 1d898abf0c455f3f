"""Made-up documents for tasks of the harness whose documents, prompts or scores are mostly code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.parity.harness.made_data import FACTS, LETTERS, Fact, choices_of, splits_of
from tests.parity.harness.real_data import Splits


def mmlu_pro(config: str | None) -> Splits:
    """Questions of two subjects, of which a task takes one; worked answers to show."""

    def make(fact: Fact, number: int) -> dict[str, Any]:
        options, place = choices_of(fact, number, 5)
        return {
            "question": f"{fact.question}?",
            "options": options,
            "answer": LETTERS[place],
            "category": "law" if number % 3 == 2 else "biology",
            "cot_content": f"A: Let's think step by step. {fact.passage} The answer is ({LETTERS[place]}).",
        }

    return splits_of(make)


def kobest(config: str | None) -> Splits:
    def make(fact: Fact, number: int) -> dict[str, Any]:
        options, place = choices_of(fact, number, 4)
        endings = {f"ending_{one}": ending for one, ending in enumerate(options, 1)}
        return {"context": f"{fact.question}?", **endings, "label": place}

    return splits_of(make)


def crows_pairs(config: str | None) -> Splits:
    return splits_of(
        lambda fact, number: {
            "sent_more": f"{fact.question}? {fact.right}",
            "sent_less": f"{fact.question}? {fact.wrong[number % 4]}",
            "bias_type": "age",
        }
    )


def mutual(config: str | None) -> Splits:
    def make(fact: Fact, number: int) -> dict[str, Any]:
        options, place = choices_of(fact, number, 4)
        return {
            "article": f"m : {fact.question} ? f : i do n't know , `` {fact.passage} ''",
            "options": [f"it is {option} ." for option in options],
            "answers": LETTERS[place],
        }

    return splits_of(make)


def belebele(config: str | None) -> Splits:
    def make(fact: Fact, number: int) -> dict[str, Any]:
        options, place = choices_of(fact, number, 4)
        answers = {f"mc_answer{one}": option for one, option in enumerate(options, 1)}
        return {
            "flores_passage": fact.passage,
            "question": f"{fact.question}?",
            **answers,
            "correct_answer_num": str(place + 1),
        }

    return splits_of(make)


def qasper(config: str | None) -> Splits:
    """A paper has several questions, each with several answers: a document of the task is one answer."""

    def answer(**own: Any) -> dict[str, Any]:
        return {"unanswerable": False, "yes_no": None, "free_form_answer": "", "extractive_spans": [], **own}

    def make(fact: Fact, number: int) -> dict[str, Any]:
        free = answer(free_form_answer=f"He has {fact.right}.")
        yes = answer(yes_no=number % 2 == 0)
        questions = [f"{fact.question}?", "Is it so?"]
        answers = [
            {"answer": [free, answer(extractive_spans=[fact.right])]},
            {"answer": [yes, answer(unanswerable=True)]},
        ]
        return {
            "id": str(number),
            "title": f"Paper {number}",
            "abstract": fact.passage,
            "qas": {"question": questions, "answers": answers},
        }

    return splits_of(make)


def bigbench(config: str | None) -> Splits:
    def make(fact: Fact, number: int) -> dict[str, Any]:
        options, _ = choices_of(fact, number, 4)
        return {
            "inputs": f"Q: {fact.question}?\nA:",
            "targets": [fact.right],
            "multiple_choice_targets": options if number % 4 else [],
        }

    found = splits_of(make)
    return {"default": found["test"], "train": found["train"]}


def agieval(config: str | None) -> Splits:
    def make(fact: Fact, number: int) -> dict[str, Any]:
        options, place = choices_of(fact, number, 4)
        listed = " ".join(f"({letter}){option}" for letter, option in zip(LETTERS, options, strict=False))
        return {
            "query": f"Q: {fact.question}? Answer Choices: {listed}\nA: Among A through D, the answer is",
            "choices": [f"({letter})" for letter in LETTERS[:4]],
            "gold": [place],
        }

    return splits_of(make)


def coqa(config: str | None) -> Splits:
    def make(fact: Fact, number: int) -> dict[str, Any]:
        other = FACTS[number - 1]
        answers = {"input_text": [other.right, fact.right], "answer_start": [0, 0], "answer_end": [1, 1]}
        changed = {**answers, "input_text": [other.right, fact.right.upper() if number % 2 else f"{fact.right}!"]}
        return {
            "id": str(number),
            "story": f"{other.passage} {fact.passage}",
            "questions": {"input_text": [f"{other.question}?", f"{fact.question}?"], "turn_id": [1, 2]},
            "answers": answers,
            "additional_answers": {
                "0": changed,
                "1": {**answers, "input_text": [other.right, f"he has {fact.wrong[0]}"]},
            },
        }

    return splits_of(make)


def drop(config: str | None) -> Splits:
    def make(fact: Fact, number: int) -> dict[str, Any]:
        digits = fact.right if fact.right.isdigit() else ""
        spans = [] if digits else [fact.right, fact.passage.split()[0]][: 1 + number % 2]
        empty = {"day": "", "month": "", "year": ""}
        return {
            "query_id": str(number),
            "passage": fact.passage,
            "question": f"{fact.question}?",
            "answer": {"number": digits, "date": empty, "spans": spans},
            "validated_answers": {"number": [digits, "3"], "date": [empty, empty], "spans": [spans, []]},
        }

    return splits_of(make)


def documents_with_a_value(config: str | None) -> Splits:
    """SQuAD completion, a Python class: a text, and a value to be found in its continuation."""
    return splits_of(
        lambda fact, number: {
            "text": f" {fact.passage}\n{fact.question}? It is ",
            "value": ("3", "8", fact.right)[number % 3],
        }
    )


def babi(config: str | None) -> Splits:
    found = splits_of(
        lambda fact, number: {"passage": f"{fact.passage}\n", "question": f"{fact.question}?", "answer": fact.right}
    )
    return {"train": found["train"], "valid": found["validation"], "test": found["test"]}


def ethics(config: str | None) -> Splits:
    return splits_of(
        lambda fact, number: {"activity": fact.passage, "baseline": FACTS[number - 1].passage, "rating": 0}
    )


# The data sets of tasks that are Python classes, whose configuration does not say them.
OF_CLASSES = {"squad_completion": "hazyresearch/based-squad"}
SETS: dict[str, Callable[[str | None], Splits]] = {
    "TIGER-Lab/MMLU-Pro": mmlu_pro,
    "skt/kobest_v1": kobest,
    "jannalu/crows_pairs_multilingual": crows_pairs,
    "EleutherAI/coqa": coqa,
    "EleutherAI/drop": drop,
    "EleutherAI/mutual": mutual,
    "facebook/belebele": belebele,
    "allenai/qasper": qasper,
    "hails/bigbench": bigbench,
    "hails/agieval-sat-math": agieval,
    "hazyresearch/based-squad": documents_with_a_value,
    "Muennighoff/babi": babi,
    "EleutherAI/hendrycks_ethics": ethics,
}
