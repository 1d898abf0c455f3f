"""The demo's sentence-embedding model: a small transformer with mean pooling, learnt on pairs that mean the same.

Written in the layout that sentence-transformers loads; training needs transformers alone.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo.facts import TRAINED_WORDINGS, Question, questions, statements
from demo.tokenizer import train_tokenizer
from demo.train import Schedule, optimize, seed_everything

if TYPE_CHECKING:
    import torch

HIDDEN, LONGEST = 96, 128
PAIRS = 32  # of one batch
_TEMPERATURE = 0.05
Triple = tuple[str, str, str]  # a text, one that means the same, one that looks alike and means something else


def make_embedding(folder: Path, schedule: Schedule, after: Callable[[int, float], None]) -> None:
    """Train the model and write it into `folder`."""
    from transformers import AutoModel, BertConfig

    facts = [one for one in questions() if one.wording < TRAINED_WORDINGS]
    tokenizer = train_tokenizer((text for one in facts for text in (one.text, *_said(one))), 1000)
    seed_everything(schedule.seed)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=2 * HIDDEN,
        max_position_embeddings=LONGEST,
        pad_token_id=tokenizer.pad_token_id,
    )
    model: Any = AutoModel.from_config(config)  # type: ignore[no-untyped-call]
    drawn = random.Random(schedule.seed)
    optimize(model, schedule, lambda: contrastive_loss(model, tokenizer, draw_triples(facts, drawn)), after)
    model.save_pretrained(folder)
    tokenizer.model_max_length = LONGEST
    tokenizer.save_pretrained(folder)
    _write_layout(folder)


def draw_triples(facts: Sequence[Question], drawn: random.Random) -> list[Triple]:
    """One batch: questions in two wordings against another fact's, answers said in two ways against a wrong one."""
    chosen = drawn.sample(list(facts), PAIRS)
    found: list[Triple] = []
    for number, one in enumerate(chosen):
        if number % 2:
            right, wrong = statements(one)
            found.append((right, statements(one, restated=True)[0], drawn.choice(wrong)))
        else:
            same = [other.text for other in facts if (other.kind, other.key) == (one.kind, one.key)]
            alike = [other.text for other in facts if other.kind == one.kind and other.key != one.key]
            found.append((one.text, drawn.choice(same), drawn.choice(alike)))
    return found


def contrastive_loss(model: Any, tokenizer: Any, triples: Sequence[Triple]) -> torch.Tensor:
    """Cross-entropy of each text finding its own partner among all second and third texts of the batch.

    The loss of SimCSE with hard negatives (Gao, Yao and Chen 2021, equation 5).
    """
    import torch

    vectors = embed(model, tokenizer, [text for column in zip(*triples, strict=True) for text in column])
    texts, others = vectors[: len(triples)], vectors[len(triples) :]
    similarity = texts @ others.T / _TEMPERATURE
    return torch.nn.functional.cross_entropy(similarity, torch.arange(len(triples)))


def embed(model: Any, tokenizer: Any, texts: Sequence[str]) -> torch.Tensor:
    """One vector of length 1 a text [texts, hidden]: the mean over its tokens."""
    import torch

    batch = tokenizer(list(texts), padding=True, return_tensors="pt", return_token_type_ids=False)
    states = model(**batch).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(-1)
    means = (states * mask).sum(1) / mask.sum(1)
    return torch.nn.functional.normalize(means, dim=-1)


def _said(one: Question) -> tuple[str, str]:
    return statements(one)[0], statements(one, restated=True)[0]


def _write_layout(folder: Path) -> None:
    """The files by which sentence-transformers knows what stands behind the transformer."""
    package = "sentence_transformers.models"
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": f"{package}.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{package}.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": f"{package}.Normalize"},
    ]
    pooling = {"word_embedding_dimension": HIDDEN, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
    files = {
        "modules.json": modules,
        "sentence_bert_config.json": {"max_seq_length": LONGEST, "do_lower_case": False},
        "config_sentence_transformers.json": {"prompts": {}, "default_prompt_name": None},
        "1_Pooling/config.json": pooling,
    }
    (folder / "2_Normalize").mkdir(exist_ok=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
