"""Keys and values of a generating batch, in buffers with room to grow: appending a token copies nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def growing_cache(config: Any, room: int) -> Any:
    """A cache for `config`'s layers whose full-attention layers hold `room` tokens before they move.

    Sliding-window and linear-attention layers stay as transformers makes them.
    """
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    class BufferedLayer(DynamicLayer):  # type: ignore[no-untyped-call]  # here, where importing transformers is due
        """`keys` and `values` are views of the filled part of their buffers."""

        filled = 0
        buffers: tuple[torch.Tensor, torch.Tensor]

        def update(
            self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
        ) -> tuple[torch.Tensor, torch.Tensor]:
            if not self.is_initialized:
                self.lazy_initialization(key_states, value_states)
                self.buffers = (_grown(key_states[:, :, :0], room), _grown(value_states[:, :, :0], room))
            total = self.filled + key_states.shape[2]
            if total > self.buffers[0].shape[2]:
                self.buffers = (_grown(self.buffers[0], 2 * total), _grown(self.buffers[1], 2 * total))
            for buffer, states in zip(self.buffers, (key_states, value_states), strict=True):
                buffer[:, :, self.filled : total] = states
            self.filled = total
            return self._show()

        def _show(self) -> tuple[torch.Tensor, torch.Tensor]:
            keys, values = (buffer[:, :, : self.filled] for buffer in self.buffers)
            self.keys, self.values = keys, values
            return keys, values

        def get_seq_length(self) -> int:
            return self.filled

        def batch_select_indices(self, indices: torch.Tensor) -> None:
            if self.is_initialized:
                keys, values = self.buffers
                self.buffers = (keys[indices], values[indices])
                self._show()

    cache = DynamicCache(config=config)
    make: Any = BufferedLayer
    cache.layers = [make() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def can_compact(cache: Any) -> bool:
    """Whether rows can be taken out of the cache: a layer of a recurrent kind cannot."""
    return all(hasattr(layer, "batch_select_indices") for layer in cache.layers)


def _grown(states: torch.Tensor, length: int) -> torch.Tensor:
    """A copy of `states` [rows, heads, positions, width] with room for `length` positions."""
    buffer = states.new_empty((states.shape[0], states.shape[1], length, states.shape[3]))
    buffer[:, :, : states.shape[2]] = states
    return buffer
