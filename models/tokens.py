"""Prompts into token ids and back: BOS exactly once, contexts split from continuations, candidates found.

Wraps one tokenizer with its template; what is computed on the ids is not its concern.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.chat import render_chat
from models.chat_templates import chosen_template, template_file_text
from pipeline.errors import ModelError
from pipeline.requests import CandidateRule, Prompt

Text = tuple[str, bool]  # a rendered prompt, and whether the tokenizer adds its special tokens

_NO_LIMIT = 10**30  # the tokenizer's own limit would only make it warn; lengths are the engine's concern


class PromptEncoder:
    """One tokenizer. `add_bos`: whether a plain text begins with BOS; None leaves it to the tokenizer.

    Dialogues go through the Jinja file `template_file`, else the tokenizer's template called `template_name`, else
    its default. Raises ModelError where the tokenizer cannot be loaded or has no template of that name.
    """

    def __init__(
        self,
        folder: Path,
        *,
        add_bos: bool | None,
        template_file: Path | None = None,
        template_name: str | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        from transformers import AutoTokenizer

        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(
                folder, trust_remote_code=trust_remote_code, local_files_only=True
            )
        except (OSError, ValueError, KeyError) as error:
            fix = "Save the tokenizer beside the model (tokenizer.json and tokenizer_config.json)."
            if "trust_remote_code" in str(error):
                fix = "It comes with Python code of its own: set trust_remote_code: true under engine if you trust it."
            what = str(error).strip().splitlines()[0]
            raise ModelError(f"the tokenizer cannot be loaded: {what}", where=str(folder), fix=fix) from error
        self.tokenizer.model_max_length = _NO_LIMIT
        self._add_bos = add_bos
        self.template = _own_template(folder, template_file, template_name)
        added = self.tokenizer.added_tokens_decoder
        # What decoding leaves out, text -> id: more than the tokenizer's own BOS, EOS and padding.
        self.special = {str(token): int(one) for one, token in added.items() if token.special}
        bos, eos = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        self.bos_id: int | None = bos
        self.eos_ids = frozenset() if eos is None else frozenset({int(eos)})
        # What stands before a text that has no context, as in lm-evaluation-harness.
        self.prefix_id: int = next((one for one in (bos, eos) if one is not None), 0)

    def __len__(self) -> int:
        return len(self.tokenizer)

    def render(self, prompt: Prompt) -> Text:
        """The prompt as text, and whether the tokenizer is to add its special tokens to it.

        A rendered dialogue has the BOS of its template already. So has a plain text that begins with BOS.
        """
        if not isinstance(prompt, str):
            return render_chat(self.tokenizer, prompt, self.template), False
        bos = self.tokenizer.bos_token
        return prompt, not (bos and prompt.startswith(bos))

    def encode(self, texts: Sequence[Text]) -> list[list[int]]:
        """The ids of each text; its flag says whether special tokens are added. Equal texts are tokenized once."""
        distinct = list(dict.fromkeys(texts))
        known: dict[Text, list[int]] = {}
        for special in (True, False):
            group = [text for text, flag in distinct if flag is special]
            if group:
                known.update(zip(((text, special) for text in group), self._encode(group, special), strict=True))
        return [known[text] for text in texts]

    def _encode(self, texts: list[str], special: bool) -> list[list[int]]:
        special = special and self._add_bos is not False
        ids: list[list[int]] = self.tokenizer(texts, add_special_tokens=special, return_attention_mask=False)[
            "input_ids"
        ]
        if special and self._add_bos and self.bos_id is not None:
            ids = [one if one[:1] == [self.bos_id] else [self.bos_id, *one] for one in ids]
        return ids

    def encode_plain(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text without special tokens."""
        return self.encode([(text, False) for text in texts])

    def decode(self, ids: Sequence[int], *, keep_special: bool = False) -> str:
        """The text of generated ids; special tokens are left out unless `keep_special`."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=not keep_special))

    def split(self, contexts: Sequence[Text], continuations: Sequence[str]) -> list[tuple[list[int], list[int]]]:
        """(context ids, continuation ids) of each pair, contexts as `render` gives them, by the rule of
        lm-evaluation-harness.

        Context and continuation are tokenized as one text and split behind the context's own number of tokens;
        white space at the context's end belongs to the continuation; an empty context is the prefix token.
        """
        texts: list[Text] = []
        for (context, flag), continuation in zip(contexts, continuations, strict=True):
            kept = context.rstrip()
            special = flag and bool(context)
            texts += [(kept, special), (context + continuation, special)]
        ids = self.encode(texts)
        return [self._separate(ids[at], ids[at + 1]) for at in range(0, len(ids), 2)]

    def split_apart(self, contexts: Sequence[Text], continuations: Sequence[str]) -> list[tuple[list[int], list[int]]]:
        """The same for a model with an encoder: both are tokenized by themselves, the continuation without special
        tokens."""
        kept = [context.rstrip() for context, _ in contexts]
        heads = self.encode([(text, flag and bool(whole)) for text, (whole, flag) in zip(kept, contexts, strict=True)])
        tails = self.encode_plain(
            [
                context[len(text) :] + continuation
                for text, (context, _), continuation in zip(kept, contexts, continuations, strict=True)
            ]
        )
        return [self._conditioned(head, tail) for head, tail in zip(heads, tails, strict=True)]

    def _separate(self, context: list[int], whole: list[int]) -> tuple[list[int], list[int]]:
        return self._conditioned(context, whole[len(context) :])

    def _conditioned(self, context: list[int], continuation: list[int]) -> tuple[list[int], list[int]]:
        """An empty context is the prefix token, which may begin the continuation already."""
        if context:
            return context, continuation
        if continuation[:1] == [self.prefix_id]:
            return continuation[:1], continuation[1:]
        return [self.prefix_id], continuation

    def candidate_ids(self, candidates: Sequence[str], rule: CandidateRule = "either") -> list[list[int]]:
        """The ids that count as each candidate being the next token.

        `either`: the candidate's own id where it is a single token, and the first token of it after a space (llmtf's
        rule). A first token that is white space alone says nothing about the candidate and does not count. A candidate
        of several tokens that has no other id is known by its first.
        `last`: the last token of the candidate as it is given, such as " A" (LLaMA-Factory's rule).
        """
        plain = self.encode_plain(candidates)
        if rule == "last":
            return [own[-1:] for own in plain]
        spaced = self.encode_plain([" " + candidate for candidate in candidates])
        found: list[list[int]] = []
        for own, after_space in zip(plain, spaced, strict=True):
            ids = own[:1] if len(own) == 1 else []
            ids += [one for one in after_space[:1] if self.decode([one]).strip()]
            found.append(list(dict.fromkeys(ids or own[:1])))
        return found


def _own_template(folder: Path, file: Path | None, name: str | None) -> str | None:
    """The template that takes the place of the tokenizer's default."""
    if file is not None:
        return template_file_text(file)
    return chosen_template(folder, name) if name is not None else None
