"""Step 2 with filters that see the whole task: their values and the rows come together again in the order of the rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import DataError, TaskError
from pipeline.execution import Spec
from pipeline.fingerprint import FileHashes
from pipeline.rows import ErrorRecord, GenerationRow, RequestRecord, encode_row
from steps.step2_postprocess import build_together
from tasks.code_content import code_content
from tasks.seeds import Seeds

CODE = """
def numbered(resps, docs):
    assert type(resps) is list and type(docs) is list and all(type(doc) is dict for doc in docs)
    return [[f"{number} of {len(resps)}: {samples[0]} {doc['q']}"] for number, (samples, doc) in enumerate(zip(resps, docs))]


def emptied(resps, docs):
    for samples in resps:
        samples.clear()
    docs.clear()
    return ["" for _ in resps]


def doubled(resps, docs):
    return [(2 * samples[0][0], samples[0][1]) for samples in resps]


def shared(resps, docs):
    return [(float(docs[number] is docs[number - 1]), False) for number in range(len(resps))]


def one_short(resps, docs):
    return resps[1:]
"""
OWN = ("numbered", "emptied", "doubled", "shared", "one_short")


def text_row(index: int, text: str, status: Any = "ok") -> GenerationRow:
    error = ErrorRecord(type="Refused", message="no answer") if status == "error" else None
    record = RequestRecord(type="generate_until", text=None if error else text, error=error)
    return generation_row(index, [record], status, error)


def score_row(index: int, choices: int) -> GenerationRow:
    record = RequestRecord(
        type="loglikelihood",
        logprobs=[-float(10 * index + choice) for choice in range(choices)],
        greedy=[choice == 0 for choice in range(choices)],
        completion_tokens=[choice + 1 for choice in range(choices)],
    )
    return generation_row(index, [record])


def generation_row(
    index: int, requests: list[RequestRecord], status: Any = "ok", error: ErrorRecord | None = None
) -> GenerationRow:
    return GenerationRow(
        model="base",
        task="mine",
        doc_id=f"{index:016x}",
        index=index,
        status=status,
        error=error,
        document={"q": f"q{index}", "choices": ["a", "b"] if index % 7 else None},
        prompt="p",
        prompt_hash="0",
        requests=requests,
    )


def filtered(folder: Path, rows: list[GenerationRow], **pipelines: list[str]) -> list[dict[str, Any]]:
    """The rows of step 2; a pipeline is a list of functions of CODE and of registered filters."""
    source = folder / "step1_generation.jsonl"
    source.write_bytes(b"".join(map(encode_row, rows)))
    chunks = list(build_together(spec(folder, source, pipelines)))
    assert sum(done.counts["documents"] for done in chunks) == len(rows)
    return [json.loads(line) for done in chunks for line in done.lines.splitlines()]


def spec(folder: Path, source: Path, pipelines: dict[str, list[str]]) -> Spec:
    code = folder / "own.py"
    code.write_text(CODE)
    content = code_content(code, FileHashes())

    def step(name: str) -> list[Any]:
        return ["custom", {"filter_fn": name}] if name in OWN else [name, {}]

    return {
        "model": "base",
        "task": "mine",
        "filters": {name: [step(one) for one in steps] for name, steps in pipelines.items()},
        "whole_task": True,
        "functions": {name: [str(code), name, content, f"own.py of {name}"] for name in OWN},
        "seeds": vars(Seeds()),
        "source": str(source),
        "remake": "python main.py step1 run.yaml",
    }


def test_values_find_their_rows_over_many_chunks_and_past_errors(tmp_path: Path) -> None:
    rows = [text_row(index, "x" * 400, "error" if index % 5 == 3 else "ok") for index in range(6000)]
    found = filtered(tmp_path, rows, ranked=["numbered", "take_first"], plain=["take_first"])
    assert (tmp_path / "step1_generation.jsonl").stat().st_size > 3 << 20, "three chunks and more"
    assert [row["index"] for row in found] == list(range(6000))
    place = 0
    for row in found:
        if row["index"] % 5 == 3:
            assert (row["status"], row["filtered"]) == ("error", {"ranked": None, "plain": None})
            continue
        assert row["filtered"]["ranked"] == f"{place} of 4800: {'x' * 400} q{row['index']}"
        assert row["filtered"]["plain"] == "x" * 400
        place += 1


def test_a_row_that_another_pipeline_fails_on_loses_its_values_and_no_other_row_does(tmp_path: Path) -> None:
    rows = [text_row(index, f"t{index}") for index in range(9)]
    found = filtered(tmp_path, rows, ranked=["numbered", "take_first"], letter=["multi_choice_regex", "take_first"])
    assert [row["status"] for row in found] == ["error", *["ok"] * 6, "error", "ok"]
    assert found[7]["filtered"] == {"ranked": None, "letter": None}
    assert found[8]["filtered"]["ranked"] == "8 of 9: t8 q8"


def test_a_filter_that_empties_its_lists_takes_nothing_from_the_next_pipeline(tmp_path: Path) -> None:
    rows = [text_row(index, f"t{index}") for index in range(3)]
    found = filtered(tmp_path, rows, first=["emptied"], second=["numbered", "take_first"])
    assert [row["filtered"]["second"] for row in found] == [f"{index} of 3: t{index} q{index}" for index in range(3)]


def test_scores_are_an_instance_a_choice_and_keep_their_tokens(tmp_path: Path) -> None:
    rows = [score_row(1, 2), score_row(2, 3)]
    found = filtered(tmp_path, rows, doubled=["doubled"], shared=["shared"])
    assert found[0]["filtered"]["doubled"] == [[-20.0, True, 1], [-22.0, False, 2]]
    assert found[1]["filtered"]["doubled"] == [[-40.0, True, 1], [-42.0, False, 2], [-44.0, False, 3]]
    same = [[value for value, _, _ in row["filtered"]["shared"]] for row in found]
    assert same == [[0.0, 1.0], [0.0, 1.0, 1.0]], "the choices of a document share its one object, as in lm_eval"


def test_a_task_of_nothing_but_errors_asks_no_filter(tmp_path: Path) -> None:
    found = filtered(tmp_path, [text_row(0, "", "error")], ranked=["one_short"])
    assert found[0]["filtered"] == {"ranked": None}


def test_a_wrong_number_of_values_and_a_broken_line_are_told(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="the filter one_short gives 1 values for 2 answers") as raised:
        filtered(tmp_path, [text_row(0, "a"), text_row(1, "b")], ranked=["one_short"])
    assert raised.value.where == "own.py of one_short"
    source = tmp_path / "step1_generation.jsonl"
    source.write_bytes(encode_row(text_row(0, "a")) + b'{"doc_id": \n')
    with pytest.raises(DataError) as broken:
        list(build_together(spec(tmp_path, source, {"ranked": ["numbered"]})))
    assert broken.value.where == f"{source}:2"
