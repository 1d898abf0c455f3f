"""Bundled tasks of lm_eval 0.4.13 over made-up documents: equal prompts byte for byte, filtered answers, values, figures.

No model is asked: both sides get the same made-up answers.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tasks.index import TaskIndex

pytest.importorskip("lm_eval", reason="the reference is lm_eval")

ROOT = Path(__file__).resolve().parents[2]


def names() -> list[str]:
    return sorted(name for name, known in TaskIndex.of_harness().definitions.items() if known[0].kind == "task")


def swept(asked: list[str], folder: Path) -> dict[str, dict[str, Any]]:
    """What became of each task. Their code runs in a process of its own, without network."""
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    quiet = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    program = [sys.executable, "-m", "tests.parity.harness_prompts.sweep", str(folder / "outcomes.json")]
    done = subprocess.run(
        program, input=json.dumps(asked), env=os.environ | quiet | nowhere, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, dict[str, Any]] = json.loads((folder / "outcomes.json").read_text())
    return found


def test_a_sample_of_tasks_is_asked_and_scored_as_in_lm_eval(tmp_path: Path) -> None:
    found = swept(random.Random(7).sample(names(), 60), tmp_path)
    differing = {name: one["detail"] for name, one in found.items() if one["status"] == "differs"}
    assert not differing
    counts = Counter((one["status"], one["kind"]) for one in found.values())
    assert counts["equal", "scored"] >= 50, counts
