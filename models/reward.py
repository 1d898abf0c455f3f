"""Reward models: a text, or a dialogue, to one score. How the three kinds of head are loaded is `reward_load.py`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from models.batching import TokenBudget, in_batches
from models.hf_load import resolve_device
from models.properties import model_config, resolve_dtype
from models.reward_load import Loaded, Source, load_classification, load_custom, load_value_head
from models.reward_settings import MODEL_KEYS, resolve_head, reward_config
from pipeline.errors import MissingPackageError, ModelError
from pipeline.requests import CallFailure

DEFAULT_MAX_LENGTH = 4096
Ids = NDArray[np.int32]


@dataclass(frozen=True)
class RewardSettings:
    """How a reward model reads and scores. What the run leaves out is taken from `reward_config.json`."""

    head: str = "auto"  # classification, value, custom
    sigmoid: bool = False  # put on the head's value; a custom class has its own
    model_class: str | None = None  # custom: `module.Class` in the folder
    output: int | str | None = None  # custom: which of the class's outputs is the score
    chat: bool = False  # texts are messages as JSON, rendered by the model's chat template
    special_tokens: bool | None = None  # whether the tokenizer puts its own; by default for encoders alone
    eos: bool | None = None  # whether the end token is appended; by default but for encoders and chat
    max_length: int | None = (
        None  # in tokens, by default 4096 or as many as the model has; longer texts lose their head
    )
    dtype: str = "auto"
    device: str = "auto"
    batch_size: int = 32
    batch_tokens: int = 16384
    trust_remote_code: bool = False


class RewardModel:
    """The reward model in `folder`, with the LoRA in `adapter` if there is one.

    Settings are those of `RewardSettings`; given ones go before those of the folder's reward_config.json.
    """

    def __init__(self, folder: Path, *, adapter: str | None = None, **settings: Any) -> None:
        self._folder = folder
        self._adapter = Path(adapter).expanduser() if adapter else None
        found = reward_config(folder, self._adapter)
        self._settings = RewardSettings(**{name: found[name] for name in MODEL_KEYS & set(found)} | settings)
        self._tokenizer: Any = None
        self._loaded: Loaded | None = None
        self._device = "cpu"
        self._max_length = DEFAULT_MAX_LENGTH
        self.versions: dict[str, str] = {}

    def __enter__(self) -> Self:
        try:
            from transformers import AutoTokenizer
        except ImportError as error:
            raise MissingPackageError("transformers", "the metric reward_model", "torch transformers") from error
        self._device = resolve_device(self._settings.device)
        self._loaded = self._load()
        self._tokenizer = AutoTokenizer.from_pretrained(
            self._folder, trust_remote_code=self._settings.trust_remote_code, local_files_only=True
        )
        packages = ["torch", "transformers", *(["peft"] if self._adapter else [])]
        self.versions = {name: version(name) for name in packages}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loaded = self._tokenizer = None

    def score(self, texts: Sequence[str]) -> Iterator[tuple[int, bytes | CallFailure]]:
        """For each text two float64s: the score, and how many tokens its beginning lost.

        A score that is no number, or a text for which memory is too small even alone, is a failure.
        """
        assert self._loaded is not None
        rows = sorted(enumerate(self._encode(texts)), key=lambda row: -self._kept(row[1]))
        budget = TokenBudget(self._settings.batch_tokens, self._settings.batch_size)
        lots = [rows]
        if self._loaded.padding == "none":
            lots = [list(lot) for _, lot in groupby(rows, key=lambda row: self._kept(row[1]))]
        for lot in lots:
            for batch in in_batches(lot, lambda row: self._kept(row[1]), self._compute, budget):
                for (position, ids), value in batch:
                    yield position, self._answer(value, len(ids))

    def _kept(self, ids: Ids) -> int:
        return min(len(ids), self._max_length)

    def _answer(self, value: float | None, tokens: int) -> bytes | CallFailure:
        if value is None:
            return CallFailure(key="", type="OutOfMemory", message=f"no memory for a text of {tokens} tokens")
        if not math.isfinite(value):
            message = f"the reward model's score is {value}"
            return CallFailure(key="", type="NotANumber", message=message, deterministic=True)
        return np.array([value, max(0, tokens - self._max_length)], dtype=np.float64).tobytes()

    def _compute(self, batch: list[tuple[int, Ids]]) -> list[float]:
        import torch

        assert self._loaded is not None
        rows = [ids[-self._max_length :] for _, ids in batch]
        shape = len(rows), max(map(len, rows))
        padded = np.full(shape, self._loaded.pad_id or 0, dtype=np.int64)
        mask = np.zeros(shape, dtype=np.int64)
        for number, ids in enumerate(rows):
            place = slice(0, len(ids)) if self._loaded.padding == "right" else slice(shape[1] - len(ids), None)
            padded[number, place] = ids
            mask[number, place] = 1
        with torch.inference_mode():
            scores = self._loaded.forward(
                torch.from_numpy(padded).to(self._device), torch.from_numpy(mask).to(self._device)
            )
        return [float(score) for score in scores.double().tolist()]

    def _encode(self, texts: Sequence[str]) -> list[Ids]:
        """Each text's tokens, whole."""
        settings = self._settings
        assert self._loaded is not None
        encoder = self._loaded.encoder
        special = encoder if settings.special_tokens is None else settings.special_tokens
        ends = not (encoder or settings.chat) if settings.eos is None else settings.eos
        end = self._end() if ends else []
        rows: list[Ids] = []
        for text in texts:
            shown = self._dialogue(text) if settings.chat else text
            # a chat template has its own special tokens
            ids = self._tokenizer.encode(shown, add_special_tokens=special and not settings.chat, verbose=False)
            rows.append(np.array(ids + end, dtype=np.int32))
        return rows

    def _end(self) -> list[int]:
        end = self._tokenizer.eos_token_id
        if end is None:
            raise ModelError(
                "the reward model's tokenizer has no end token", where=str(self._folder), fix="Set eos: false."
            )
        return [end]

    def _dialogue(self, messages: str) -> str:
        if not self._tokenizer.chat_template:
            raise ModelError(
                "`chat: true`, and the reward model's tokenizer has no chat template",
                where=str(self._folder),
                fix="Give a `template` for the texts instead.",
            )
        return str(self._tokenizer.apply_chat_template(json.loads(messages), tokenize=False))

    def _load(self) -> Loaded:
        settings = self._settings
        config = model_config(self._folder)
        positions = config.get("max_position_embeddings") or config.get("n_positions") or DEFAULT_MAX_LENGTH
        self._max_length = settings.max_length or min(DEFAULT_MAX_LENGTH, positions)
        dtype = resolve_dtype(settings.dtype, config)
        source = Source(self._folder, self._adapter, dtype, self._device, settings.trust_remote_code)
        match resolve_head(settings.head, self._folder, self._adapter):
            case "classification":
                return load_classification(source, settings.sigmoid)
            case "value":
                return load_value_head(source, settings.sigmoid)
            case "custom":
                return load_custom(source, settings.model_class, settings.output, settings.sigmoid)
