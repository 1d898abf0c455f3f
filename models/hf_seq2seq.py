"""Forward passes of a model with an encoder (T5, BART): the prompt is encoded, the decoder scores or generates.

Equal prompts of a batch are encoded once. Rows are padded on the right: learned positions count from the left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from models.hf_forward import Input, padded
from models.kv_cache import can_compact, growing_cache

if TYPE_CHECKING:
    import torch


class Seq2seqForward:
    """Calls `model` on what its encoder reads (`source`) and its decoder continues (`ids`)."""

    def __init__(self, model: Any, prepare: Callable[[], None] | None = None) -> None:
        self.model = model
        self._prepare = prepare

    def preparing(self, prepare: Callable[[], None]) -> Seq2seqForward:
        return Seq2seqForward(self.model, prepare)

    def packed(self) -> None:
        """None: its decoder's rows are short, and equal prompts of a batch share their encoding already."""

    @property
    def device(self) -> torch.device:
        device: torch.device = self.model.device
        return device

    def encode(self, inputs: Sequence[Input]) -> tuple[torch.Tensor, torch.Tensor]:
        """The encoder's states [rows, widest, width] of each row's source, and their mask [rows, widest]."""
        import torch

        if self._prepare is not None:
            self._prepare()
        sources = {source: place for place, source in enumerate(dict.fromkeys(one.source for one in inputs))}
        ids, mask = (one.to(self.device) for one in padded(list(sources), left=False))
        states = self.model.get_encoder()(input_ids=ids, attention_mask=mask).last_hidden_state
        if len(sources) == len(inputs):
            return states, mask
        places = torch.tensor([sources[one.source] for one in inputs], device=self.device)
        return states[places], mask[places]

    def __call__(self, ids: torch.Tensor, states: torch.Tensor, mask: torch.Tensor, cache: Any = None) -> torch.Tensor:
        """Logits [rows, positions, vocabulary] of the decoder over `ids`, which follow what is in `cache`."""
        from transformers.modeling_outputs import BaseModelOutput

        arguments: dict[str, Any] = {"use_cache": cache is not None}
        if cache is not None:
            arguments["past_key_values"] = cache
        encoded = BaseModelOutput(last_hidden_state=states)  # type: ignore[arg-type]  # annotated for torch's own type
        logits: torch.Tensor = self.model(
            encoder_outputs=encoded, attention_mask=mask, decoder_input_ids=ids, **arguments
        ).logits
        return logits

    def logits(self, inputs: Sequence[Input], lengths: Sequence[int]) -> tuple[torch.Tensor, list[int]]:
        """Logits of the last positions, as `Forward` says it. What follows a row does not reach back into it."""
        ids, _ = padded([one.ids for one in inputs], left=False)
        starts = [len(one.ids) - length for one, length in zip(inputs, lengths, strict=True)]
        return self(ids.to(self.device), *self.encode(inputs)), starts

    def begin(self, inputs: Sequence[Input], new_tokens: int) -> Seq2seqDecoding:
        """Encode the prompts and give the decoder its first tokens, as many in each row."""
        return Seq2seqDecoding(self, inputs, new_tokens)


class Seq2seqDecoding:
    """The growing batch of a decoder, with the encoder's states that it looks at."""

    def __init__(self, forward: Seq2seqForward, inputs: Sequence[Input], new_tokens: int) -> None:
        import torch
        from transformers import DynamicCache, EncoderDecoderCache

        self._forward = forward
        self._states, self._mask = forward.encode(inputs)
        ids = torch.tensor([one.ids for one in inputs], device=forward.device)
        config = forward.model.get_decoder().config
        own, across = growing_cache(config, ids.shape[1] + new_tokens), DynamicCache(config=config)
        self._cache = EncoderDecoderCache(own, across)
        self._first = forward(ids, self._states, self._mask, self._cache)[:, -1]
        self.can_drop = can_compact(own) and can_compact(across)

    def logits(self) -> torch.Tensor:
        return self._first

    def drop_all_but(self, places: Sequence[int]) -> None:
        import torch

        kept = torch.tensor(places, device=self._forward.device)
        self._cache.batch_select_indices(kept)
        self._states, self._mask = self._states[kept], self._mask[kept]

    def step(self, tokens: Sequence[int]) -> torch.Tensor:
        import torch

        last = torch.tensor([[token] for token in tokens], device=self._forward.device)
        return self._forward(last, self._states, self._mask, self._cache)[:, -1]
