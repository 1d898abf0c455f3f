"""The engine that the settings ask for. The backend's code is imported here, when it is due."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from models.engine import Adapter, Engine
from models.hardware import package_versions
from models.identity import ModelIdentity
from models.packages import check_packages, deciding_packages
from models.properties import model_config
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
    template_name: str | None = None,
    delta: Path | None = None,
) -> Engine:
    """An engine for the base in `folder` and its adapters; nothing is loaded before it is entered.

    What the arguments mean is said in `models/hf.py`. Raises MissingPackageError for a package that the settings need.
    """
    config = model_config(folder)
    check_packages(settings, config)
    rest: dict[str, Any] = {"adapters": tuple(adapters), "hashes": hashes, "identity": identity}
    rest |= {"tokenizer": tokenizer, "chat_template": chat_template, "template_name": template_name, "delta": delta}
    if settings.replicas == 1:
        from models.hf import HfEngine

        return HfEngine(folder, settings, **rest)
    from models.replicas import ReplicaEngine

    build = partial(_replica, folder, settings, rest)
    versions = package_versions(deciding_packages(settings, config))
    return ReplicaEngine(build, settings.replicas, versions, settings.max_batch_size)


def _replica(folder: Path, settings: EngineSettings, rest: dict[str, Any], number: int, count: int) -> Engine:
    """One of `count` engines, built in its own process."""
    from models.hf import HfEngine
    from models.replica_process import replica_settings

    return HfEngine(folder, replica_settings(settings, number, count), **rest)
