"""Write demo/data: what the demo's tasks ask, from the same facts, dialogues and sums that the models learn.

    python -m demo.make_data

The files are part of the repository; run this after a change of the corpus.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from demo.corpus import ONE_DIGIT, addition, asked_sums
from demo.dialogues import dialogues
from demo.facts import Question, questions, statements

DATA = Path(__file__).parent / "data"
_CHOICES = 4


def main() -> None:
    """Write the four files."""
    facts = _one_wording_each()
    _write_lines(DATA / "addition_one_digit.jsonl", map(_sum, ONE_DIGIT))
    _write_lines(DATA / "addition_to_thirty.jsonl", map(_sum, asked_sums()))
    _write_lines(DATA / "choices.jsonl", _choices(facts))
    _write_records(DATA / "questions.json", [*map(_question, facts), *_last_turns()])


def _sum(pair: tuple[int, int]) -> dict[str, str]:
    a, b = pair
    return {"question": addition(a, b), "answer": str(a + b)}


def _one_wording_each() -> list[Question]:
    """Every fact once; the wordings take turns, so that a quarter is asked in words that no model has learnt."""
    facts: dict[tuple[str, str], list[Question]] = {}
    for one in questions():
        facts.setdefault((one.kind, one.key), []).append(one)
    return [wordings[number % len(wordings)] for number, wordings in enumerate(facts.values())]


def _question(one: Question) -> dict[str, Any]:
    return {"instruction": one.text, "input": "", "output": one.answer, "history": []}


def _last_turns() -> list[dict[str, Any]]:
    """Every third dialogue, asked at its last turn, with all before it as history."""
    found = []
    for one in dialogues()[::3]:
        *before, (asked, said) = one.turns
        turns = [list(turn) for turn in before]
        found.append({"system": one.system, "instruction": asked, "input": "", "output": said, "history": turns})
    return found


def _choices(facts: Iterable[Question]) -> list[dict[str, Any]]:
    """Each question with four answers, the wrong ones of the same kind, in an order drawn once."""
    drawn = random.Random(0)
    found = []
    for one in facts:
        right, wrong = statements(one)
        choices = [right, *drawn.sample(wrong, _CHOICES - 1)]
        drawn.shuffle(choices)
        found.append(
            {
                "question": one.text,
                "choices": choices,
                "answer": choices.index(right),
                "language": one.language,
            }
        )
    return found


def _write_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    lines = (json.dumps(record, ensure_ascii=False) for record in records)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _write_records(path: Path, records: list[dict[str, Any]]) -> None:
    lines = ",\n".join(f"  {json.dumps(record, ensure_ascii=False)}" for record in records)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
