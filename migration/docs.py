"""The tables of docs/from-lm-eval.md, from the rows that `from-lm-eval` goes by: `python -m migration.docs`.

What stands between the marks of a table is written anew; the rest of the page is written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from migration.flags import FLAGS
from migration.launch import ENVIRONMENT, LAUNCHER_OPTIONS
from migration.model_args import HF_ARGUMENTS
from migration.models import MODEL_TYPES
from migration.table import Option

PAGE = Path(__file__).resolve().parent.parent / "docs" / "from-lm-eval.md"
_HEAD = ("is", "here", "remark")


def tables() -> Mapping[str, str]:
    """Each table in Markdown, by the name in its marks."""
    return {
        "flags": _table("flag", [_row(_flag(option), option) for option in FLAGS.values()]),
        "hf": _table("argument", [_row(f"`{option.name}`", option) for option in HF_ARGUMENTS.values()]),
        "models": _table(
            "--model", [(f"`{one.name}`", one.status, one.here, one.note) for one in MODEL_TYPES.values()]
        ),
        "others": _others(),
        "environment": _table("variable", [_row(f"`{option.name}`", option) for option in ENVIRONMENT.values()]),
        "launchers": _table("option", [_row(_flag(option), option) for option in LAUNCHER_OPTIONS.values()]),
    }


def current(page: str) -> str:
    """The page with its tables as they are now. Raises ValueError where the marks of one are missing."""
    for name, table in tables().items():
        marks = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not marks.search(page):
            raise ValueError(f"the page has no marks for the table {name}")
        page = marks.sub(lambda found, text=table: f"{found[1]}{text}{found[2]}", page)  # type: ignore[misc]
    return page


def _flag(option: Option) -> str:
    return f"`--{option.name}`, `-{option.short}`" if option.short else f"`--{option.name}`"


def _row(name: str, option: Option) -> tuple[str, ...]:
    remark = option.note
    if option.status == "refused" and option.neutral:
        values = ", ".join(f"`{value}`" for value in option.neutral if value not in ("", {}))
        remark += f"; {values} is accepted" if values else ""
    return name, option.status, option.here, remark


def _others() -> str:
    """The arguments of other model types, those with equal words in one row."""
    rows: dict[tuple[str, str], list[str]] = {}
    for one in MODEL_TYPES.values():
        for option in one.arguments:
            named = rows.setdefault((option.here, option.note), [])
            if option.name not in named:
                named.append(option.name)
    return _table(
        "argument",
        [(", ".join(f"`{name}`" for name in named), "refused", *words) for words, named in rows.items()],
    )


def _table(first: str, rows: Iterable[tuple[str, ...]]) -> str:
    cells = [(first, *_HEAD), ("---",) * 4, *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in cells)


if __name__ == "__main__":
    PAGE.write_text(current(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
