"""The embedded engine: a model by transformers in this process, on CPU or CUDA, with LoRA adapters by PEFT.

Puts the pieces together: loading, adapters, tokenizers, batches. What is computed is in the hf_* files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from models.adapters import adapter_tokenizer, check_adapter
from models.batching import TokenBudget, in_batches, release_memory, windows
from models.engine import Adapter, Capabilities
from models.hardware import describe, package_versions
from models.hf_forward import CausalForward, Forward
from models.hf_generate import GenerationJob, generate_batch
from models.hf_score import Question, out_of_memory, score
from models.hf_seq2seq import Seq2seqForward
from models.identity import ModelIdentity, adapter_identity, model_identity
from models.layouts import CausalLayout, Layout, Seq2seqLayout
from models.packages import deciding_packages
from models.properties import decoder_start_id, end_ids, model_config, resolve_architecture, resolve_max_length
from models.score_requests import loglikelihood_questions, next_token_questions, rolling_questions, too_long
from models.stopping import StopCondition
from models.tokens import PromptEncoder, Text
from pipeline.config import EngineSettings
from pipeline.errors import AdapterError, EngineError, ModelError
from pipeline.fingerprint import FileHashes
from pipeline.requests import (
    CallFailure,
    GenerateRequest,
    GenerateResult,
    NextTokenRequest,
    Prompt,
    Request,
    RollingRequest,
    ScoreRequest,
    ScoreResult,
)

_WINDOW = 4096  # requests that are sorted by length together
_R = TypeVar("_R", bound=Request)
_Ask = Callable[[Sequence[_R], Sequence[Text], PromptEncoder, Layout], Iterator[Question | CallFailure]]


class HfEngine:
    """The model in `folder`. Enter it to load; `adapters` are loaded with it.

    `identity`, where given, is what the weights were when the run was planned; weights that are not, or that change
    while they are loaded, raise ModelError. `tokenizer` is the folder of another tokenizer than the model's own,
    `chat_template` a Jinja file instead of the tokenizer's template, `template_name` which of its several templates,
    `delta` a folder of weights added to the base's.
    """

    capabilities = Capabilities()

    def __init__(
        self,
        folder: Path,
        settings: EngineSettings,
        *,
        adapters: Sequence[Adapter] = (),
        hashes: FileHashes | None = None,
        identity: ModelIdentity | None = None,
        tokenizer: Path | None = None,
        chat_template: Path | None = None,
        template_name: str | None = None,
        delta: Path | None = None,
    ) -> None:
        config = model_config(folder)
        self._folder = folder
        self._settings = settings
        self._adapters = tuple(adapters)
        self._hashes = hashes or FileHashes()
        self._planned = identity
        self._tokenizer = tokenizer or folder
        self._template = chat_template
        self._template_name = template_name
        self._delta = delta
        self._encoders: dict[str | None, PromptEncoder] = {}
        self._forwards: dict[str | None, Forward] = {}
        self._stops: dict[tuple[str | None, tuple[str, ...]], StopCondition] = {}
        self._threads_before: int | None = None
        self.versions = package_versions(deciding_packages(settings, config))
        self.max_length = resolve_max_length(settings.max_length, config)
        self._architecture = resolve_architecture(settings.architecture, config)
        self._layout: Layout
        if self._architecture == "seq2seq":
            self._layout = Seq2seqLayout(self.max_length, decoder_start_id(folder))
        else:
            self._layout = CausalLayout(self.max_length)

    def __enter__(self) -> Self:
        from models.hf_adapters import LoraSwitch
        from models.hf_load import load_model

        before = self._planned or self._identity()
        self._set_threads(self._settings.threads)
        try:
            for adapter in self._adapters:
                check_adapter(adapter.path, self._folder, self._architecture)
            self._encoders[None] = self._encoder(self._tokenizer)
            model = load_model(self._folder, self._settings, self._delta)
            self._forward = (Seq2seqForward if self._architecture == "seq2seq" else CausalForward)(model)
            if self._tokenizer != self._folder:
                self._check_vocabulary(self._encoders[None], self._tokenizer, "Name the tokenizer of this model.")
            self.identity = self._identity()
            if self.identity != before:
                raise ModelError("the model's files changed while loading", where=str(self._folder), fix="Start again.")
            self._lora = LoraSwitch(self._forward)
            self._forwards[None] = self._lora.forward(None)
            budget = self._settings.batch_tokens, 1 if self._settings.deterministic else self._settings.max_batch_size
            self._budget = TokenBudget(*budget)
            for adapter in self._adapters:
                self.add_adapter(adapter)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in ("_forward", "_lora"):
            self.__dict__.pop(name, None)
        self._forwards.clear()
        self._encoders.clear()
        self._stops.clear()
        if self._threads_before is not None:
            self._set_threads(self._threads_before)
        release_memory()

    def _identity(self) -> ModelIdentity:
        whole = self._settings.use_model_generation_config
        return model_identity(self._folder, self._hashes, whole_generation_config=whole, delta=self._delta)

    def _encoder(self, folder: Path) -> PromptEncoder:
        return PromptEncoder(
            folder,
            add_bos=self._settings.add_bos_token,
            template_file=self._template,
            template_name=self._template_name,
            trust_remote_code=self._settings.trust_remote_code,
        )

    def _set_threads(self, threads: int | None) -> None:
        if threads is not None:
            import torch

            self._threads_before = torch.get_num_threads()
            torch.set_num_threads(threads)

    def add_adapter(self, adapter: Adapter) -> None:
        """Load a LoRA beside the base; its requests name it. Raises AdapterError for one that does not fit."""
        before = adapter.identity or adapter_identity(adapter.path, self._hashes)
        check_adapter(adapter.path, self._folder, self._architecture)
        tokenizer = adapter_tokenizer(adapter.path, self._tokenizer, adapter.tokenizer)
        self._lora.add(adapter)
        if dict(before) != adapter_identity(adapter.path, self._hashes):
            raise AdapterError("the adapter's files changed while loading", where=str(adapter.path), fix="Start again.")
        own = tokenizer != self._tokenizer
        encoder = self._encoder(tokenizer) if own else self._encoders[None]
        if own:
            self._check_vocabulary(encoder, tokenizer, "Use tokenizer: base for this adapter.")
        self._encoders[adapter.name] = encoder
        self._forwards[adapter.name] = self._lora.forward(adapter.name)

    def _check_vocabulary(self, encoder: PromptEncoder, folder: Path, fix: str) -> None:
        rows = self._forward.model.get_input_embeddings().weight.shape[0]
        if len(encoder) > rows:
            raise ModelError(
                f"the tokenizer has {len(encoder)} tokens, and the base has embeddings for {rows}",
                where=str(folder),
                fix=fix,
            )

    def generate(self, requests: Iterable[GenerateRequest]) -> Iterator[GenerateResult | CallFailure]:
        """One text a request; sampling needs its seed."""
        for adapter, group, texts, failures in self._groups(requests):
            yield from failures
            jobs = []
            for job in self._jobs(adapter, group, texts):
                if isinstance(job, CallFailure):
                    yield job
                else:
                    jobs.append(job)
            compute = partial(generate_batch, self._forwards[adapter])
            for batch in in_batches(jobs, lambda job: job.input.width, compute, self._budget):
                for job, result in batch:
                    yield result or out_of_memory(job.request.key, job.input.width)

    def _jobs(
        self, adapter: str | None, requests: Sequence[GenerateRequest], texts: Sequence[Text]
    ) -> Iterator[GenerationJob | CallFailure]:
        """What the requests are in ids. The prompt is cut from the left so that the answer fits behind it."""
        encoder = self._encoders[adapter]
        for request, prompt in zip(requests, encoder.encode(texts), strict=True):
            settings = request.generation
            room = self._layout.room(settings.max_gen_toks)
            if room < 1:
                yield too_long(request.key, "max_gen_toks asks for", settings.max_gen_toks, self.max_length)
            elif not settings.greedy and request.seed is None:
                what = "sampling (temperature > 0) needs a seed, and the request has none"
                yield CallFailure(key=request.key, type="NoSeed", message=what, deterministic=True)
            else:
                kept = prompt[-room:] or [encoder.prefix_id]
                given = self._layout.prompt(kept)
                stop = self._stop(adapter, settings.until)
                yield GenerationJob(request, kept, given, max(0, len(prompt) - room), stop)

    def _stop(self, adapter: str | None, until: tuple[str, ...]) -> StopCondition:
        if (adapter, until) not in self._stops:
            encoder = self._encoders[adapter]
            ends = encoder.eos_ids | set(end_ids(self._folder))
            self._stops[adapter, until] = StopCondition(encoder, until, ends)
        return self._stops[adapter, until]

    def loglikelihood(self, requests: Iterable[ScoreRequest]) -> Iterator[ScoreResult | CallFailure]:
        """log p(continuation | context) of each continuation."""
        return self._score(requests, loglikelihood_questions)

    def loglikelihood_rolling(self, requests: Iterable[RollingRequest]) -> Iterator[ScoreResult | CallFailure]:
        """The log-likelihood of whole texts, in windows of the model's longest sequence."""
        return self._score(requests, rolling_questions)

    def next_token(self, requests: Iterable[NextTokenRequest]) -> Iterator[ScoreResult | CallFailure]:
        """The log-probability of each candidate as the next token, over the whole vocabulary."""
        return self._score(requests, next_token_questions)

    def _score(self, requests: Iterable[_R], ask: _Ask[_R]) -> Iterator[ScoreResult | CallFailure]:
        for adapter, group, texts, failures in self._groups(requests):
            yield from failures
            questions = []
            for question in ask(group, texts, self._encoders[adapter], self._layout):
                if isinstance(question, CallFailure):
                    yield question
                else:
                    questions.append(question)
            yield from score(self._forwards[adapter], questions, self._budget)

    def _groups(self, requests: Iterable[_R]) -> Iterator[tuple[str | None, list[_R], list[Text], list[CallFailure]]]:
        """Requests of one adapter together, within windows, with their texts; apart those that have no text."""
        for window in windows(requests, _WINDOW):
            groups: dict[str | None, list[_R]] = {}
            for request in window:
                groups.setdefault(request.adapter, []).append(request)
            for adapter, group in groups.items():
                if adapter not in self._encoders:
                    raise EngineError(f"no adapter {adapter!r} is loaded")
                yield adapter, *self._rendered(adapter, group)

    def _rendered(self, adapter: str | None, group: list[_R]) -> tuple[list[_R], list[Text], list[CallFailure]]:
        kept, texts, failures = [], [], []
        for request in group:
            try:
                texts.append(self._encoders[adapter].render(_prompt(request)))
                kept.append(request)
            except ValueError as error:
                failures.append(
                    CallFailure(key=request.key, type="ChatTemplate", message=str(error), deterministic=True)
                )
        return kept, texts, failures

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text by the base's tokenizer, special tokens left out."""
        return [len(ids) for ids in self._encoders[None].encode_plain(texts)]

    def hardware(self) -> dict[str, Any]:
        """Device, its name and memory in bytes, threads."""
        return describe(self._forward.device)


def _prompt(request: Request) -> Prompt:
    match request:
        case ScoreRequest():
            return request.context
        case RollingRequest():
            return request.text
    return request.prompt
