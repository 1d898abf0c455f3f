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


def make_rows(folder: RunFolder, rows: int) -> None:
    """Step 1's view and lock file, and the run's manifest."""
    chance = random.Random(1)
    with ViewWriter(folder.view("step1", "base", "million")) as writer:
        for index in range(rows):
            question, answer = sentence(chance), sentence(chance)
            reply = answer if chance.random() < 0.3 else sentence(chance)
            row = GenerationRow(
                model="base",
                task="million",
                doc_id=f"{index:016x}",
                index=index,
                document={"question": question, "answer": answer},
                prompt=question,
                prompt_hash=f"{index:016x}",
                target=answer,
                requests=[
                    RequestRecord(type="generate_until", text=f" {reply}\n", finish_reason="stop", prompt_tokens=9)
                ],
            )
            writer.write(encode_row(row))
        view = writer.commit()
    basis = Basis(version=1, inputs={}, settings={})
    LockFile(folder, "step1", "base").put("million", Entry(state="done", basis=basis, run={}, view=view))
    tasks = folder.root.parent / "tasks"
    write_file(tasks / "million.yaml", TASK)
    manifest = Manifest(
        models=(ModelRecord(name="base", path="nowhere"),), tasks=({"name": "million"},), include_path=(str(tasks),)
    )
    write_manifest(folder, manifest)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/million"))
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    given = parser.parse_args()
    folder = run_folder(str(given.folder / "run"), None)
    make_rows(folder, given.rows)
    yaml = given.folder / "million.yaml"
    write_file(yaml, YAML.format(folder=given.folder, processes=given.processes))
    print(f"{given.rows:,} rows, {given.processes} processes")
    for step in ("step2", "step3", "step4"):
        began = time.monotonic()
        command = [sys.executable, str(ROOT / "main.py"), step, str(yaml), "--quiet"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.monotonic() - began
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"{step}: {seconds:6.1f} s, {given.rows / seconds:9,.0f} rows/s, largest process so far {peak:.0f} MB")


if __name__ == "__main__":
    main()
