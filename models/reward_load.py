"""Loading reward models of three kinds, each as one function from a batch of token ids to one value a row."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from models.identity import adapter_config, adapter_weights
from models.properties import model_config
from models.reward_settings import HEAD_FILES, custom_class
from pipeline.errors import AdapterError, ModelError

if TYPE_CHECKING:
    import torch

# A head of one value by the names that TRL, LLaMA-Factory, OpenRLHF and transformers give it.
_HEAD_TENSOR = re.compile(r"(?:^|\.)(?:v_head\.summary|v_head|value_head|score|regression_head)\.(weight|bias)$")
_SCORE_FIELDS = ("score", "scores", "rewards", "end_scores", "logits")
Forward = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]
Padding = Literal["left", "right", "none"]


@dataclass(frozen=True)
class Loaded:
    """A reward model. `forward(ids, mask)`, both [rows, tokens], gives [rows] float32.

    `padding`: on which side of a shorter row; `none` where only rows of one length may stand in a batch. `pad_id` is
    None where any token will do.
    """

    forward: Forward
    padding: Padding
    pad_id: int | None
    encoder: bool  # whether it reads texts with its tokenizer's special tokens, from their first token


@dataclass(frozen=True)
class Source:
    """Files and number format of a reward model."""

    folder: Path
    adapter: Path | None
    dtype: str
    device: str
    trust_remote_code: bool


def load_classification(source: Source, sigmoid: bool) -> Loaded:
    """A sequence-classification head of one label. Raises ModelError for several labels or a head without weights."""
    import transformers

    labels = 1 if source.adapter else _labels(model_config(source.folder))
    if labels != 1:
        raise ModelError(
            f"the model has {labels} labels, and a reward model has one", where=str(source.folder), fix=_ONE_LABEL
        )
    model, missing = _pretrained(transformers.AutoModelForSequenceClassification, source, num_labels=1)
    if source.adapter:
        missing = [name for name in missing if not _in_adapter(name, source.adapter)]
    _check_complete(missing, source)
    model = _adapted(model, source)
    causal = hasattr(model, "score")
    pad_id = model.config.pad_token_id
    if causal and pad_id is None:
        # transformers takes the last token of a single row then, and refuses batches; this is the same for batches
        return Loaded(_last_token(model.base_model, model.score, sigmoid), "left", None, encoder=False)

    def forward(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        options = _positions(model, mask) if causal else {}
        return _value(model(input_ids=ids, attention_mask=mask, **options).logits[:, 0], sigmoid)

    return Loaded(forward, "left" if causal else "right", pad_id, encoder=not causal)


_ONE_LABEL = "Name a model with num_labels 1, or another head: value or custom."


def _labels(config: Mapping[str, Any]) -> int:
    """How many labels the head has; transformers leaves out its default, two. A model without such a head gets one."""
    names = config.get("architectures") or ()
    default = (0, 1) if any(name.endswith("ForSequenceClassification") for name in names) else (0,)
    return len(config.get("id2label") or default)


def load_value_head(source: Source, sigmoid: bool) -> Loaded:
    """A causal language model and a linear layer to one value on the last token's hidden state (after the norm).

    The layer's weights stand in value_head.safetensors (or .bin), or among the model's own. The layer is computed in
    float32. Raises ModelError where there is none.
    """
    import torch
    import transformers

    weight, bias = _head_weights(source)
    model, missing = _pretrained(transformers.AutoModelForCausalLM, source)
    _check_complete([name for name in missing if not name.startswith("lm_head")], source)  # it has no part in this
    model = _adapted(model, source)
    head = torch.nn.Linear(weight.shape[1], 1, bias=bias is not None)
    hidden = model.get_input_embeddings().weight.shape[1]
    if weight.shape != (1, hidden):
        shape = "x".join(map(str, weight.shape))
        raise ModelError(f"the head is {shape}, and this model needs 1x{hidden}", where=str(source.folder))
    head.load_state_dict({"weight": weight.float(), **({} if bias is None else {"bias": bias.float()})})
    head.to(source.device).requires_grad_(False)
    return Loaded(_last_token(model.base_model, head, sigmoid), "left", None, encoder=False)


def load_custom(source: Source, model_class: str | None, output: int | str | None, sigmoid: bool) -> Loaded:
    """A class of the folder's own code; of what it returns, `output` is the score.

    By default that is the second of a tuple (BaichuanCharRM: loss, score), else the first field called score, scores,
    rewards, end_scores or logits. How such code pads is its own affair: rows of one length alone share a batch, which
    is exactly what it computes for each alone. Raises ModelError.
    """
    from transformers.dynamic_module_utils import get_class_from_dynamic_module

    if not source.trust_remote_code:
        raise ModelError(
            "the reward model comes with Python code of its own",
            where=str(source.folder),
            fix="If you trust it, set trust_remote_code: true for the metric.",
        )
    reference = custom_class(model_config(source.folder), model_class, source.folder)
    try:
        kind = get_class_from_dynamic_module(reference, source.folder, local_files_only=True)
    except (OSError, AttributeError, ImportError, ValueError) as error:
        raise ModelError(
            f"the model's class {reference} cannot be had: {error}",
            where=str(source.folder),
            fix="Name another for the metric: model_class: <module>.<class>",
        ) from error
    model, missing = _pretrained(kind, source)
    _check_complete(missing, source)
    model = _adapted(model, source)

    def forward(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        scores = _chosen_output(model(input_ids=ids), output).reshape(-1)
        if len(scores) != len(ids):
            raise ModelError(
                f"the model gave {len(scores)} values for {len(ids)} texts",
                where=str(source.folder),
                fix="Set batch_size: 1, or name the value among what it returns: output: <number or name>",
            )
        return _value(scores, sigmoid)

    return Loaded(forward, "none", None, encoder=False)


def _chosen_output(returned: Any, output: int | str | None) -> Any:
    if isinstance(output, str):
        return getattr(returned, output)
    if output is not None:
        return returned[output]
    if isinstance(returned, tuple):
        return returned[1] if len(returned) > 1 else returned[0]
    if not isinstance(returned, Mapping):
        return returned
    for name in _SCORE_FIELDS:
        if returned.get(name) is not None:
            return returned[name]
    raise ModelError(f"none of what the model returns is known to be a score: {', '.join(returned)}", fix=_NAME_OUTPUT)


_NAME_OUTPUT = "Name it for the metric: output: <name>"


def _last_token(base: Any, head: Any, sigmoid: bool) -> Forward:
    def forward(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        hidden = base(input_ids=ids, attention_mask=mask, use_cache=False, **_positions(base, mask)).last_hidden_state
        last = hidden[:, -1].to(next(head.parameters()).dtype)
        return _value(head(last)[:, 0], sigmoid)

    return forward


def _value(scores: torch.Tensor, sigmoid: bool) -> torch.Tensor:
    scores = scores.float()
    return scores.sigmoid() if sigmoid else scores


def _positions(model: Any, mask: torch.Tensor) -> dict[str, torch.Tensor]:
    """Positions counted from each row's first real token, for models that take them."""
    if "position_ids" not in inspect.signature(model.forward).parameters:
        return {}
    return {"position_ids": (mask.cumsum(-1) - 1).clamp(min=0)}


