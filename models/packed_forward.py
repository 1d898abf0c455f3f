"""Forward passes of a causal model over packed rows: a four-dimensional mask, explicit positions, a shared prefix.

Not every model's code follows such masks and positions (ALiBi, states of a recurrence, code of its own): whether this
one does is tried once, against plain rows.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.kv_cache import longest_full_attention, run_once_cache, shared_cache
from models.packed_rows import PackedRows, packed_rows

if TYPE_CHECKING:
    import torch

    from models.hf_forward import CausalForward

_MASKED = frozenset({"eager", "sdpa"})  # implementations of attention that add a mask given to them
_PREFIX, _CONTEXT = 12, 6  # tokens of the trial's rows


@dataclass
class Trial:
    """What was found about one model; its adapters share it."""

    longest: int | None = None
    passed: bool | None = None


class PackedForward:
    """Passes of `forward`'s model over packed rows of at most `longest` tokens each; 0 where its kind does not allow
    them."""

    def __init__(self, forward: CausalForward, trial: Trial) -> None:
        self._forward = forward
        self._trial = trial
        if trial.longest is None:
            trial.longest = _longest(forward.model)
        self.longest = trial.longest

    def works(self) -> bool:
        """Whether the model's logits over packed rows are those of the rows one by one; found out once."""
        if self._trial.passed is None:
            self._trial.passed = self._try()
        return self._trial.passed

    def prefix(self, ids: Sequence[int]) -> Any:
        """The keys and values of `ids`, to be put before packs; None for no ids."""
        import torch

        if not ids:
            return None
        cache = run_once_cache()
        self._forward.run(torch.tensor([ids], device=self._forward.device), 1, past_key_values=cache, use_cache=True)
        return shared_cache(cache)

    def logits(self, packs: Sequence[PackedRows], cache: Any = None) -> tuple[torch.Tensor, list[int]]:
        """Logits [packs, positions, vocabulary], and where among these positions each pack's scored tokens begin.

        `cache` is what `prefix` gave for the packs' common prefix.
        """
        before = 0 if cache is None else cache.get_seq_length()
        keep = max(pack.scored for pack in packs)
        logits = self._forward.run(
            self._left_padded([pack.ids for pack in packs], 0),
            keep,
            position_ids=self._left_padded([pack.positions for pack in packs], 0),
            attention_mask=self._mask(packs, before),
            use_cache=cache is not None,
            **({} if cache is None else {"past_key_values": cache}),
        )
        return logits, [keep - pack.scored for pack in packs]

    def _left_padded(self, rows: Sequence[Sequence[int]], padding: int) -> torch.Tensor:
        import torch

        widest = max(len(row) for row in rows)
        return torch.tensor([[padding] * (widest - len(row)) + list(row) for row in rows], device=self._forward.device)

    def _mask(self, packs: Sequence[PackedRows], before: int) -> torch.Tensor:
        """[packs, 1, tokens, before + tokens], to be added to attention scores: each token sees the prefix, what
        stands before it in its row, and itself."""
        import torch

        numbers = self._left_padded([pack.numbers for pack in packs], -1)
        ends = self._left_padded([pack.ends for pack in packs], -1)
        seeing = numbers[:, :, None]
        hidden = (numbers[:, None, :] > seeing) | (seeing >= ends[:, None, :])
        dtype = self._forward.model.dtype
        mask = torch.zeros(
            (len(packs), 1, numbers.shape[1], before + numbers.shape[1]), dtype=dtype, device=self._forward.device
        )
        mask[..., before:].masked_fill_(hidden[:, None], torch.finfo(dtype).min)
        return mask

    def _try(self) -> bool:
        """Compare packed with plain rows on a few of fixed tokens, with and without a prefix of its own."""
        import torch

        try:
            with torch.inference_mode():
                difference, scale = self._trial_difference()
        except Exception as error:  # noqa: BLE001 - the code of any model may refuse such input in any way
            logging.getLogger(__name__).info("the model does not take packed rows, which are computed apart: %s", error)
            return False
        close = difference <= (1e-4 if self._forward.model.dtype == torch.float32 else 4e-2) * scale
        if not close:
            what = "packed rows change the model's logits by %.2g of %.2g: rows are computed apart"
            logging.getLogger(__name__).info(what, difference, scale)
        return close

    def _trial_difference(self) -> tuple[float, float]:
        """The largest difference of the trial's logits, and the largest plain logit."""
        import torch

        rows = _trial_rows(self._forward.model.get_input_embeddings().weight.shape[0])
        plain = torch.cat([self._forward.run(torch.tensor([row], device=self._forward.device), 2) for row in rows])
        found = []
        for prefix in (_PREFIX, 0):
            both = rows[:2], rows[2:]  # packs of different size
            branches = [prefix, _PREFIX + _CONTEXT], [prefix]
            packs = [
                packed_rows(some, shared, [2] * len(some), prefix) for some, shared in zip(both, branches, strict=True)
            ]
            logits, starts = self.logits(packs, self.prefix(rows[0][:prefix]))
            for place, (pack, start) in enumerate(zip(packs, starts, strict=True)):
                found += [logits[place, [start + spot for spot in spots]] for spots in pack.spots]
        differences = torch.stack(found).float() - torch.cat([plain, plain]).float()
        return float(differences.abs().max()), float(plain.float().abs().max())


def _trial_rows(vocabulary: int) -> list[tuple[int, ...]]:
    """Two rows that part behind their context, and one that parts from them before it; all behind one prefix."""
    token = iter((1 + at * 104729) % vocabulary for at in range(1000))

    def take(count: int) -> tuple[int, ...]:
        return tuple(next(token) for _ in range(count))

    prefix, context = take(_PREFIX), take(_CONTEXT)
    return [prefix + context + take(3), prefix + context + take(2), prefix + take(_CONTEXT - 1)]


def _longest(model: Any) -> int:
    """Rows of up to so many tokens can be packed, as far as the model's configuration says."""
    if getattr(model.config, "_attn_implementation", None) not in _MASKED:
        return 0
    for module in model.modules():
        kind = getattr(module, "rope_type", None)
        if "dynamic" in str(kind) or "longrope" in str(kind):
            return 0  # its rotations follow from the longest row of the pass
    try:
        return longest_full_attention(model.config) or 0
    except (AttributeError, KeyError, TypeError, ValueError):  # a configuration of the model's own need not say
        return 0
