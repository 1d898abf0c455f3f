"""Between a Python task class and this project's structs: its documents, its prompts, its requests.

What comes in are objects of lm_eval's; they are known by their attributes alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from pipeline.errors import TaskError
from pipeline.requests import Message, Prompt, RequestType
from tasks.task import RequestSpec

_WHOLE = "(the whole document)"  # the name under which a document that is no mapping stands in rows
_IN_PLACE_OF_MESSAGES = "\ue000messages\ue000"  # private use characters: no prompt holds these


def as_data(document: Any) -> dict[str, Any]:
    """A document of the class's as rows hold it."""
    return dict(document) if isinstance(document, Mapping) else {_WHOLE: document}


def as_document(data: Mapping[str, Any]) -> Any:
    """The document again, as the class knows it."""
    return data[_WHOLE] if _WHOLE in data else dict(data)


class RenderedMessages(str):
    """What a class takes for the text of its messages: it hands it on, and they come out again."""

    messages: list[Message]


def keep_messages(messages: Sequence[Mapping[str, Any]], add_generation_prompt: bool = True) -> RenderedMessages:
    """Takes the place of a chat template. Raises TaskError for an answer begun that is not to be gone on with."""
    if add_generation_prompt == (bool(messages) and messages[-1]["role"] == "assistant"):
        raise TaskError("the dialogue ends with the assistant's turn, and another one of it is asked for")
    kept = RenderedMessages(_IN_PLACE_OF_MESSAGES)
    kept.messages = [{"role": str(one["role"]), "content": one["content"]} for one in messages]
    return kept


def request_specs(instances: Iterable[Any], where: str) -> tuple[RequestSpec, ...]:
    """The requests in the order in which their results reach the class; `instances` are those of one document.

    Continuations that follow each other on one prompt are one request. Raises TaskError for what is no request here.
    """
    specs: list[RequestSpec] = []
    for instance in sorted(instances, key=lambda one: one.idx):
        spec = _spec(instance.request_type, instance.args, where)
        last = specs[-1] if specs else None
        if last is not None and last.type == spec.type == "loglikelihood" and last.prompt == spec.prompt:
            specs[-1] = RequestSpec("loglikelihood", spec.prompt, (*last.continuations, *spec.continuations))
        else:
            specs.append(spec)
    return tuple(specs)


def _spec(kind: Any, arguments: Sequence[Any], where: str) -> RequestSpec:
    match kind, arguments:
        case "generate_until", (context, settings) if isinstance(settings, Mapping):
            return RequestSpec("generate_until", _prompt(context, where), generation=dict(settings))
        case "loglikelihood", (context, str() as continuation):
            return RequestSpec("loglikelihood", _prompt(context, where), (_text(continuation, where),))
        case "loglikelihood_rolling", (text,):
            return RequestSpec("loglikelihood_rolling", _text(text, where))
    known = ", ".join(name for name in get_args(RequestType) if name != "next_token")
    what = f"the class asks {kind!r} with {len(arguments)} arguments, which is none of the requests {known}"
    raise TaskError(what, where=where, fix="Requests with images or sound are not supported.")


def _prompt(context: Any, where: str) -> Prompt:
    return context.messages if isinstance(context, RenderedMessages) else _text(context, where)


def _text(text: Any, where: str) -> str:
    if not isinstance(text, str):
        raise TaskError(f"a prompt of the class must be text, and is {text!r}"[:200], where=where)
    if _IN_PLACE_OF_MESSAGES in text:
        what = "the class makes a text of its own out of a prompt in messages, which only a chat template could render"
        raise TaskError(what, where=where, fix="Run this task without apply_chat_template.")
    return str(text)