def _pretrained(kind: Any, source: Source, **options: Any) -> tuple[Any, list[str]]:
    """The model, and the names of its tensors that are not in the files."""
    import torch
    import transformers
    from safetensors import SafetensorError

    logging: Any = transformers.utils.logging
    logging.disable_progress_bar()  # progress is this pipeline's own
    try:
        model, report = kind.from_pretrained(
            source.folder,
            dtype=getattr(torch, source.dtype),
            trust_remote_code=source.trust_remote_code,
            local_files_only=True,
            output_loading_info=True,
            **options,
        )
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RuntimeError, SafetensorError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        fix = "Check that the folder is whole, and that this version of transformers knows the model."
        if "trust_remote_code" in str(error):
            fix = "If you trust the model's own code, set trust_remote_code: true for the metric."
        raise ModelError(f"the reward model cannot be loaded: {first}", where=str(source.folder), fix=fix) from error
    return model.to(source.device).eval().requires_grad_(False), sorted(report.get("missing_keys", ()))


def _check_complete(missing: list[str], source: Source) -> None:
    if missing:
        raise ModelError(
            f"the weights lack {len(missing)} of the reward model's tensors, which would be random: "
            f"{', '.join(missing[:3])}",
            where=str(source.folder),
            fix="The files are incomplete, or this is no reward model of that kind of head.",
        )


def _adapted(model: Any, source: Source) -> Any:
    """The model with the adapter's layers within it. Raises AdapterError for one that is no LoRA."""
    if source.adapter is None:
        return model
    from peft import PeftModel

    kind = adapter_config(source.adapter).get("peft_type")
    if kind != "LORA":
        raise AdapterError(f"reward adapters are LoRA, and this is {kind}", where=str(source.adapter))
    try:
        adapted = PeftModel.from_pretrained(model, source.adapter, local_files_only=True)
    except (ValueError, RuntimeError, KeyError) as error:
        first = str(error).strip().splitlines()[0]
        raise AdapterError(f"the adapter does not fit the model: {first}", where=str(source.adapter)) from error
    return adapted.get_base_model().to(source.device).eval().requires_grad_(False)


def _in_adapter(name: str, adapter: Path) -> bool:
    return any(stored.endswith(name) for stored in _tensor_names(adapter_weights(adapter)))


def _head_weights(source: Source) -> tuple[torch.Tensor, torch.Tensor | None]:
    places = [source.adapter, source.folder] if source.adapter else [source.folder]
    files = [place / name for place in places for name in HEAD_FILES if (place / name).exists()]
    files += [*sorted(source.folder.glob("*.safetensors")), *sorted(source.folder.glob("pytorch_model*.bin"))]
    for file in files:
        found = {}
        for name in _tensor_names(file):
            part = _HEAD_TENSOR.search(name)
            if part:
                found[part[1]] = _tensor(file, name)
        if "weight" in found:
            return found["weight"], found.get("bias")
    raise ModelError(
        "the folder has no head that gives one value",
        where=str(source.folder),
        fix=f"A value head stands in {HEAD_FILES[0]}, or as v_head, value_head or score among the model's tensors.",
    )


def _tensor_names(file: Path) -> list[str]:
    import torch
    from safetensors import safe_open

    if file.suffix == ".safetensors":
        with safe_open(file, framework="pt") as opened:
            return list(opened.keys())
    return list(torch.load(file, map_location="cpu", weights_only=True, mmap=True))


def _tensor(file: Path, name: str) -> Any:
    import torch
    from safetensors import safe_open

    if file.suffix == ".safetensors":
        with safe_open(file, framework="pt") as opened:
            return opened.get_tensor(name)
    return torch.load(file, map_location="cpu", weights_only=True, mmap=True)[name]
