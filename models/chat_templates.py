"""The chat templates that come with a tokenizer, by name, read from its files without transformers.

Rendering messages by one of them is `chat.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.json_files import read_json
from pipeline.errors import ModelError

DEFAULT = "default"  # the name under which transformers keeps the template that is used where none is named


def chat_templates(folder: Path) -> dict[str, str]:
    """The text of each template by its name; a single one is called `default`. Raises ModelError for a broken file.

    As transformers has it: chat_template.jinja is the default, additional_chat_templates/*.jinja are the others, and
    where neither is there the configuration holds one text or several by name.
    """
    files = {path.stem: path for path in sorted((folder / "additional_chat_templates").glob("*.jinja"))}
    if (folder / "chat_template.jinja").exists():
        files[DEFAULT] = folder / "chat_template.jinja"
    if files:
        return {name: template_file_text(path) for name, path in files.items()}
    for name in ("chat_template.json", "tokenizer_config.json"):
        if (folder / name).exists():
            template = read_json(folder / name, what="tokenizer").get("chat_template")
            if template:
                return _by_name(template)
    return {}


def chosen_template(folder: Path, name: str) -> str:
    """The template called `name`. Raises ModelError, with the names that there are, where none is."""
    templates = chat_templates(folder)
    if name not in templates:
        names = ", ".join(sorted(templates))
        raise ModelError(
            f"the tokenizer has no chat template called {name!r}",
            where=str(folder),
            fix=f"Its templates: {names}. The default is used by `true`." if names else "It has no chat template.",
        )
    return templates[name]


def template_file_text(path: Path) -> str:
    """The template in a Jinja file. Raises ModelError where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"the chat template cannot be read: {error}", where=str(path)) from error


def _by_name(template: Any) -> dict[str, str]:
    if isinstance(template, Mapping):
        return {str(name): str(text) for name, text in template.items()}
    if isinstance(template, list):
        return {str(entry["name"]): str(entry["template"]) for entry in template}
    return {DEFAULT: str(template)}
