"""Prompts as a model is sent them: plain texts as they are, dialogues through the run's chat template.

The tokenizer is loaded for the first dialogue, and not at all where there is none.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from models.tokens import PromptEncoder
from pipeline.config import Step1Settings
from pipeline.requests import Prompt


class PromptTexts:
    """Calling it gives a prompt's text, before any truncation. `folder` gives the folder of the tokenizer."""

    def __init__(self, settings: Step1Settings, folder: Callable[[], Path]) -> None:
        self._settings = settings
        self._folder = folder
        self._encoder: PromptEncoder | None = None

    def __call__(self, prompt: Prompt) -> str:
        return prompt if isinstance(prompt, str) else self.encoder().render(prompt)[0]

    def encoder(self) -> PromptEncoder:
        """The tokenizer with the run's template. Raises ModelError where either cannot be loaded."""
        if self._encoder is None:
            settings = self._settings
            self._encoder = PromptEncoder(
                self._folder(),
                add_bos=settings.engine.add_bos_token,
                template_file=Path(settings.chat_template) if settings.chat_template else None,
                template_name=settings.template_name,
                trust_remote_code=settings.engine.trust_remote_code,
            )
        return self._encoder
