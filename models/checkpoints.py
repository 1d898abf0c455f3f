"""Which LoRA checkpoints a run has: patterns expanded, training steps read, names given. Opens no weights."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from models.json_files import read_json
from models.locate import nearest_folder
from pipeline.config import AdapterSettings
from pipeline.errors import InputError, ModelError, blamed_on
from pipeline.fingerprint import text_digest

_LONGEST_NAME = 100
_UNSAFE = re.compile(r'[\x00-\x1f<>:"/\\|?*]|^[. ]+|[. ]+$')


class NamedAdapter(NamedTuple):
    """One adapter of a run: the model's name, its folder, its training step, and the settings that named it."""

    name: str
    path: Path
    step: int | None
    settings: AdapterSettings


def expand_adapters(
    adapters: Sequence[AdapterSettings], base_name: str = "base", where: Callable[[int], str] = lambda number: ""
) -> list[NamedAdapter]:
    """The adapters of a run in the order of their patterns, each pattern's sorted by training step as a number.

    `where` gives the place of an entry in the run's file, for messages.

    Raises InputError for a pattern that matches nothing, a folder that does not exist, and two models of one name
    (names that differ in case alone would be one folder on some file systems).
    """
    found: list[NamedAdapter] = []
    owners: dict[str, Path | None] = {safe_name(base_name).casefold(): None}
    for number, settings in enumerate(adapters):
        with blamed_on(where(number)):
            for named in _expand(settings):
                key = named.name.casefold()
                if key in owners:
                    raise _collision(named, owners[key])
                owners[key] = named.path
                found.append(named)
    return found


def _collision(named: NamedAdapter, owner: Path | None) -> InputError:
    """The error of a name that is taken by the adapter in `owner`, or by the base where that is None."""
    if owner == named.path:
        return InputError(
            f"the adapter {named.path} is given twice, as {named.name!r}", fix="Remove one of the entries or patterns."
        )
    if named.settings.name is not None and glob.has_magic(named.settings.path):
        fix = f"{named.settings.path} matches several folders: leave its name out, so that each gets its own."
    else:
        fix = f"Give one of them a name of its own:  - {{path: {named.path}, name: {named.name}-2}}"
    other = "the base model" if owner is None else owner
    return InputError(f"two models would be called {named.name!r}: {other} and {named.path}", fix=fix)


def _expand(settings: AdapterSettings) -> list[NamedAdapter]:
    pattern = str(Path(settings.path).expanduser())
    if glob.has_magic(pattern) and not Path(pattern).is_dir():
        matches = [Path(match) for match in glob.glob(pattern) if os.path.isdir(match)]
        folders = [folder for folder in matches if (folder / "adapter_config.json").exists()]
        if not folders:
            raise InputError(f"the adapter pattern {settings.path!r} matches no adapter folder", fix=_hint(matches))
    else:
        folders = [Path(pattern)]
        if not folders[0].is_dir():
            raise InputError(f"there is no adapter folder {settings.path}", fix=nearest_folder(folders[0]))
    named = [
        NamedAdapter(safe_name(settings.name or default_name(folder)), folder, training_step(folder), settings)
        for folder in folders
    ]
    return sorted(named, key=lambda one: (one.step is None, one.step or 0, str(one.path)))


def _hint(matches: Sequence[Path]) -> str:
    if not matches:
        return "Correct the pattern: no folder of that form exists."
    return f"It matches {matches[0]}, for example, which has no adapter_config.json."


def default_name(folder: Path) -> str:
    """The last two parts of the path as given, joined by `__`; it depends on nothing else in the run."""
    parts = [part for part in Path(os.path.normpath(folder)).parts if part not in ("..", folder.anchor)]
    return "__".join(parts[-2:]) or "adapter"


def safe_name(name: str) -> str:
    """`name` as every file system can hold it: other characters replaced, long names cut with a hash at the end."""
    safe = _UNSAFE.sub("_", name)
    if len(safe) <= _LONGEST_NAME:
        return safe
    return f"{safe[: _LONGEST_NAME - 9]}-{text_digest(name)[:8]}"


def training_step(folder: Path) -> int | None:
    """`global_step` of trainer_state.json, else the number at the end of the folder's name, else None."""
    state = folder / "trainer_state.json"
    if state.exists():
        try:
            step = read_json(state, what="adapter").get("global_step")
        except ModelError:  # half-written: the folder's name will do
            step = None
        if isinstance(step, int):
            return step
    trailing = re.search(r"(\d+)$", folder.name)
    return int(trailing.group(1)) if trailing else None
