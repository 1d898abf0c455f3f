"""Scoring continuations with and without shared beginnings, and by lm-evaluation-harness, side by side in one process.

    python benchmarks/scoring.py ../shared/data [--size small|large] [--rounds 3] [--questions 40] [--without-lm-eval]

A Llama of random weights, float32, one thread; questions of MMLU (mmlu/mmlu.zip) and pairs of BLiMP (blimp/*.jsonl).
Prints, for each kind of request, the tokens that went through the model and the CPU seconds: median (least - most).
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import random
import statistics
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from models.hf import HfEngine
from pipeline.config import EngineSettings
from pipeline.requests import ScoreRequest, ScoreResult

Pairs = list[tuple[str, tuple[str, ...]]]  # contexts with their continuations
SIZES = {"small": (512, 8, 1536), "large": (768, 12, 2048)}  # hidden size, layers, intermediate size
SUBJECTS = ("high_school_geography", "moral_disputes", "college_biology")
VOCABULARY = 16_000


def subject_rows(archive: zipfile.ZipFile, split: str, subject: str) -> list[list[str]]:
    text = archive.read(f"data/{split}/{subject}_{split}.csv").decode("utf-8")
    return list(csv.reader(io.StringIO(text)))


def mmlu(data: Path, questions: int, shots: int, letters: bool) -> Pairs:
    """Questions of some subjects; the endings are the choices' texts, or their letters below the listed choices."""
    pairs: Pairs = []

    def shown(row: Sequence[str]) -> str:
        choices = "".join(f"{letter}. {choice}\n" for letter, choice in zip("ABCD", row[1:5], strict=True))
        return f"Question: {row[0]}\n{choices if letters else ''}Answer:"

    def answer(row: Sequence[str]) -> str:
        return f" {row[5]}" if letters else f" {row[1 + 'ABCD'.index(row[5])]}"

    with zipfile.ZipFile(data / "mmlu" / "mmlu.zip") as archive:
        for subject in SUBJECTS:
            examples = subject_rows(archive, "dev", subject)[:shots]
            head = "".join(f"{shown(row)}{answer(row)}\n\n" for row in examples)
            for row in subject_rows(archive, "test", subject)[:questions]:
                endings = " A", " B", " C", " D"
                pairs.append((head + shown(row), endings if letters else tuple(f" {one}" for one in row[1:5])))
    return pairs


def blimp(data: Path, questions: int) -> Pairs:
    """Sentence pairs, each sentence a continuation of nothing."""
    pairs: Pairs = []
    for path in sorted((data / "blimp").glob("*.jsonl"))[:6]:
        for line in path.read_text(encoding="utf-8").splitlines()[: 2 * questions]:
            pair = json.loads(line)
            pairs.append(("", (pair["sentence_good"], pair["sentence_bad"])))
    return pairs


def different_texts(data: Path, questions: int) -> Pairs:
    """One continuation a context and nothing in common: there is nothing to share."""
    mixed = random.Random(0)
    pairs = mmlu(data, questions, 0, letters=True)
    return [(f"{mixed.random()} {context}", (endings[0],)) for context, endings in pairs]


def write_model(folder: Path, size: str, texts: Sequence[str]) -> None:
    """A byte-level tokenizer trained on `texts`, and a Llama of random weights."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<s>", "</s>"]
    inner.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=special, initial_alphabet=alphabet)
    )
    inner.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>").save_pretrained(folder)
    hidden, layers, intermediate = SIZES[size]
    torch.manual_seed(0)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=hidden,
            num_hidden_layers=layers,
            intermediate_size=intermediate,
            num_attention_heads=hidden // 64,
            num_key_value_heads=hidden // 64,
            max_position_embeddings=4096,
            bos_token_id=0,
            eos_token_id=1,
        )
    ).save_pretrained(folder)


@contextmanager
def counted(model: Any) -> Iterator[list[int]]:
    """Adds the tokens of each pass, padding included, to the list's one number."""
    tokens = [0]
    forward = model.forward

    def counting(*given: Any, **arguments: Any) -> Any:
        tokens[0] += (given[0] if given else arguments["input_ids"]).numel()
        return forward(*given, **arguments)

    counting.__wrapped__ = forward  # type: ignore[attr-defined]  # its signature stays readable
    model.forward = counting
    try:
        yield tokens
    finally:
        model.forward = forward


