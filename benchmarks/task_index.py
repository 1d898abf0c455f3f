"""CPU seconds of finding and listing tasks among lm_eval's 13,986 files, from no index and from a kept one.

    python benchmarks/task_index.py [--runs 5]

Prints the median of user + system seconds of whole processes, and of lm_eval's own listing beside it. Needs lm_eval.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

MAIN = str(Path(__file__).resolve().parent.parent / "main.py")
COMMANDS = {
    "tasks 'lm_eval:gsm8k*'": [MAIN, "tasks", "lm_eval:gsm8k*"],
    "tasks 'lm_eval:*mmlu*'": [MAIN, "tasks", "lm_eval:*mmlu*"],
    "tasks lm_eval:": [MAIN, "tasks", "lm_eval:"],
    "tasks gsm8k": [MAIN, "tasks", "gsm8k"],
}
HARNESS = ["-c", "from lm_eval.tasks import TaskManager; print(TaskManager().match_tasks(['gsm8k*']))"]


def cpu_seconds(command: list[str], cache: Path) -> float:
    """User and system seconds of one process, children included."""
    environment = os.environ | {"LLM_EVALUATION_CACHE": str(cache)}
    before = os.times()
    subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, check=True, env=environment)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def measure(command: list[str], runs: int, cache: Path, *, cold: bool) -> float:
    """The median of `runs` runs, each without a kept index where `cold`."""
    seconds = []
    for _ in range(runs):
        if cold:
            shutil.rmtree(cache, ignore_errors=True)
        seconds.append(cpu_seconds(command, cache))
    return statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache"
        print(f"{'CPU seconds':28} {'cold':>6} {'warm':>6}")
        for name, command in COMMANDS.items():
            cold = measure(command, runs, cache, cold=True)
            warm = measure(command, runs, cache, cold=False)
            print(f"{name:28} {cold:6.2f} {warm:6.2f}")
        print(f"{'lm_eval, gsm8k*':28} {measure(HARNESS, runs, cache, cold=False):6.2f}")


if __name__ == "__main__":
    main()
