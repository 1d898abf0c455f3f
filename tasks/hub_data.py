"""Data sets of the Hugging Face hub, from the hub or its cache; a hub that does not answer is asked once a process.

Files of one's own are `datasets.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

from pipeline.console import warn_once
from pipeline.errors import DataError, MissingPackageError
from pipeline.fingerprint import FileHashes
from tasks.data_files import NoSplitError
from tasks.data_readers import Record

_PATIENCE_S = 10.0  # for the hub's first answer; the hub's own client would try six times, for each data set


_LOCAL = "Give the task a local copy in the run's YAML: {name: …, data_dir: <folder or zip>}, or data_files"
_REMEDY = (
    f"{_LOCAL}. Or fill the cache where there is a network,\n"
    "  by `python main.py check <YAML> --plan`, and point HF_HOME here to a copy of it."
)


class HubUnreachableError(DataError):
    """A data set that is not in the hub's cache here, and the hub cannot be asked."""

    def __init__(self, data_set: str, where: str) -> None:
        self.data_set = data_set
        super().__init__(f"{_silence()}, and its cache here lacks {data_set}", where=where, fix=_REMEDY)


def lacking_hub(errors: Mapping[str, HubUnreachableError], where: str) -> DataError:
    """One error for all tasks, by name, whose data cannot be had; `where` the run names its tasks."""
    names = ", ".join(f"{task} ({error.data_set})" for task, error in errors.items())
    many = f"the data of {len(errors)} tasks" if len(errors) > 1 else "the data of a task"
    return DataError(f"{_silence()}, and its cache here lacks {many}: {names}", where=where, fix=_REMEDY)


class HubData:
    """A data set of the hub, downloaded or taken from its cache at the first use of a split."""

    def __init__(self, path: str, config: str | None, arguments: Mapping[str, Any], where: str) -> None:
        self._path = path
        self._config = config
        self._arguments = {name: value for name, value in arguments.items() if name != "trust_remote_code"}
        self._where = where
        self._loaded: Any = None

    def locate(self, split: str) -> None:
        return None

    def records(self, split: str) -> Iterator[Record]:
        for number, data in enumerate(self._split(split), 1):
            yield Record(dict(data), f"{self._name(split)}, record {number}")

    def table(self, split: str) -> Any:
        return self._split(split)

    def hashes(self, split: str, file_hashes: FileHashes) -> dict[str, str]:
        return {self._name(split): str(self._split(split)._fingerprint)}

    def same(self, split: str, other: str) -> bool:
        return split == other

    def description(self) -> dict[str, Any]:
        return {"path": self._path, "name": self._config, "arguments": self._arguments}

    def _name(self, split: str) -> str:
        return "/".join(part for part in (self._path, self._config, split) if part)

    def _split(self, split: str) -> Any:
        if self._loaded is None:
            self._loaded = self._load()
        if split not in self._loaded:
            there = ", ".join(self._loaded)
            what = f"{self._path} has no split {split}; it has {there}"
            raise NoSplitError(what, split, self._loaded, where=self._where)
        return self._loaded[split]

    def _load(self) -> Any:
        try:
            import datasets
        except ImportError as error:
            raise MissingPackageError("datasets", f"the data set {self._path}") from error
        return from_hub(self._path, self._config, self._arguments, self._where, datasets.load_dataset)


def from_hub(path: str, config: str | None, arguments: Mapping[str, Any], where: str, load: Callable[..., Any]) -> Any:
    """What `load`, which is `datasets.load_dataset`, gives. Raises DataError where it cannot."""
    reachable = hub_answers()
    try:
        with nullcontext() if reachable else _offline():
            loaded = load(path, config, **arguments)
    except (OSError, ValueError, RuntimeError, TypeError) as error:  # what `datasets` raises offline or misnamed
        if isinstance(error, ConnectionError) and not reachable:
            raise HubUnreachableError(path, where) from error
        first = (str(error) or type(error).__name__).splitlines()[0]
        what = f"the data set {path} could not be loaded from the Hugging Face hub: {first}"
        raise DataError(what, where=where, fix=f"{_LOCAL}.") from error
    if not reachable:
        warn_once(f"{_silence()}: data come from its cache here")
    return loaded


@cache
def hub_answers() -> bool:
    """Whether the hub can be reached, asked once a process and without another try; not where HF_HUB_OFFLINE is set."""
    from huggingface_hub import constants, get_session
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # of the client that this version uses

    if constants.is_offline_mode():
        return False
    try:
        get_session().head(constants.ENDPOINT, timeout=_PATIENCE_S)
    except (HTTPError, OSError):  # any answer will do, also one that refuses
        return False
    return True


def _silence() -> str:
    from huggingface_hub import constants

    if constants.is_offline_mode():
        return "the Hugging Face hub is not asked, since HF_HUB_OFFLINE is set"
    return f"the Hugging Face hub ({constants.ENDPOINT}) cannot be reached"


@contextmanager
def _offline() -> Iterator[None]:
    """While it lasts, `datasets` looks into the hub's cache alone, as if HF_HUB_OFFLINE were set."""
    import datasets
    from huggingface_hub import constants

    before = datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE = before
