"""CPU seconds of the commands that people type all day: --help, tasks, check, status.

    python benchmarks/startup.py yamls/demo.yaml [--runs 5] [--finished]

Prints the median of user + system seconds of whole processes. `check` and `status` read the given run file; of a
finished run, `all` is timed too, which has nothing to compute.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

MAIN = Path(__file__).resolve().parent.parent / "main.py"


def cpu_seconds(command: list[str]) -> float:
    """User and system seconds of one run of `python main.py …`, children included."""
    before = os.times()
    subprocess.run(
        [sys.executable, str(MAIN), *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
    )
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("yaml")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--finished", action="store_true")
    given = parser.parse_args()
    commands = [["--help"], ["tasks", "gsm8k"], ["check", given.yaml], ["status", given.yaml]]
    commands += [["all", given.yaml]] if given.finished else []
    for command in commands:
        seconds = statistics.median(cpu_seconds(command) for _ in range(given.runs))
        print(f"{' '.join(command):30} {seconds:.2f} s of CPU")


if __name__ == "__main__":
    main()
