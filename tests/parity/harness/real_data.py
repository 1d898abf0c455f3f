"""Real documents from the shared data folder in the columns of the hub's data sets, a few of each split."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.project import ROOT

DATA = ROOT / ".." / "shared" / "data"
Records = list[dict[str, Any]]
Splits = dict[str, Records]
COUNT = 8  # documents of a split that is asked about
_LETTERS = "ABCD"


def blimp(config: str | None) -> Splits:
    return {"train": _json_lines(DATA / "blimp" / f"{config}.jsonl", COUNT)}


def gsm8k(config: str | None) -> Splits:
    return {split: _json_lines(DATA / "gsm8k" / f"{split}.jsonl", 5 * COUNT) for split in ("train", "test")}


def mgsm(config: str | None) -> Splits:
    """The real questions; the examples of the training split are made up, for it is not at hand."""
    lines = (DATA / "mgsm" / f"mgsm_{config}.tsv").read_text("utf-8").splitlines()[:COUNT]
    asked = [
        {"question": question, "answer": None, "answer_number": int(number.replace(",", "")), "equation_solution": None}
        for question, number in (line.split("\t") for line in lines)
    ]
    opening, answer = _MGSM_EXAMPLES[str(config)]
    shown = [
        {
            "question": opening.format(first, second),
            "answer": answer.format(first, second, first + second),
            "answer_number": first + second,
            "equation_solution": f"{first} + {second} = {first + second}.",
        }
        for first, second in ((5, 4), (12, 7), (3, 30), (8, 8))
    ]
    return {"train": shown, "test": asked}


_MGSM_EXAMPLES = {
    "en": (
        "Question: Ann has {} pens and buys {}. How many has she?",
        "Step-by-Step Answer: {0} + {1} = {2}. The answer is {2}.",
    ),
    "zh": ("问题：小明有{}支笔，又买了{}支。他有几支笔？", "逐步解答：{0} + {1} = {2}。答案是 {2}。"),
    "ja": (
        "問題：太郎はペンを{}本持ち、{}本買いました。何本ありますか？",
        "ステップごとの答え：{0} + {1} = {2}。答えは{2}です。",
    ),
    "ru": (
        "Задача: У Ани {} ручек, она купила ещё {}. Сколько у неё ручек?",
        "Пошаговое решение: {0} + {1} = {2}. Ответ — {2}.",
    ),
}


def mmlu(config: str | None) -> Splits:
    """The question, a list of four choices, and the right one's index."""
    splits: Splits = {}
    for split, folder, count in (("test", "test", COUNT), ("validation", "val", COUNT), ("dev", "dev", 5)):
        rows = _zipped_table(DATA / "mmlu" / "mmlu.zip", f"data/{folder}/{config}_{folder}.csv")[:count]
        splits[split] = [
            {"question": row[0], "subject": config, "choices": row[1:5], "answer": _LETTERS.index(row[5])}
            for row in rows
        ]
    return splits


def cmmlu(config: str | None) -> Splits:
    return {split: _table(DATA / "cmmlu" / split / f"{config}.csv")[:COUNT] for split in ("dev", "test")}


def ceval(config: str | None) -> Splits:
    archive = DATA / "ceval" / "ceval.zip"
    splits: Splits = {}
    for split in ("dev", "val"):
        header, *rows = _zipped_table(archive, f"{split}/{config}_{split}.csv")
        splits[split] = [dict(zip(header, row, strict=True)) for row in rows[:COUNT]]
    return splits


def xcopa(config: str | None) -> Splits:
    return {
        split: _json_lines(DATA / "xcopa" / f"{name}.{config}.jsonl", COUNT)
        for split, name in (("validation", "val"), ("test", "test"))
    }


def bbh(config: str | None) -> Splits:
    return {"test": json.loads((DATA / "bbh" / "tasks" / f"{config}.json").read_text("utf-8"))["examples"][:COUNT]}


def jcommonsenseqa(config: str | None) -> Splits:
    return {
        "train": _json_lines(DATA / "jglue" / "jcommonsenseqa_train500.json", 5 * COUNT),
        "validation": _json_lines(DATA / "jglue" / "jcommonsenseqa_valid.json", COUNT),
    }


def wikitext(config: str | None) -> Splits:
    """Articles, each begun by its heading ` = Title = `, and cut."""
    splits: Splits = {}
    for split, name in (("test", "test"), ("validation", "valid"), ("train", "valid")):
        text = (DATA / "wikitext2" / f"{name}.txt").read_text("utf-8")
        articles = re.split(r"(?m)(?=^ = [^=].*[^=] = ?$)", text)[1 : COUNT + 1]
        splits[split] = [{"page": article[:900]} for article in articles]
    return splits


def ifeval(config: str | None) -> Splits:
    """Prompts whose checks need no further model; identifiers as IFEval has them, without a language."""
    found: Records = []
    for record in _json_lines(DATA / "m_ifeval" / "en_input_data.jsonl", 20 * COUNT):
        names = [name.removeprefix("en:") for name in record["instruction_id_list"]]
        if not any(name.startswith(_MODELLED) for name in names):
            found.append(record | {"instruction_id_list": names})
    return {"train": found[:COUNT]}


# A language detector, and models of words and sentences that would have to be downloaded.
_MODELLED = ("language:", "change_case:", "length_constraints:number_sentences")


def _json_lines(path: Path, count: int) -> Records:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line, _ in zip(file, range(count), strict=False)]


def _table(path: Path) -> Records:
    with path.open(encoding="utf-8", newline="") as file:
        return [dict(row) for row in csv.DictReader(file)]


def _zipped_table(archive: Path, member: str) -> list[list[str]]:
    with zipfile.ZipFile(archive) as opened:
        text = opened.read(member).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


def articles() -> Iterator[str]:
    """Texts in the languages of the tasks, to train a model on."""
    yield from (page["page"] for page in wikitext(None)["validation"])


SETS: dict[str, Callable[[str | None], Splits]] = {
    "nyu-mll/blimp": blimp,
    "openai/gsm8k": gsm8k,
    "juletxara/mgsm": mgsm,
    "cais/mmlu": mmlu,
    "haonan-li/cmmlu": cmmlu,
    "ceval/ceval-exam": ceval,
    "cambridgeltl/xcopa": xcopa,
    "SaylorTwift/bbh": bbh,
    "Rakuten/JGLUE": jcommonsenseqa,
    "EleutherAI/wikitext_document_level": wikitext,
    "google/IFEval": ifeval,
}
