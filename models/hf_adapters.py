"""LoRA adapters on a loaded model through PEFT: one active at a time, proved alive, the base proved unchanged.

Requests of one adapter are computed together; mixed batches are left to engines that keep the base's rows apart.
"""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.adapters import check_ranks, lora_modules, safetensors_shapes
from models.engine import Adapter
from models.hf_forward import Forward, Input
from models.identity import adapter_config, adapter_weights
from pipeline.errors import AdapterError, MissingPackageError
from pipeline.near import listed

if TYPE_CHECKING:
    import torch

_PROBES = 4  # prompts of 24 tokens each, spread over the vocabulary
_PROBE_TOKENS = 24


class LoraSwitch:
    """The adapters of one model, and which of them is on."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self._peft: Any = None
        self._inner: dict[str, str] = {}  # PEFT builds module names of its own from these: no dots allowed
        self._active: str | None = None
        self._base_probe: torch.Tensor | None = None
        self._noise = 0.0

    def add(self, adapter: Adapter) -> None:
        """Load `adapter` and leave the base on. Raises AdapterError where it does not do what a LoRA should."""
        if adapter.name in self._inner:
            raise AdapterError(f"two adapters are called {adapter.name!r}", where=str(adapter.path))
        if self._base_probe is None:
            self._base_probe = self._probe()
            self._noise = _largest(self._probe(), self._base_probe)
        inner = f"adapter{len(self._inner)}"
        self._load(adapter.path, inner)
        self._inner[adapter.name] = inner
        self._check_modules(adapter.path, inner)
        self._check_effect(adapter)

    def select(self, name: str | None) -> None:
        """Turn the adapter `name` on, or with None all of them off."""
        if self._peft is None or name == self._active:
            return
        if name is None:
            self._peft.base_model.disable_adapter_layers()
        else:
            self._peft.base_model.enable_adapter_layers()
            self._peft.set_adapter(self._inner[name])
        self._active = name

    def forward(self, name: str | None) -> Forward:
        """Forward passes with the adapter `name`, or with None those of the base."""
        return self._forward.preparing(partial(self.select, name))

    def _load(self, folder: Path, inner: str) -> None:
        try:
            from peft import PeftModel
        except ImportError as error:
            raise MissingPackageError("peft", "a LoRA adapter") from error
        device = str(self._forward.device)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if self._peft is None:
                    self._peft = PeftModel.from_pretrained(
                        self._forward.model, str(folder), adapter_name=inner, torch_device=device
                    )
                else:
                    self._peft.load_adapter(str(folder), adapter_name=inner, torch_device=device)
        except (ValueError, RuntimeError, KeyError, TypeError, OSError) as error:
            raise AdapterError(
                f"PEFT cannot put the adapter on this base: {str(error).strip().splitlines()[0]}",
                where=str(folder),
                fix="Is it an adapter of this base? Its adapter_config.json names the one it was trained on.",
            ) from error
        self._peft.eval()
        self._active = inner  # whatever PEFT left on
        self.select(None)

    def _check_modules(self, folder: Path, inner: str) -> None:
        """All that the configuration targets has its trained matrices in the file, and the other way round."""
        import torch

        weights = adapter_weights(folder)
        names: dict[str, tuple[int, ...]]
        if weights.suffix == ".safetensors":
            names = safetensors_shapes(weights)
        else:
            state = torch.load(weights, map_location="cpu", weights_only=True)
            names = {name: tuple(tensor.shape) for name, tensor in state.items()}
            check_ranks(folder, adapter_config(folder), names)
        trained = set(lora_modules(names))
        present = set()
        for name, module in self._forward.model.named_modules():
            if any(inner in getattr(module, kind, ()) for kind in ("lora_A", "lora_embedding_A")):
                present.add(name)
        lacking, foreign = sorted(present - trained), sorted(trained - present)
        if lacking:
            raise AdapterError(f"the adapter's file has no weights for {listed(lacking, 1)}", where=str(folder))
        if foreign:
            raise AdapterError(f"the base has no module {listed(foreign, 1)}", where=str(folder))

    def _check_effect(self, adapter: Adapter) -> None:
        assert self._base_probe is not None
        moved = _largest(self._probe(), self._base_probe)
        if moved > self._noise:
            raise AdapterError(
                f"loading the adapter changes the base itself (its logits move by {moved:.2g})",
                where=str(adapter.path),
                fix="Merge the adapter into its base and evaluate it as a model of its own.",
            )
        self.select(adapter.name)
        effect = _largest(self._probe(), self._base_probe)
        self.select(None)
        if effect <= self._noise and not adapter.allow_inert:
            raise AdapterError(
                "the adapter changes nothing: all logits of the probe prompts equal the base's",
                where=str(adapter.path),
                fix="An untrained LoRA (step 0) does that: set allow_inert: true for it if that is what you want.",
            )

    def _probe(self) -> torch.Tensor:
        """All logits over prompts of fixed tokens: ids, so that no tokenizer has a say."""
        import torch

        vocabulary = self._forward.model.get_input_embeddings().weight.shape[0]
        rows = [
            tuple((1 + place * 7919 + at * 104729) % vocabulary for at in range(_PROBE_TOKENS))
            for place in range(_PROBES)
        ]
        with torch.inference_mode():
            logits, _ = self._forward.logits([Input(row, row) for row in rows], [_PROBE_TOKENS] * _PROBES)
            return logits.float()


def _largest(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max())
