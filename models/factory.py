"""The engine that the settings ask for. The backend's code is imported here, when it is due."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from models.engine import Adapter, Engine
from models.identity import ModelIdentity
from pipeline.config import EngineSettings
from pipeline.fingerprint import FileHashes


def open_engine(
    settings: EngineSettings,
    folder: Path,
    *,
    adapters: Sequence[Adapter] = (),
    hashes: FileHashes | None = None,
    identity: ModelIdentity | None = None,
    tokenizer: Path | None = None,
    chat_template: Path | None = None,
    delta: Path | None = None,
) -> Engine:
    """An engine for the base in `folder` and its adapters; nothing is loaded before it is entered.

    `identity` is what the base's weights were when the run was planned; see `models/hf.py`.
    """
    from models.hf import HfEngine

    return HfEngine(
        folder,
        settings,
        adapters=adapters,
        hashes=hashes,
        identity=identity,
        tokenizer=tokenizer,
        chat_template=chat_template,
        delta=delta,
    )
