"""Keys and values: of a generating batch, in buffers with room to grow, and of a prefix that many rows share."""

from __future__ import annotations

import sys
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


def run_once_cache() -> Any:
    """An empty cache whose layers all keep every token, for a prefix that `shared_cache` will repeat."""
    from transformers import DynamicCache

    return DynamicCache()


def shared_cache(filled: Any) -> Any:
    """The one row of `filled` in front of every row of any batch: it is repeated as a view, and nothing is added.

    One pass after another can use it; each layer's keys and values live as long as its attention alone.
    """
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    class PrefixLayer(DynamicLayer):  # type: ignore[no-untyped-call]  # here, where importing transformers is due
        """Shows its tokens before the new ones and forgets these."""

        def __init__(self, layer: DynamicLayer) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self.keys, self.values, self.is_initialized = layer.keys, layer.values, True

        def update(
            self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
        ) -> tuple[torch.Tensor, torch.Tensor]:
            return _behind(self.keys, key_states), _behind(self.values, value_states)

    cache = DynamicCache()
    cache.layers = [PrefixLayer(layer) for layer in filled.layers]
    return cache


def longest_full_attention(config: Any) -> int | None:
    """Tokens up to which every layer sees all that came before; None where some layer keeps a state of another kind."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    layers = DynamicCache(config=config).layers
    if any(type(layer) not in (DynamicLayer, DynamicSlidingWindowLayer) for layer in layers):
        return None
    return min((layer.sliding_window for layer in layers if hasattr(layer, "sliding_window")), default=sys.maxsize)


def _behind(prefix: torch.Tensor | None, states: torch.Tensor) -> torch.Tensor:
    """`states` [rows, heads, positions, width] with the one row `prefix` in front of each."""
    import torch

    assert prefix is not None
    return torch.cat([prefix.expand(states.shape[0], -1, -1, -1), states], dim=-2)
