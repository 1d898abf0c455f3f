"""Every bundled task of lm_eval 0.4.13 is built as a run would build it, short of its data, or refused for a listed reason."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tasks.index import TaskIndex

pytest.importorskip("lm_eval")

ROOT = Path(__file__).resolve().parents[2]
LISTED = yaml.safe_load((Path(__file__).parent / "harness_refusals.yaml").read_text("utf-8"))
TOGETHER = 100  # how many tasks one call builds; after a refusal its halves are built
# What a message says of the kind of refusal, and of what it stands under in the list.
KINDS = {
    "unsupported": r"lm_eval/tasks/(\w+)/\S+:\d+: `doc_to_\w+` \(\w+\) is not supported",
    "unsafe_code": r"lm_eval/tasks/(\w+)/\S+:\d+: .* is scored by running what a model has written",
    "code": r"lm_eval/tasks/(\S+\.py) fails when imported: ",
    "evaluate": r": the metric (\w+) of the package `evaluate` cannot be had",
}


def names(kind: str) -> list[str]:
    return sorted(name for name, known in TaskIndex.of_harness().definitions.items() if known[0].kind == kind)


def refused(asked: list[list[str]], folder: Path) -> dict[str, set[str]]:
    """What the list should hold, by kind. The tasks' code runs in a process of its own, without network."""
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "OMP_NUM_THREADS": "1", **nowhere}
    program = [sys.executable, "-m", "tests.parity.harness_builds", str(folder / "refusals.json")]
    done = subprocess.run(
        program, input=json.dumps(asked), env=os.environ | offline, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, set[str]] = {kind: set() for kind in (*KINDS, "refused")}
    for name, message in json.loads((folder / "refusals.json").read_text()).items():
        for line in message.splitlines():
            fits = {kind: match[1] for kind, pattern in KINDS.items() if (match := re.search(pattern, line))}
            for kind, item in fits.items():
                found[kind].add(item)
            if not fits and not line.startswith("  "):  # an indented line says what to do
                found["refused"].add(name)
    return found


def surprises(found: dict[str, set[str]]) -> dict[str, set[str]]:
    return {kind: items - LISTED[kind].keys() for kind, items in found.items() if items - LISTED[kind].keys()}


def test_a_sample_of_tasks_is_built(tmp_path: Path) -> None:
    tasks = names("task")
    assert len(tasks) == 13_123
    assert surprises(refused([random.Random(5).sample(tasks, 250)], tmp_path)) == {}


@pytest.mark.slow
def test_all_tasks_are_built(tmp_path: Path) -> None:
    tasks = names("task")
    chunks = [tasks[start : start + TOGETHER] for start in range(0, len(tasks), TOGETHER)]
    found = refused(chunks, tmp_path)
    assert surprises(found) == {}
    assert found["unsupported"] == LISTED["unsupported"].keys()
    assert found["refused"] == LISTED["refused"].keys() - set(names("group"))
    bare = {path.partition("/")[0] for path in found["code"]}
    assert LISTED["unsafe_code"].keys() <= found["unsafe_code"] | bare


@pytest.mark.slow
def test_groups_are_built_with_what_they_say_of_their_members(tmp_path: Path) -> None:
    asked = {*random.Random(5).sample(names("group"), 150), "flan_held_in", "t0_eval"}
    found = refused([[name] for name in sorted(asked)], tmp_path)
    assert surprises(found) == {}
    assert {"flan_held_in", "t0_eval"} <= found["refused"]