Scores = list[tuple[float, ...]]
Scorer = Callable[[Pairs], Scores]


def engine_scorer(engine: HfEngine, *, share: bool) -> Scorer:
    forward: Any = engine._forwards[None]
    packed = forward.packed

    def scores(pairs: Pairs) -> Scores:
        forward.packed = packed if share else lambda: None
        requests = (
            ScoreRequest(key=str(number), context=context, continuations=endings)
            for number, (context, endings) in enumerate(pairs)
        )
        found = {int(one.key): one.logprobs for one in engine.loglikelihood(requests) if isinstance(one, ScoreResult)}
        return [found[number] for number in range(len(pairs))]

    return scores


def harness_scorer(folder: Path) -> tuple[Scorer, Any]:
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    harness: Any = HFLM(pretrained=str(folder), dtype="float32", device="cpu", batch_size=16)

    def scores(pairs: Pairs) -> Scores:
        asked = [
            Instance(request_type="loglikelihood", doc={}, arguments=(context, ending), idx=0)
            for context, endings in pairs
            for ending in endings
        ]
        found = iter(harness.loglikelihood(asked, disable_tqdm=True))
        return [tuple(next(found)[0] for _ in endings) for _, endings in pairs]

    return scores, harness.model


def measure(scorers: dict[str, tuple[Scorer, Any]], pairs: Pairs, rounds: int) -> None:
    """Every scorer once a round, one after the other, so that a busy moment meets all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in scorers}
    tokens: dict[str, int] = {}
    results: dict[str, Scores] = {}
    for _ in range(rounds):
        for name, (scorer, model) in scorers.items():
            with counted(model) as count:
                start = time.process_time()
                results[name] = scorer(pairs)
                seconds[name].append(time.process_time() - start)
            tokens[name] = count[0]
    for name, values in seconds.items():
        apart = max(
            abs(one - other)
            for ours, theirs in zip(results["shared"], results[name], strict=True)
            for one, other in zip(ours, theirs, strict=True)
        )
        spread = f"{statistics.median(values):.1f} ({min(values):.1f} - {max(values):.1f})"
        print(f"  {name:8} {tokens[name]:>9,} tokens {spread:>22} s   largest difference {apart:.1e}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--size", choices=list(SIZES), default="small")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--questions", type=int, default=40, help="of each subject")
    parser.add_argument("--without-lm-eval", action="store_true")
    given = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    kinds = {
        "MMLU, five shots, four texts": mmlu(given.data, given.questions, 5, letters=False),
        "MMLU, five shots, four letters": mmlu(given.data, given.questions, 5, letters=True),
        "MMLU, no shots, four texts": mmlu(given.data, given.questions, 0, letters=False),
        "BLiMP, pairs of sentences": blimp(given.data, given.questions),
        "one continuation, nothing in common": different_texts(given.data, given.questions),
    }
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        texts = [context + endings[0] for pairs in kinds.values() for context, endings in pairs]
        write_model(folder, given.size, texts)
        with HfEngine(folder, EngineSettings(threads=1)) as engine:
            model = engine._forward.model
            parameters = sum(one.numel() for one in model.parameters()) / 1e6
            print(f"{parameters:.0f} million parameters, {given.rounds} rounds")
            scorers = {
                "plain": (engine_scorer(engine, share=False), model),
                "shared": (engine_scorer(engine, share=True), model),
            }
            if not given.without_lm_eval:
                scorers["lm_eval"] = harness_scorer(folder)
            for kind, pairs in kinds.items():
                print(f"{kind}: {len(pairs)} requests, {sum(len(endings) for _, endings in pairs)} continuations")
                measure(scorers, pairs, given.rounds)


if __name__ == "__main__":
    main()
