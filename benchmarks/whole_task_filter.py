"""Step 2 with a filter of the task's own, which sees the whole task, beside the registered filters: seconds and memory.

    python benchmarks/whole_task_filter.py [--rows 200000] [--folder /tmp/whole_task]

The rows are as long as five-shot GSM8K's: prompts of some 3,000 characters, answers of some 300. Each run of step 2 is
a command of its own. The own filter looks at every answer, or (`own, documents`) at every document too.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

from million_rows import WORDS, generation_row, lay_out, run_step

from pipeline.rows import GenerationRow
from pipeline.run_folder import run_folder
from pipeline.views import write_file

TASK = """task: million
dataset_path: json
dataset_kwargs: {data_files: {test: nowhere.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
filter_list:
  - name: last-words
    filter: [OWN{function: regex, regex_pattern: "(\\\\w+ \\\\w+)$"}, {function: take_first}]
metric_list: [{metric: exact_match}]
"""
OWN = "{function: custom, filter_fn: !function own.NAME}, "
CODE = """def answers(resps, docs):
    return [[text.strip() for text in texts] for texts in resps]


def documents(resps, docs):
    return [[text.strip() + doc["question"][:0] for text in texts] for texts, doc in zip(resps, docs)]
"""
FILTERS = {
    "registered": "",
    "own, answers": OWN.replace("NAME", "answers"),
    "own, documents": OWN.replace("NAME", "documents"),
}


def words(chance: random.Random, count: int) -> str:
    return " ".join(chance.choices(WORDS, k=count))


def long_rows(count: int) -> Iterator[GenerationRow]:
    chance = random.Random(1)
    examples = words(chance, 550)
    for index in range(count):
        question, answer = words(chance, 45), words(chance, 60)
        prompt = f"{examples}\n\nQuestion: {question}\nAnswer:"
        yield generation_row(index, {"question": question, "answer": answer}, prompt, f" {words(chance, 55)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/whole_task"))
    given = parser.parse_args()
    folder = run_folder(str(given.folder / "run"), None)
    yaml = given.folder / "whole_task.yaml"
    write_file(yaml, f"output_dir: {given.folder}/run\nprocesses: 2\nstep2: {{}}\n")
    write_file(given.folder / "tasks" / "own.py", CODE)
    lay_out(folder, long_rows(given.rows), TASK.replace("OWN", ""))
    for name, own in FILTERS.items():
        write_file(given.folder / "tasks" / "million.yaml", TASK.replace("OWN", own))
        folder.lock_file("step2", "base").unlink(missing_ok=True)
        print(f"{name:16}", end="", flush=True)
        run_step("step2", yaml, given.rows)


if __name__ == "__main__":
    main()
