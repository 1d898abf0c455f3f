"""Sentence embeddings by any sentence-transformers model: a text to a vector of float32."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pipeline.errors import MissingPackageError
from pipeline.requests import CallFailure

_LOT = 512  # texts between two answers; within it they are sorted by length


class EmbeddingModel:
    """The sentence-transformers model in `folder`.

    `max_length` in tokens (default: the model's own), `prompt` a text put before each, `dtype` the weights' format.
    """

    def __init__(
        self,
        folder: Path,
        *,
        device: str = "auto",
        batch_size: int = 32,
        max_length: int | None = None,
        prompt: str | None = None,
        dtype: str = "float32",
        trust_remote_code: bool = False,
    ) -> None:
        self._folder = folder
        self._device = None if device == "auto" else device
        self._batch_size = batch_size
        self._max_length = max_length
        self._prompt = prompt
        self._dtype = dtype
        self._trust = trust_remote_code
        self._model: Any = None
        self.versions: dict[str, str] = {}

    def __enter__(self) -> Self:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise MissingPackageError("sentence-transformers", "the metric semantic_similarity") from error
        import torch
        import transformers

        library: Any = transformers  # its logging functions have no types
        library.utils.logging.disable_progress_bar()  # progress is this pipeline's own
        self._model = SentenceTransformer(
            str(self._folder),
            device=self._device,
            trust_remote_code=self._trust,
            local_files_only=True,
            model_kwargs={"dtype": getattr(torch, self._dtype)},
        )
        if self._max_length is not None:
            self._model.max_seq_length = self._max_length
        self.versions = {name: version(name) for name in ("sentence-transformers", "torch", "transformers")}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._model = None

    def score(self, texts: Sequence[str]) -> Iterator[tuple[int, bytes | CallFailure]]:
        """The vector of each text, as the bytes of its float32s."""
        order = sorted(range(len(texts)), key=lambda position: -len(texts[position]))
        for start in range(0, len(order), _LOT):
            lot = order[start : start + _LOT]
            vectors = self._model.encode(
                [texts[position] for position in lot],
                batch_size=self._batch_size,
                prompt=self._prompt,
                convert_to_numpy=True,
                show_progress_bar=False,
            )
            for position, one in zip(lot, vectors, strict=True):
                yield position, one.astype("float32").tobytes()
