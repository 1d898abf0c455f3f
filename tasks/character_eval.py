"""CharacterEval's data: the three files of the original in one folder, joined into documents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import DataError
from pipeline.fingerprint import FileHashes
from tasks.data_readers import Record
from tasks.datasets import as_table

DATASET = "charactereval"  # the `dataset_path` that stands for this form
EXAMPLES, DIMENSIONS, PROFILES = "test_data.jsonl", "id2metric.jsonl", "character_profiles.json"
_FILES = (EXAMPLES, DIMENSIONS, PROFILES)
_FIELDS = ("id", "role", "novel_name", "context")
_SOURCE = (
    f"Get {EXAMPLES}, {DIMENSIONS} and {PROFILES} from the folder data of https://github.com/morecry/CharacterEval, "
    "and give the task their folder in the run's YAML: data_dir: <folder>"
)


@dataclass(frozen=True)
class CharacterEvalData:
    """See `tasks.datasets.DataSource`. A document is an example with its role's `profile` and its `dimensions`.

    `dimensions` are pairs of English and Chinese names, none for an example that is not scored. All three files are
    one JSON document each, whatever their suffix.
    """

    folder: Path | None
    where: str  # file:line, for messages

    def locate(self, split: str) -> None:
        """Raises DataError, with where to get the files, if one is not there."""
        if self.folder is None:
            raise DataError("CharacterEval is read from its original files", where=self.where, fix=_SOURCE)
        missing = [name for name in _FILES if not (self.folder / name).is_file()]
        if missing:
            raise DataError(f"{self.folder} has no {', '.join(missing)}", where=self.where, fix=_SOURCE)

    def records(self, split: str) -> Iterator[Record]:
        self.locate(split)
        examples, dimensions, profiles = (self._read(name) for name in _FILES)
        if not isinstance(examples, list) or not isinstance(dimensions, dict) or not isinstance(profiles, dict):
            fault = f"{EXAMPLES} holds a list, {DIMENSIONS} and {PROFILES} a mapping, and these do not"
            raise DataError(fault, where=str(self.folder), fix=_SOURCE)
        for number, example in enumerate(examples):
            where = f"{self._path(EXAMPLES)}, record {number}"
            lacking = [name for name in _FIELDS if not isinstance(example, dict) or name not in example]
            if lacking:
                raise DataError(f"the record has no {', '.join(lacking)}", where=where)
            profile = profiles.get(example["role"])
            if profile is None:
                raise DataError(f"{PROFILES} has no character {example['role']!r}", where=where)
            scored_on = dimensions.get(str(example["id"]), [])
            yield Record({**example, "profile": profile, "dimensions": scored_on}, where)

    def table(self, split: str) -> Any:
        return as_table(record.data for record in self.records(split))

    def hashes(self, split: str, file_hashes: FileHashes) -> dict[str, str]:
        self.locate(split)
        return {name: file_hashes(self._path(name)) for name in _FILES}

    def same(self, split: str, other: str) -> bool:
        return True

    def description(self) -> dict[str, Any]:
        return {"form": DATASET}

    def _path(self, name: str) -> Path:
        assert self.folder is not None
        return self.folder / name

    def _read(self, name: str) -> Any:
        path = self._path(name)
        try:
            return json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise DataError(f"the file cannot be read as JSON: {error}", where=str(path), fix=_SOURCE) from error
