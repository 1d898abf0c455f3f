"""Small made-up documents in the columns of data sets of the hub that are not at hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tests.parity.harness.real_data import Records, Splits

LETTERS = "ABCDE"


class Fact(NamedTuple):
    """A question with its right answer and wrong ones, and a passage that tells the answer."""

    question: str
    right: str
    wrong: tuple[str, ...]
    passage: str


FACTS = (
    Fact("What do bees make", "honey", ("milk", "silk", "bread", "glass"), "Bees visit flowers and make honey all summer."),
    Fact("Which metal is liquid at room temperature", "mercury", ("iron", "gold", "tin", "zinc"), "Mercury is a metal that flows."),
    Fact("How many legs has a spider", "8", ("6", "4", "10", "12"), "A spider has 8 legs, and an insect has 6."),
    Fact("Who wrote the play Hamlet", "William Shakespeare", ("Jane Austen", "Homer", "Dante", "Lord Byron"), "Hamlet is a play by William Shakespeare."),
    Fact("What gas do plants take in", "carbon dioxide", ("oxygen", "helium", "neon", "hydrogen"), "Plants take in carbon dioxide by day."),
    Fact("Where is the city of Lima", "in Peru", ("in Chile", "in Spain", "in Cuba", "in Kenya"), "Lima is the capital of Peru, near the sea."),
    Fact("When does the sun rise", "in the morning", ("at noon", "at night", "never", "in the evening"), "The sun rises in the morning."),
    Fact("What is ice made of", "frozen water", ("sand", "salt and sand", "cold air", "glass"), "Ice is frozen water. It floats."),
    Fact("Which bird cannot fly", "the penguin", ("the crow", "the gull", "the swift", "the owl"), "The penguin swims, but it cannot fly."),
    Fact("What is the largest planet", "Jupiter", ("Mars", "Venus", "Earth", "Mercury"), "Jupiter is the largest planet of all."),
    Fact("How many days has a week", "7", ("5", "9", "12", "30"), "A week has 7 days; a year has 52 weeks."),
    Fact("What colour is an emerald", "green", ("red", "blue", "white", "black"), "An emerald is green, and a ruby is red."),
)  # fmt: skip


def choices_of(fact: Fact, number: int, count: int) -> tuple[list[str], int]:
    """`count` choices with the right one at a place that varies, and that place."""
    place = number % count
    choices = list(fact.wrong[: count - 1])
    choices.insert(place, fact.right)
    return choices, place


def splits_of(make: Callable[[Fact, int], dict[str, Any]]) -> Splits:
    """Four documents to show under the usual names of splits, and the rest to ask about."""
    documents: Records = [make(fact, number) for number, fact in enumerate(FACTS)]
    return {"train": documents[8:], "validation": documents[:8], "test": documents[:8]}


def arc(config: str | None) -> Splits:
    def make(fact: Fact, number: int) -> dict[str, Any]:
        choices, place = choices_of(fact, number, 3 + number % 3)  # as there, not all questions have four
        labels = list(LETTERS[: len(choices)]) if number % 2 else [str(one + 1) for one in range(len(choices))]
        return {
            "id": str(number),
            "question": f"{fact.question}?",
            "choices": {"text": choices, "label": labels},
            "answerKey": labels[place],
        }

    return splits_of(make)


def hellaswag(config: str | None) -> Splits:
    def make(fact: Fact, number: int) -> dict[str, Any]:
        choices, place = choices_of(fact, number, 4)
        return {
            "ind": number,
            "activity_label": f"Topic {number}",
            "ctx_a": f"{fact.passage} [header] Someone asks [title] about it.",
            "ctx_b": "the answer is",
            "endings": [f"{choice}. [substeps] They go  on." for choice in choices],
            "label": str(place),
        }

    return splits_of(make)


def winogrande(config: str | None) -> Splits:
    return splits_of(
        lambda fact, number: {
            "sentence": f"{fact.question} was asked, and _ was said, which was {'wrong' if number % 2 else 'right'}.",
            "option1": fact.right,
            "option2": fact.wrong[0],
            "answer": str(1 + number % 2),
        }
    )


def truthful(config: str | None) -> Splits:
    def make(fact: Fact, number: int) -> dict[str, Any]:
        first = {"choices": [fact.right, *fact.wrong[: 2 + number % 3]], "labels": [1, *[0] * (2 + number % 3)]}
        both = [fact.right, f"It is {fact.right}."]
        second = {"choices": [*both, *fact.wrong[: 1 + number % 4]], "labels": [1, 1, *[0] * (1 + number % 4)]}
        question = f"{fact.question}?"
        if config == "generation":
            return {
                "question": question,
                "correct_answers": [*both, "He has 3 + 3 of them"],
                "incorrect_answers": [*fact.wrong, ""],
                "best_answer": both[0],
            }
        return {"question": question, "mc1_targets": first, "mc2_targets": second}

    return splits_of(make)


def super_glue(config: str | None) -> Splits:
    def make(fact: Fact, number: int) -> dict[str, Any]:
        shown = fact.right if number % 3 else fact.wrong[0]
        common = {"idx": number, "label": int(number % 3 > 0)}
        if config == "boolq":
            return {"question": f"is it {shown}", "passage": f"{fact.question}? {fact.passage}", **common}
        if config == "cb":
            return {"premise": fact.passage, "hypothesis": f"It is {shown}", "idx": number, "label": number % 3}
        return {"paragraph": fact.passage, "question": f"{fact.question}?", "answer": shown, **common}

    return splits_of(make)


def glue(config: str | None) -> Splits:
    def make(fact: Fact, number: int) -> dict[str, Any]:
        label = {"idx": number, "label": int(number % 4 > 0)}
        if config == "cola":
            words = fact.passage.split()
            return {"sentence": " ".join(words if number % 4 else words[::-1]), **label}
        return {"sentence1": fact.passage, "sentence2": FACTS[(number + (number % 4 == 0)) % 8].passage, **label}

    return splits_of(make)


def lambada(config: str | None) -> Splits:
    return splits_of(lambda fact, number: {"text": f"{fact.question}? {fact.passage} It is {fact.right}"})


def trivia(config: str | None) -> Splits:
    aliases = {"value": "", "normalized_value": ""}
    return splits_of(
        lambda fact, number: {
            "question": fact.question,
            "answer": {**aliases, "aliases": [fact.right, fact.right.title(), f"The {fact.right}"]},
        }
    )


def open_questions(config: str | None) -> Splits:
    """Natural Questions and Web Questions: a question and a list of answers."""
    return splits_of(
        lambda fact, number: {"question": fact.question, "answer": [fact.right], "answers": [fact.right, fact.wrong[3]]}
    )


def piqa(config: str | None) -> Splits:
    def make(fact: Fact, number: int) -> dict[str, Any]:
        choices, place = choices_of(fact, number, 2)
        return {"goal": f"{fact.question}?", "sol1": choices[0], "sol2": choices[1], "label": place}

    return splits_of(make)


def sciq(config: str | None) -> Splits:
    return splits_of(
        lambda fact, number: {
            "question": f"{fact.question}?",
            **{f"distractor{one + 1}": fact.wrong[one] for one in range(3)},
            "correct_answer": fact.right,
            "support": f"  {fact.passage}" if number % 2 else "",
        }
    )


def openbookqa(config: str | None) -> Splits:
    def make(fact: Fact, number: int) -> dict[str, Any]:
        choices, place = choices_of(fact, number, 4)
        labels = list(LETTERS[:4])
        return {
            "question_stem": fact.question,
            "question": f"{fact.question}?",
            "choices": {"text": choices, "label": labels},
            "answerKey": labels[place],
        }

    return splits_of(make)


def commonsense(config: str | None) -> Splits:
    def make(fact: Fact, number: int) -> dict[str, Any]:
        choices, place = choices_of(fact, number, 5)
        shown = {"text": choices, "label": list(LETTERS)}
        return {"question": f"{fact.question}? ", "choices": shown, "answerKey": LETTERS[place]}

    return splits_of(make)


def logiqa(config: str | None) -> Splits:
    def make(fact: Fact, number: int) -> dict[str, Any]:
        choices, place = choices_of(fact, number, 4)
        return {
            "context": fact.passage,
            "question": f"{fact.question}?",
            "options": choices,
            "label": LETTERS[place].lower(),
        }

    return splits_of(make)


def race(config: str | None) -> Splits:
    def make(fact: Fact, number: int) -> dict[str, Any]:
        problems = []
        for one in (FACTS[number - 1], fact):
            choices, place = choices_of(one, number, 4)
            stem = "It is   _  ." if number % 2 else f"{one.question}?"
            problems.append({"question": stem, "answer": LETTERS[place], "options": choices})
        return {"article": fact.passage, "problems": repr(problems)}

    return splits_of(make)


def asdiv(config: str | None) -> Splits:
    return {
        "validation": [
            {
                "body": f"Ann has {5 + number} pens and buys {3 * number}.",
                "question": "How many pens has she?",
                "answer": f"{5 + 4 * number} (pens)",
            }
            for number in range(8)
        ]
    }


def unscramble(config: str | None) -> Splits:
    def make(fact: Fact, number: int) -> dict[str, Any]:
        word = fact.right.split()[-1]
        return {
            "context": f"Please unscramble the letters into a word: {word[1:] + word[0]} =",
            "completion": f" {word}",
        }

    return splits_of(make)


def facts(config: str | None) -> Splits:
    """For tasks of the suite's own; `small` is a configuration of fewer documents."""

    def make(fact: Fact, number: int) -> dict[str, Any]:
        choices, place = choices_of(fact, number, 4)
        return {
            "question": fact.question,
            "passage": fact.passage,
            "right": fact.right,
            "choices": choices,
            "place": place,
            "right_places": [place, (place + 2) % 4][: 1 + number % 2],
            "yes_or_no": int(number % 3 == 0),
            "answers": [fact.right, f"the {fact.right}"],
        }

    found = splits_of(make)
    return found | {"test": found["test"][:3]} if config == "small" else found


SETS: dict[str, Callable[[str | None], Splits]] = {
    "parity/facts": facts,
    "allenai/ai2_arc": arc,
    "Rowan/hellaswag": hellaswag,
    "allenai/winogrande": winogrande,
    "truthfulqa/truthful_qa": truthful,
    "aps/super_glue": super_glue,
    "nyu-mll/glue": glue,
    "EleutherAI/lambada_openai": lambada,
    "mandarjoshi/trivia_qa": trivia,
    "google-research-datasets/nq_open": open_questions,
    "stanfordnlp/web_questions": open_questions,
    "baber/piqa": piqa,
    "allenai/sciq": sciq,
    "allenai/openbookqa": openbookqa,
    "tau/commonsense_qa": commonsense,
    "EleutherAI/logiqa": logiqa,
    "EleutherAI/race": race,
    "EleutherAI/asdiv": asdiv,
    "EleutherAI/unscramble": unscramble,
}
