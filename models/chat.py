"""Messages into the text that the model sees, by the tokenizer's chat template or one of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.errors import ModelError
from pipeline.requests import Message


def missing_template(who: str, where: str = "", names: Sequence[str] = ()) -> ModelError:
    """The error of a model that `who` asks in messages, and that has no chat template, or several and no default."""
    if names:
        return ModelError(
            f"{who} asks in chat messages, and of the tokenizer's chat templates none is the default",
            where=where,
            fix=f"Name one as step1.apply_chat_template. There are {', '.join(sorted(names))}.",
        )
    return ModelError(
        f"{who} asks in chat messages, and the model's tokenizer has no chat template",
        where=where,
        fix="Name a Jinja file as step1.chat_template, or leave apply_chat_template out for tasks of plain text.",
    )


def render_chat(tokenizer: Any, messages: Sequence[Message], template: str | None = None) -> str:
    """The dialogue as text, ready to be continued. `template` takes the place of the tokenizer's own.

    Where the assistant has the last word, that turn is left open and the model continues it; else the template's cue
    for the assistant's turn is added. Whatever BOS the template has is in the text: tokenize it without special
    tokens. Raises ModelError where there is no template, ValueError where the template refuses the messages.
    """
    from jinja2 import TemplateError

    if template is None and not tokenizer.chat_template:
        raise missing_template("the task")
    prefill = bool(messages) and messages[-1]["role"] == "assistant"
    try:
        rendered = tokenizer.apply_chat_template(
            list(messages),
            chat_template=template,
            tokenize=False,
            add_generation_prompt=not prefill,
            continue_final_message=prefill,
        )
    except TemplateError as error:
        raise ValueError(f"the chat template refuses these messages: {error}") from error
    return str(rendered)
