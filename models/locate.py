"""Where a model's files are: a local folder, or the hub's local cache, filled from the hub when it may be.

Gives folders alone; what is in them is `identity.py` and `properties.py`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from pipeline.errors import MissingPackageError, ModelError
from pipeline.near import path_meant

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_WANTED = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "*.py", "*.tiktoken"]
_UNWANTED = ["original/*", "onnx/*", "openvino/*"]


def model_folder(path: str, revision: str | None = None, *, download: bool = True) -> Path:
    """The folder of the model `path`: that folder itself, or the hub model's snapshot in the local cache.

    `download`: a hub model that is not in the cache is fetched, unless HF_HUB_OFFLINE is set. Raises ModelError for
    what is neither a folder nor a hub model that can be had.
    """
    folder = Path(path).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise ModelError("the model is a file, not a folder", where=path, fix="Name the folder that holds config.json.")
    if not is_hub_name(path):
        raise ModelError("there is no such model folder", where=path, fix=nearest_folder(folder))
    return _snapshot(path, revision, download)


def hub_commit(folder: Path) -> str | None:
    """The hub commit of a folder in the hub's cache layout (`models--*/snapshots/<commit>`), else None."""
    parent = folder.resolve().parent
    if parent.name == "snapshots" and parent.parent.name.startswith("models--") and _COMMIT.fullmatch(folder.name):
        return folder.name
    return None


def nearest_folder(folder: Path) -> str:
    """A sentence that names the folder that was probably meant instead of `folder`, which is not there."""
    return path_meant(folder, Path.is_dir)


def _snapshot(name: str, revision: str | None, download: bool) -> Path:
    try:
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    except ImportError as error:
        raise MissingPackageError("huggingface_hub", f"the hub model {name}") from error
    online = download and os.environ.get("HF_HUB_OFFLINE", "").lower() not in {"1", "true", "yes", "on"}
    try:
        return _fetched(name, revision, online)
    except (LocalEntryNotFoundError, HFValidationError) as error:
        asked = "which could not be reached" if online else "which was not asked"
        raise ModelError(
            f"this is not a local folder, nor is it in the local cache of the hub, {asked}",
            where=name,
            fix=f"{nearest_folder(Path(name))} Or fetch it where there is a network: hf download {name}",
        ) from error
    except HfHubHTTPError as error:
        raise ModelError(
            f"the hub has no model {name!r} that you may read: {error}", where=name, fix=_access(name)
        ) from error


def _fetched(name: str, revision: str | None, online: bool) -> Path:
    """The snapshot in the cache, brought up to date where the hub can be reached."""
    from huggingface_hub import snapshot_download

    if not online:
        return Path(snapshot_download(name, revision=revision, local_files_only=True))
    folder = Path(snapshot_download(name, revision=revision, allow_patterns=_WANTED, ignore_patterns=_UNWANTED))
    if any(folder.glob("*.safetensors")):
        return folder
    # Pickled weights only where the model has nothing else.
    return Path(
        snapshot_download(name, revision=revision, allow_patterns=[*_WANTED, "*.bin"], ignore_patterns=_UNWANTED)
    )


def _access(name: str) -> str:
    return f"{nearest_folder(Path(name))} A gated or private model needs HF_TOKEN in the environment."


def is_hub_name(path: str) -> bool:
    """Whether `path` could be a model on the hub: it has the form of a name, and is not a local folder."""
    return bool(_HUB_NAME.fullmatch(path)) and not Path(path).expanduser().exists()
