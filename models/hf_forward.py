"""Forward passes of a causal model over rows of token ids: padding, positions, logits where they are needed.

Rows are padded on the left, so that what is scored always stands at the end: the language-model head then runs on
the last positions alone, for every architecture that has `logits_to_keep`. `Forward` and `Decoding` are what scoring
and generation ask of any architecture; models with an encoder are `hf_seq2seq.py`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from models.kv_cache import can_compact, growing_cache
from models.packed_forward import PackedForward, Trial

if TYPE_CHECKING:
    import torch


class Input(NamedTuple):
    """One row: what the model continues, and what its encoder reads (causal models have none and do not look)."""

    ids: tuple[int, ...]
    source: tuple[int, ...] = ()

    @property
    def width(self) -> int:
        """Tokens that the row takes in a pass."""
        return len(self.ids) + len(self.source)


class Decoding(Protocol):
    """A batch that grows by one token a row and step."""

    can_drop: bool  # whether finished rows can leave the batch

    def logits(self) -> torch.Tensor:
        """[rows, vocabulary]: what follows the inputs."""
        ...

    def drop_all_but(self, places: Sequence[int]) -> None: ...

    def step(self, tokens: Sequence[int]) -> torch.Tensor:
        """Append a token to each row; logits [rows, vocabulary] of what follows."""
        ...


class Forward(Protocol):
    """A model of some architecture, with one adapter on or none."""

    model: Any

    @property
    def device(self) -> torch.device: ...

    def logits(self, inputs: Sequence[Input], lengths: Sequence[int]) -> tuple[torch.Tensor, list[int]]:
        """Logits [rows, positions, vocabulary], and where among these positions each row's last `lengths` begin."""
        ...

    def begin(self, inputs: Sequence[Input], new_tokens: int) -> Decoding:
        """Start to continue `inputs`, by `new_tokens` tokens at most."""
        ...

    def preparing(self, prepare: Callable[[], None]) -> Forward:
        """The same model; `prepare` runs before each pass: it turns the pass's adapter on."""
        ...

    def packed(self) -> PackedForward | None:
        """Passes over rows that begin alike, where the architecture has such."""
        ...


class CausalForward:
    """Calls `model`, giving it those arguments alone that its architecture knows."""

    def __init__(self, model: Any, prepare: Callable[[], None] | None = None, trial: Trial | None = None) -> None:
        self.model = model
        self._prepare = prepare
        self._trial = trial or Trial()
        known = inspect.signature(model.forward).parameters
        self._takes_positions = "position_ids" in known
        self._takes_keep = "logits_to_keep" in known

    def preparing(self, prepare: Callable[[], None]) -> CausalForward:
        return CausalForward(self.model, prepare, self._trial)

    def packed(self) -> PackedForward:
        return PackedForward(self, self._trial)

    @property
    def device(self) -> torch.device:
        device: torch.device = self.model.device
        return device

    def pad(self, rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Ids [rows, widest] padded on the left, and the mask of what is no padding, or None where nothing is."""
        ids, mask = padded(rows, left=True)
        whole = all(len(row) == ids.shape[1] for row in rows)
        return ids.to(self.device), None if whole else mask.to(self.device)

    def __call__(
        self, ids: torch.Tensor, mask: torch.Tensor | None, keep: int, *, cache: Any = None, start: int = 0
    ) -> torch.Tensor:
        """Logits [rows, keep, vocabulary] of the last `keep` positions.

        `mask` [rows, start + positions] covers what is in `cache` too; `start` is the number of tokens in it.
        """
        arguments: dict[str, Any] = {"use_cache": cache is not None}
        if cache is not None:
            arguments["past_key_values"] = cache
        if mask is not None:
            arguments["attention_mask"] = mask
            if self._takes_positions:
                arguments["position_ids"] = (mask.cumsum(dim=-1) - 1).clamp(min=0)[:, start:]
        return self.run(ids, keep, **arguments)

    def run(self, ids: torch.Tensor, keep: int, **arguments: Any) -> torch.Tensor:
        """Logits [rows, keep, vocabulary] of the last `keep` positions; `arguments` are those of the model's own."""
        if self._prepare is not None:
            self._prepare()
        if self._takes_keep:
            arguments["logits_to_keep"] = keep
        logits: torch.Tensor = self.model(input_ids=ids, **arguments).logits
        return logits[:, -keep:]

    def logits(self, inputs: Sequence[Input], lengths: Sequence[int]) -> tuple[torch.Tensor, list[int]]:
        """Logits of the last positions, as `Forward` says it."""
        ids, mask = self.pad([one.ids for one in inputs])
        keep = max(lengths)
        return self(ids, mask, keep), [keep - length for length in lengths]

    def begin(self, inputs: Sequence[Input], new_tokens: int) -> CausalDecoding:
        """Run the prompts and keep their keys and values."""
        return CausalDecoding(self, inputs, new_tokens)


class CausalDecoding:
    """The growing batch of a causal model: its mask and its keys and values."""

    def __init__(self, forward: CausalForward, inputs: Sequence[Input], new_tokens: int) -> None:
        self._forward = forward
        ids, self._mask = forward.pad([one.ids for one in inputs])
        self._length = ids.shape[1]
        self._cache = growing_cache(forward.model.config, self._length + new_tokens)
        self._first = forward(ids, self._mask, 1, cache=self._cache)[:, -1]
        self.can_drop = can_compact(self._cache)

    def logits(self) -> torch.Tensor:
        return self._first

    def drop_all_but(self, places: Sequence[int]) -> None:
        import torch

        kept = torch.tensor(places, device=self._forward.device)
        self._cache.batch_select_indices(kept)
        self._mask = None if self._mask is None else self._mask[kept]

    def step(self, tokens: Sequence[int]) -> torch.Tensor:
        import torch

        last = torch.tensor([[token] for token in tokens], device=self._forward.device)
        if self._mask is not None:
            self._mask = torch.cat([self._mask, self._mask.new_ones((len(tokens), 1))], dim=1)
        logits = self._forward(last, self._mask, 1, cache=self._cache, start=self._length)
        self._length += 1
        return logits[:, -1]


def padded(rows: Sequence[Sequence[int]], *, left: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids [rows, widest] with zeros on one side, and the mask of what is no padding; what padding is plays no part."""
    import torch

    widest = max(len(row) for row in rows)
    ids = torch.zeros((len(rows), widest), dtype=torch.long)
    mask = torch.zeros((len(rows), widest), dtype=torch.long)
    for place, row in enumerate(rows):
        where = slice(widest - len(row), widest) if left else slice(0, len(row))
        ids[place, where] = torch.tensor(row, dtype=torch.long)
        mask[place, where] = 1
    return ids, mask
