"""Models that value texts in step 3: what each kind is known by, and opening it. The kinds have files of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from models.engine import ANSWERS_VERSION
from models.identity import adapter_identity
from models.locate import hub_commit, is_hub_name, model_folder
from models.reward_settings import CONFIG, HEAD_FILES, METRIC_KEYS, reward_config
from pipeline.errors import InputError, ModelError
from pipeline.fingerprint import FileHashes
from pipeline.requests import CallFailure

# What changes no value: where and in which lots the model computes.
NEUTRAL_SCORER: frozenset[str] = frozenset({"model", "adapter", "device", "batch_size", "batch_tokens"})
_NOT_THE_MODEL = (".md", ".gitattributes", ".lock")
_OTHER_FORMATS = frozenset({"onnx", "openvino", "original", ".git", ".cache"})


class Scorer(Protocol):
    """Answers come back as they finish, each with the position of its text. Memory is free when the context closes."""

    versions: dict[str, str]  # packages that decide the values, by name

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def score(self, texts: Sequence[str]) -> Iterator[tuple[int, bytes | CallFailure]]: ...


def _embedding(folder: Path, settings: Mapping[str, Any]) -> Scorer:
    from models.embedding import EmbeddingModel

    return EmbeddingModel(folder, **settings)


def _reward(folder: Path, settings: Mapping[str, Any]) -> Scorer:
    from models.reward import RewardModel

    return RewardModel(folder, **settings)


_KINDS: dict[str, Callable[[Path, Mapping[str, Any]], Scorer]] = {"embedding": _embedding, "reward": _reward}


def scorer_scope(kind: str, settings: Mapping[str, Any], hashes: FileHashes) -> dict[str, Any]:
    """All that decides a value beside the text: kind, settings, content of the model's and adapter's folders.

    Loads nothing. Raises InputError where no model is named, ModelError where it is not there.
    """
    check_named(kind, settings)
    deciding = {name: value for name, value in settings.items() if name not in NEUTRAL_SCORER}
    folder = model_folder(settings["model"], settings.get("revision"))
    scope = {
        "kind": kind,
        "settings": deciding,
        "model": folder_identity(folder, hashes),
        "answers_version": ANSWERS_VERSION,
    }
    adapter = _adapter(settings)
    if adapter is not None:
        beside = [adapter / name for name in (*HEAD_FILES, CONFIG) if (adapter / name).exists()]
        scope["adapter"] = adapter_identity(adapter, hashes) | {path.name: hashes(path) for path in beside}
    return scope


def check_named(kind: str, settings: Mapping[str, Any]) -> None:
    """Raises InputError where no model is named, ModelError for one that is neither here nor a hub model's name."""
    if "model" not in settings:
        raise InputError(
            f"a metric that asks a model of the kind {kind} needs `model:`",
            fix="Give a folder or hub name: step3: {metrics: [{name: <the metric>, model: <folder or hub name>}]}",
        )
    if not is_hub_name(settings["model"]):
        model_folder(settings["model"], settings.get("revision"), download=False)


def metric_defaults(kind: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the model's folder says about the metric that asks it: a reward model's template and scale."""
    if kind != "reward" or "model" not in settings:
        return {}
    found = reward_config(model_folder(settings["model"], settings.get("revision")), _adapter(settings))
    return {name: value for name, value in found.items() if name in METRIC_KEYS}


def _adapter(settings: Mapping[str, Any]) -> Path | None:
    return Path(settings["adapter"]).expanduser() if settings.get("adapter") else None


def open_scorer(kind: str, settings: Mapping[str, Any]) -> Scorer:
    """The model, which is loaded when it is entered."""
    folder = model_folder(settings["model"], settings.get("revision"))
    own = {name: value for name, value in settings.items() if name not in ("model", "revision")}
    return _KINDS[kind](folder, own)


def folder_identity(folder: Path, hashes: FileHashes) -> dict[str, str]:
    """The hub commit of a model's folder, or the hash of each file of it that a value could depend on."""
    commit = hub_commit(folder)
    if commit is not None:
        return {"commit": commit}
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not path.name.endswith(_NOT_THE_MODEL)
        and not _OTHER_FORMATS & set(path.relative_to(folder).parts)
    )
    if not files:
        raise ModelError("the model folder is empty", where=str(folder))
    return {str(path.relative_to(folder)): hashes(path) for path in files}
