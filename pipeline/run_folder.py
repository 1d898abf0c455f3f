"""Where the files of a run stand: the one place that knows names of files and folders."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

STEPS = ("step1", "step2", "step3", "step4")
VIEWS = {
    "step1": "step1_generation.jsonl",
    "step2": "step2_generation_trans.jsonl",
    "step3": "step3_evaluation.jsonl",
    "step4": "step4_eval_scores.jsonl",
}
_LONGEST = 100  # of a file name's part; file systems take 255 bytes, suffixes and escapes included


def safe_name(name: str) -> str:
    """`name` as a file name on any system: unsafe characters replaced, long ones cut, told apart by a hash."""
    plain = re.sub(r'[\x00-\x1f<>:"/\\|?*%]+', "_", name).strip(" .") or "_"
    if plain == name and len(name.encode("utf-8")) <= _LONGEST:
        return name
    mark = hashlib.sha256(name.encode("utf-8")).hexdigest()[:8]
    return plain.encode("utf-8")[:_LONGEST].decode("utf-8", "ignore") + "-" + mark


@dataclass(frozen=True)
class RunFolder:
    """One run's folder, `output/<run>`."""

    root: Path
    memo: Path  # the folder of the memo

    def model(self, model: str) -> Path:
        """The folder of one model's results."""
        return self.root / safe_name(model)

    def task(self, model: str, task: str) -> Path:
        """The folder of one model's results on one task or group."""
        return self.model(model) / safe_name(task)

    def view(self, step: str, model: str, task: str) -> Path:
        return self.task(model, task) / VIEWS[step]

    def lock_file(self, step: str, model: str) -> Path:
        return self.model(model) / f"{step}.lock.json"

    def os_lock(self, *names: str) -> Path:
        """A file to hold an operating-system lock on."""
        return self.root / ".locks" / safe_name("~".join(names))

    @property
    def report_lock(self) -> Path:
        """What the run's reports were made from; written by step 4."""
        return self.root / "report.lock.json"

    def layout_lock(self, model: str) -> Path:
        """What the model's files in lm-evaluation-harness's layout were made from; written by step 4."""
        return self.model(model) / "lm_eval_layout.lock.json"

    @property
    def manifest(self) -> Path:
        """Which models and tasks the run consists of; written by step 1, read by the others."""
        return self.root / "run.json"


def run_folder(output_dir: str, memo_dir: str | None) -> RunFolder:
    """The folder of a run; its memo is `.memo` beside it, shared with its neighbours, unless `memo_dir` says where."""
    root = Path(output_dir).resolve()
    return RunFolder(root, Path(memo_dir).resolve() if memo_dir else root.parent / ".memo")
