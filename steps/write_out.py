"""What step 1 shows before it asks: each task's first prompt and target, and its resolved configuration.

For people who check a task; nothing of it affects a result.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from pipeline.config import Step1Settings
from pipeline.console import say
from pipeline.requests import Prompt
from tasks.configuration import configuration_yaml
from tasks.task import Example, PromptSettings, Task


def show_tasks(
    tasks: Iterable[Task], settings: Step1Settings, prompts: PromptSettings, text: Callable[[Prompt], str]
) -> None:
    """Say, and log, what `show_config` and `write_out` ask for; `text` gives a prompt as it is sent.

    Raises DataError, TaskError and ModelError for a first document that cannot be read or rendered.
    """
    for task in tasks:
        if settings.show_config:
            say(f"configuration of {task.name}:\n{configuration_yaml(task)}".rstrip("\n"))
        if settings.write_out:
            first = next(iter(task.examples(prompts, 1, settings.samples_of(task.name))), None)
            if first is not None:
                say(_written_out(task, first, text))


def as_json(prompt: Prompt) -> str:
    """A prompt that no chat template renders: messages as JSON."""
    return prompt if isinstance(prompt, str) else json.dumps(prompt, ensure_ascii=False)


def _written_out(task: Task, example: Example, text: Callable[[Prompt], str]) -> str:
    first = example.requests[0]
    lines = [f"{task.name}, document {example.document.index}, the prompt as sent:", text(first.prompt)]
    continuations = [one for request in example.requests for one in request.continuations]
    if continuations:
        lines += ["its continuations:", *(json.dumps(one, ensure_ascii=False) for one in continuations)]
    return "\n".join((*lines, "the target:", str(example.target), f"(end of {task.name})"))
