"""The data sets of the suite, by the hub's names: as the harness loads them, and as files for this project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.parity.harness import coded_data, made_data, real_data
from tests.parity.harness.real_data import Splits
from tests.project import write_lines


def is_real(path: str) -> bool:
    """Whether the documents come from the shared data folder."""
    return path in real_data.SETS


def splits(path: str, config: str | None) -> Splits:
    return {**real_data.SETS, **made_data.SETS, **coded_data.SETS}[path](config)


def load_dataset(path: str, name: str | None = None, **_settings: Any) -> Any:
    """What takes the place of `datasets.load_dataset` in the harness."""
    from datasets import Dataset, DatasetDict

    return DatasetDict({split: Dataset.from_list(records) for split, records in splits(path, name).items()})


def folder_name(path: str) -> str:
    return path.replace("/", "__")


def write_data_set(root: Path, path: str, config: str | None) -> None:
    """The splits as JSON lines below `root`, where `data_dir: <root>/<set>` finds them."""
    folder = root / folder_name(path) / (config or "")
    folder.mkdir(parents=True, exist_ok=True)
    for split, records in splits(path, config).items():
        write_lines(folder / f"{split}.jsonl", records)
