"""A small project to run whole steps on: models made on the spot, three tasks, YAML files, the command line."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
VIEW_NAMES = (
    "step1_generation.jsonl",
    "step2_generation_trans.jsonl",
    "step3_evaluation.jsonl",
    "step4_eval_scores.jsonl",
)


@dataclass
class Project:
    """A folder with models, data and run files; commands run in it as a user would."""

    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)

    def write_settings(self, name: str = "run.yaml", **changes: Any) -> Path:
        """The run's YAML, with top-level parts replaced; `step1={...}` is merged into the section."""
        settings = copy.deepcopy(self.settings)
        for part, value in changes.items():
            if isinstance(value, dict) and isinstance(settings.get(part), dict):
                settings[part] |= value
            else:
                settings[part] = value
        path = self.folder / name
        path.write_text(yaml.safe_dump(settings, allow_unicode=True, sort_keys=False), encoding="utf-8")
        return path

    def popen(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
        return subprocess.Popen(
            [sys.executable, str(ROOT / "main.py"), *arguments],
            cwd=self.folder,
            env=environment | options.pop("env", {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def run(self, *arguments: str, expect: int = 0, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the command line and check its exit code."""
        process = self.popen(*arguments, **options)
        out, err = process.communicate(timeout=300)
        assert process.returncode == expect, f"exit code {process.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def views(self, run: str = "run", step: int | None = None) -> dict[str, list[dict[str, Any]]]:
        """The rows of all views (or of one step's) of a run by their path within it."""
        root = self.folder / "output" / run
        names = VIEW_NAMES if step is None else VIEW_NAMES[step - 1 : step]
        return {
            str(path.relative_to(root)): [json.loads(line) for line in path.read_bytes().splitlines()]
            for name in names
            for path in sorted(root.glob(f"*/*/{name}"))
        }

    def answered(self, run: str = "run") -> list[str]:
        """The keys of all calls that the engine answered, over all runs so far, from the log (--verbose)."""
        log = self.folder / "output" / run / "run.log"
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        return [line.rsplit(" ", 1)[1] for line in lines if ": answered " in line]


def gsm8k_item(number: int) -> dict[str, str]:
    first, second = 3 + number, 7 * number + 2
    return {
        "question": f"Tom has {first} apples and buys {second} more. How many apples does he have?",
        "answer": f"He has {first} + {second} = <<{first}+{second}={first + second}>>{first + second}.\n#### {first + second}",
    }


def make_project(folder: Path, models: Path) -> Project:
    """Copy the models, write the data and give the settings of a run over three tasks."""
    shutil.copytree(models, folder / "models")
    data = folder / "data"
    data.mkdir()
    for split, numbers in (("train", range(100, 120)), ("test", range(12))):
        write_lines(data / f"{split}.jsonl", [gsm8k_item(number) for number in numbers])
    names = ("cat", "dog", "bird", "horse", "teacher", "doctor", "singer", "driver")
    pairs = [
        {
            "sentence_good": f"The {name}s that run sleep.",
            "sentence_bad": f"The {name}s that run sleeps.",
            "UID": "agreement",
        }
        for name in names
    ]
    write_lines(data / "causative.jsonl", pairs)
    own = [
        {
            "instruction": f"请说数字{number}。",
            "input": "",
            "output": f"数字是{number}。",
            "history": [["你好", "你好！"]],
        }
        for number in range(6)
    ]
    (data / "own.json").write_text(json.dumps(own, ensure_ascii=False), encoding="utf-8")
    return Project(folder, project_settings())


def write_lines(path: Path, items: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items), encoding="utf-8")


def project_settings() -> dict[str, Any]:
    return {
        "output_dir": "output/run",
        "step1": {
            "engine": {"backend": "hf", "threads": 1},
            "model": "models/base",
            "adapters": ["models/sft/checkpoint-*"],
            "tasks": [
                {"name": "gsm8k", "data_dir": "data", "num_fewshot": 2},
                {"name": "blimp_causative", "data_dir": "data"},
                {"name": "own", "data": "data/own.json", "format": "alpaca"},
            ],
            "generation_override": {"max_gen_toks": 12},
        },
        "step2": {},
        "step3": {"metrics": [{"name": "rouge", "tokenizer": "jieba"}]},
        "step4": {},
    }
