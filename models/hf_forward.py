"""One forward pass of a causal model over rows of token ids: padding, positions, logits where they are needed.

Rows are padded on the left, so that what is scored always stands at the end: the language-model head then runs on
the last positions alone, for every architecture that has `logits_to_keep`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class CausalForward:
    """Calls `model`, giving it those arguments alone that its architecture knows.

    `prepare` runs before each pass: it turns the pass's adapter on.
    """

    def __init__(self, model: Any, prepare: Callable[[], None] | None = None) -> None:
        self.model = model
        self._prepare = prepare
        known = inspect.signature(model.forward).parameters
        self._takes_positions = "position_ids" in known
        self._takes_keep = "logits_to_keep" in known

    @property
    def device(self) -> torch.device:
        device: torch.device = self.model.device
        return device

    def pad(self, rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Ids [rows, widest] padded on the left, and the mask of what is no padding, or None where nothing is."""
        import torch

        widest = max(len(row) for row in rows)
        ids = torch.zeros((len(rows), widest), dtype=torch.long)  # what padding is plays no part: it is masked
        mask = torch.zeros((len(rows), widest), dtype=torch.long)
        for place, row in enumerate(rows):
            ids[place, widest - len(row) :] = torch.tensor(row, dtype=torch.long)
            mask[place, widest - len(row) :] = 1
        padded = any(len(row) < widest for row in rows)
        return ids.to(self.device), mask.to(self.device) if padded else None

    def __call__(
        self, ids: torch.Tensor, mask: torch.Tensor | None, keep: int, *, cache: Any = None, start: int = 0
    ) -> torch.Tensor:
        """Logits [rows, keep, vocabulary] of the last `keep` positions.

        `mask` [rows, start + positions] covers what is in `cache` too; `start` is the number of tokens in it.
        """
        if self._prepare is not None:
            self._prepare()
        arguments: dict[str, Any] = {"use_cache": cache is not None}
        if cache is not None:
            arguments["past_key_values"] = cache
        if mask is not None:
            arguments["attention_mask"] = mask
            if self._takes_positions:
                arguments["position_ids"] = (mask.cumsum(dim=-1) - 1).clamp(min=0)[:, start:]
        if self._takes_keep:
            arguments["logits_to_keep"] = keep
        logits: torch.Tensor = self.model(input_ids=ids, **arguments).logits
        return logits[:, -keep:]
