"""Steps 2 to 4 over a million short rows: rows a second, seconds, and the largest memory of any process.

    python benchmarks/million_rows.py [--rows 1000000] [--folder /tmp/million] [--processes 2]

Makes a step 1 view of generated question-answer rows as step 1 would have left it, then runs each step as a command of
its own and prints one line a step. Exact match and ROUGE are scored.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pipeline.lock_file import Basis, Entry, LockFile  # noqa: E402
from pipeline.rows import GenerationRow, RequestRecord, encode_row  # noqa: E402
from pipeline.run_folder import RunFolder, run_folder  # noqa: E402
from pipeline.views import ViewWriter, write_file  # noqa: E402
from steps.manifest import Manifest, ModelRecord, write_manifest  # noqa: E402

WORDS = (
    *("the", "a", "cat", "dog", "house", "runs", "sleeps", "over", "under", "quickly"),
    *("river", "apple", "seven", "eleven", "answer", "is", "not", "blue", "green"),
)
NAME = "million"
TASK = """task: million
dataset_path: json
dataset_kwargs: {data_files: {test: nowhere.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
filter_list:
  - {name: strip, filter: [{function: strip}, {function: take_first}]}
metric_list: [{metric: exact_match}]
"""
YAML = """output_dir: {folder}/run
processes: {processes}
step2: {{}}
step3: {{metrics: [{{name: rouge, tokenizer: words}}]}}
step4: {{}}
"""


def sentence(chance: random.Random) -> str:
    return " ".join(chance.choices(WORDS, k=chance.randint(4, 12)))


def short_rows(count: int) -> Iterator[GenerationRow]:
    """Question and answer of one sentence each, some answered right."""
    chance = random.Random(1)
    for index in range(count):
        question, answer = sentence(chance), sentence(chance)
        reply = answer if chance.random() < 0.3 else sentence(chance)
        yield generation_row(index, {"question": question, "answer": answer}, question, f" {reply}\n")


def generation_row(index: int, document: dict[str, str], prompt: str, reply: str) -> GenerationRow:
    """A row of step 1 with one generated answer; the target is the document's `answer`."""
    return GenerationRow(
        model="base",
        task=NAME,
        doc_id=f"{index:016x}",
        index=index,
        document=document,
        prompt=prompt,
        prompt_hash=f"{index:016x}",
        target=document["answer"],
        requests=[RequestRecord(type="generate_until", text=reply, finish_reason="stop", prompt_tokens=9)],
    )


def lay_out(folder: RunFolder, rows: Iterable[GenerationRow], task: str) -> None:
    """Step 1's view and lock file, the run's manifest, and the task's file."""
    with ViewWriter(folder.view("step1", "base", NAME)) as writer:
        for row in rows:
            writer.write(encode_row(row))
        view = writer.commit()
    basis = Basis(version=1, inputs={}, settings={})
    LockFile(folder, "step1", "base").put(NAME, Entry(state="done", basis=basis, run={}, view=view))
    tasks = folder.root.parent / "tasks"
    write_file(tasks / f"{NAME}.yaml", task)
    manifest = Manifest(
        models=(ModelRecord(name="base", path="nowhere"),),
        tasks=({"name": NAME},),
        include_path=(str(tasks),),
        trust_task_code=True,
    )
    write_manifest(folder, manifest)


def run_step(step: str, yaml: Path, rows: int) -> None:
    """Run one step as a command and print a line of figures."""
    began = time.monotonic()
    command = [sys.executable, str(ROOT / "main.py"), step, str(yaml), "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{step}: {seconds:6.1f} s, {rows / seconds:9,.0f} rows/s, largest process so far {peak:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/million"))
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    given = parser.parse_args()
    folder = run_folder(str(given.folder / "run"), None)
    lay_out(folder, short_rows(given.rows), TASK)
    yaml = given.folder / "million.yaml"
    write_file(yaml, YAML.format(folder=given.folder, processes=given.processes))
    print(f"{given.rows:,} rows, {given.processes} processes")
    for step in ("step2", "step3", "step4"):
        run_step(step, yaml, given.rows)


if __name__ == "__main__":
    main()
