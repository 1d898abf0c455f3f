"""The metric `reward_model`: what a reward model says of each response, on a scale of one's own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import jinja2
import numpy as np
from jinja2.sandbox import ImmutableSandboxedEnvironment

from metrics.registry import FLAGS, Asks, MetricInput, Output, Values, register_metric
from pipeline.errors import MetricError

_SCALE = {"multiply": 1.0, "add": 0.0}
_environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)


@lru_cache(maxsize=64)
def _compile(template: str) -> jinja2.Template:
    return _environment.from_string(template)


def reward_text(row: MetricInput, template: str) -> str:
    """The text that the reward model reads.

    A template sees the document's fields, and `response`, `target`, `prompt` (as sent), `choices` and `document`,
    which go before fields of those names. Raises MetricError for a faulty template, or a name that the row lacks.
    """
    known = {
        "response": row.response,
        "target": row.target,
        "prompt": row.prompt,
        "choices": row.choices,
        "document": row.document,
    }
    try:
        return _compile(template).render({**row.document, **known})
    except jinja2.TemplateError as error:
        there = ", ".join(dict.fromkeys([*row.document, *known]))
        raise MetricError(
            f"the template of reward_model cannot be rendered: {error}", fix=f"It may name {there}."
        ) from error


def _messages(row: MetricInput) -> str:
    """The dialogue and the response as JSON, for the reward model's chat template."""
    prompt = row.prompt
    if prompt is None:
        raise MetricError("`chat: true` needs the prompts, and step 2's rows have none", fix="Run step 2 again")
    asked = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
    if asked[-1]["role"] == "assistant":  # the beginning of the answer was given
        return json.dumps(
            [*asked[:-1], {"role": "assistant", "content": asked[-1]["content"] + row.response}], ensure_ascii=False
        )
    return json.dumps([*asked, {"role": "assistant", "content": row.response}], ensure_ascii=False)


def _texts(
    row: MetricInput, *, template: str | None = None, chat: bool = False, scale: Mapping[str, float] | None = None
) -> list[str]:
    if isinstance(row.response, (list, tuple)) and len(row.response) == 1:
        row = MetricInput(
            response=row.response[0], target=row.target, choices=row.choices, document=row.document, prompt=row.prompt
        )
    if not isinstance(row.response, str):
        raise MetricError(
            f"reward_model values one text and got a {type(row.response).__name__}",
            fix="End the filter pipeline with take_first",
        )
    if chat == (template is not None):
        raise MetricError(
            "reward_model needs to know what its model reads: a template, or the dialogue",
            fix="Give either `template: <Jinja text over response, prompt, target and the document's fields>` or "
            "`chat: true`",
        )
    return [_messages(row) if template is None else reward_text(row, template)]


_SETTINGS = (
    "model",
    "revision",
    "adapter",
    "head",
    "sigmoid",
    "model_class",
    "output",
    "chat",
    "special_tokens",
    "eos",
    "max_length",
    "dtype",
    "device",
    "batch_size",
    "batch_tokens",
    "trust_remote_code",
)


@register_metric(
    "reward_model",
    {"reward_model": Output(maximum=None)},
    output_types=("generate_until",),
    asks=Asks("reward", _texts, _SETTINGS),
    reads_prompt=True,
)
def reward_model(
    rows: Sequence[MetricInput],
    answers: Sequence[Sequence[bytes]],
    *,
    template: str | None = None,
    chat: bool = False,
    scale: Mapping[str, float] | None = None,
) -> list[Values]:
    """score · `multiply` + `add` of each response, both of `scale`; by default the score as the model gives it.

    The arithmetic is in float64. CharacterEval's own script computes in the model's format, bfloat16, which rounds to
    1/64 between 2 and 4. Rows whose text lost its beginning carry the number of lost tokens among their flags.
    """
    unknown = sorted(set(scale or {}) - set(_SCALE))
    if unknown:
        raise MetricError(f"the scale of reward_model has no {unknown[0]!r}", fix="It has `multiply` and `add`")
    factors = _SCALE | dict(scale or {})
    return [_scaled(one, factors) for (one,) in answers]


def _scaled(answer: bytes, scale: Mapping[str, float]) -> Values:
    score, lost = np.frombuffer(answer, dtype=np.float64)
    values: dict[str, Any] = {"reward_model": float(score) * scale["multiply"] + scale["add"]}
    if lost:
        values[FLAGS] = {"truncated_reward_input": int(lost)}
    return values
