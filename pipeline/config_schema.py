"""JSON Schemas of the run files, for editors: `python -m pipeline.config_schema` writes them into yamls/schema/.

A file names its schema in a first line: `# yaml-language-server: $schema=schema/run.schema.json`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from pipeline.config import STEP_SETTINGS

FOLDER = Path(__file__).resolve().parent.parent / "yamls" / "schema"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, str]:
    """The text of each schema file, by its name: one for files of all steps, one for each step's own."""
    files = {f"{step}.schema.json": _text(model.model_json_schema()) for step, model in STEP_SETTINGS.items()}
    return {"run.schema.json": _text(_run_schema()), **files}


def write(folder: Path = FOLDER) -> None:
    """Write the schema files into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schemas().items():
        (folder / name).write_text(text, encoding="utf-8")


def _run_schema() -> dict[str, Any]:
    """Sections for the steps, and beside them every key of any step, as all steps that know it share it."""
    _, definitions = models_json_schema([(model, "validation") for model in STEP_SETTINGS.values()])
    sections: dict[str, Any] = {}
    shared: dict[str, Any] = {}
    for step, model in STEP_SETTINGS.items():
        section = definitions["$defs"][model.__name__]
        for name, field in section["properties"].items():
            shared.setdefault(name, field)
        del section["required"]  # it may stand beside the section
        sections[step] = {
            "anyOf": [{"$ref": f"#/$defs/{model.__name__}"}, {"type": "null"}],
            "description": model.__doc__,
        }
    return {
        "description": "The settings of several steps, with what they share beside them.",
        "type": "object",
        "properties": sections | shared,
        "additionalProperties": False,
        "$defs": definitions["$defs"],
    }


def _text(schema: dict[str, Any]) -> str:
    """The schema without pydantic's titles, which only repeat the names."""
    return json.dumps({"$schema": _DIALECT, **_untitled(schema)}, indent=2, ensure_ascii=False) + "\n"


def _untitled(value: Any) -> Any:
    if isinstance(value, list):
        return [_untitled(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: _untitled(item) for key, item in value.items() if not (key == "title" and isinstance(item, str))}


if __name__ == "__main__":
    write()
