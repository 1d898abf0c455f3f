"""Building a task's requests, few-shot prompts included, here and in lm_eval, side by side in one run.

    python benchmarks/requests.py [--shots 5]

Both read GSM8K's questions (../shared/data) and render all 1,319 prompts by lm_eval's own task file. Times are CPU
seconds of this process, the best of three, without imports; lm_eval has read its data before, this project reads the
questions within that time.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "gsm8k"
sys.path.insert(0, str(ROOT))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shots", type=int, default=5)
    shots = parser.parse_args().shots
    import datasets

    files = {split: str(DATA / f"{split}.jsonl") for split in ("train", "test")}
    with tempfile.TemporaryDirectory() as cache:
        data = datasets.load_dataset("json", data_files=files, cache_dir=cache)
        theirs, their_prompts = best(lm_eval_requests(data, shots))
        ours, our_prompts = best(own_requests(files, shots))
    assert our_prompts == their_prompts, "the prompts differ"
    print(f"{len(our_prompts)} prompts of {shots} shots, equal byte for byte")
    print(f"lm_eval  {theirs:7.3f} s")
    print(f"here     {ours:7.3f} s   {theirs / ours:.1f} times as fast")


def best(build: Callable[[], list[str]]) -> tuple[float, list[str]]:
    seconds = []
    for _ in range(3):
        began = time.process_time()
        prompts = build()
        seconds.append(time.process_time() - began)
    return min(seconds), prompts


def lm_eval_requests(data: Any, shots: int) -> Callable[[], list[str]]:
    from lm_eval.tasks import TaskManager

    logging.disable(logging.WARNING)
    with mock.patch("datasets.load_dataset", return_value=data):
        (task,) = TaskManager().load(["gsm8k"])["tasks"].values()
    task.set_config("num_fewshot", shots)

    def build() -> list[str]:
        task.set_fewshot_seed(1234)
        with mock.patch("lm_eval.api.task.tqdm", lambda documents, **_: documents):
            task.build_all_requests()
        return [instance.args[0] for instance in task.instances]

    return build


def own_requests(files: dict[str, str], shots: int) -> Callable[[], list[str]]:
    from pipeline.config import TaskSettings
    from pipeline.fingerprint import FileHashes
    from tasks.loader import load_tasks
    from tasks.task import PromptSettings

    entry = TaskSettings(name="lm_eval:gsm8k", data_files=files, num_fewshot=shots)
    (task,) = load_tasks([entry], [], False, FileHashes()).tasks

    def build() -> list[str]:
        return [str(example.prompt) for example in task.examples(PromptSettings())]

    return build


if __name__ == "__main__":
    main()
