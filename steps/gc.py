"""`gc`: forget results that no run has used for a long time, and give the disk space back."""

from __future__ import annotations

from pathlib import Path

from models.locate import nearest_folder
from pipeline.config_load import load_all
from pipeline.console import show
from pipeline.errors import InputError
from pipeline.memo import FILE_NAME, Memo
from pipeline.run_folder import run_folder


def gc(target: Path, unused_for_days: float, dry_run: bool) -> int:
    """Prune the memo of `target`: a run's YAML, its output folder, or the folder that holds the memo; 0.

    Raises InputError where no memo is found. With `dry_run` nothing is removed.
    """
    folder = _memo_folder(target)
    with Memo(folder) as memo:
        kept = len(memo)
        results, size = memo.prune(unused_for_days, dry_run)
    verb = "would remove" if dry_run else "removed"
    show(
        f"{folder / FILE_NAME}: {verb} {results} of {kept} results, "
        f"{size / 1e6:.1f} MB, not used for {unused_for_days:g} days"
    )
    return 0


def _memo_folder(target: Path) -> Path:
    if target.suffix in {".yaml", ".yml"}:
        settings = next(iter(load_all(target, []).values())).settings
        candidates = [run_folder(settings.output_dir, settings.memo_dir).memo]
    elif not target.is_dir():
        raise InputError("there is no such folder", where=str(target), fix=nearest_folder(target))
    else:
        candidates = [target, target / ".memo", target.parent / ".memo"]
    for folder in candidates:
        if (folder / FILE_NAME).exists():
            return folder
    raise InputError(
        f"no memo is here: looked for {', '.join(str(folder / FILE_NAME) for folder in candidates)}",
        fix="Name the run's YAML, its output folder, or the folder with the memo",
    )
