"""What a token is drawn from: the same here, by the run file that `from-lm-eval` writes, as in lm_eval's `hf` backend.

Of lm_eval the logits processors are taken that transformers builds within its own call.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from migration.from_lm_eval import from_lm_eval
from models.sampling import RowChoice, probabilities, row_generator
from pipeline.config_load import load
from pipeline.fingerprint import FileHashes
from pipeline.requests import GenerationSettings
from steps.step1_plan import make_plan
from tests.project import write_lines
from tests.tiny_models import make_base

pytest.importorskip("lm_eval")

PROMPT = "The quick brown fox jumps over"
# What a model's folder says: in generation_config.json, or (None) in the config.json of a model that has no such file.
CONFIGURATIONS: dict[str, tuple[dict[str, Any] | None, dict[str, Any]]] = {
    "no word of it": ({}, {}),
    "no file": (None, {}),
    "samples": (
        {"do_sample": True, "temperature": 0.7, "top_k": 20, "top_p": 0.8, "repetition_penalty": 1.05},
        {},
    ),
    "samples without saying how": ({"do_sample": True}, {}),
    "values without do_sample": ({"temperature": 0.6, "top_p": 0.9, "min_p": 0.01}, {}),
    "all tokens": ({"top_k": 0}, {}),
    "config.json": (None, {"top_k": 7, "repetition_penalty": 1.3}),
}
# A task's generation_kwargs, and what --gen_kwargs adds.
ASKED: dict[str, tuple[dict[str, Any], str]] = {
    "greedy by default": ({"until": ["\n"]}, ""),
    "greedy": ({"do_sample": False, "temperature": 0.0, "until": ["\n"]}, ""),
    "self-consistency": ({"do_sample": True, "temperature": 0.2, "until": ["\n"]}, ""),
    "temperature alone": ({"temperature": 0.8, "top_p": 0.95}, ""),
    "temperature 1": ({"do_sample": True, "temperature": 1.0, "top_k": 3}, ""),
    "by the command": ({"do_sample": False, "until": ["\n"]}, "do_sample=True,temperature=0.5"),
    "greedy by the command": ({"do_sample": True, "temperature": 0.5}, "do_sample=False"),
}


@pytest.fixture(scope="module", params=CONFIGURATIONS)
def model(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    own, of_model = CONFIGURATIONS[request.param]
    folder = make_base(tmp_path_factory.mktemp("sampling") / "base")
    for name, changes in (("generation_config.json", own), ("config.json", of_model)):
        path = folder / name
        if changes is None:
            path.unlink()
        else:
            path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def harness(model: Path) -> Any:
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=str(model), device="cpu", dtype="float32")


def settings_here(model: Path, kwargs: dict[str, Any], added: str, folder: Path) -> GenerationSettings:
    """The effective settings of a task under the run file for lm_eval's command line."""
    write_lines(folder / "test.jsonl", [{"q": PROMPT, "a": "x"}])
    task = {
        "task": "drawn", "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(folder / "test.jsonl")}},
        "test_split": "test", "doc_to_text": "{{q}}", "doc_to_target": "{{a}}", "output_type": "generate_until",
        "generation_kwargs": kwargs, "metric_list": [{"metric": "exact_match"}],
    }  # fmt: skip
    (folder / "drawn.yaml").write_text(json.dumps(task), encoding="utf-8")
    line = f"lm_eval --model hf --model_args pretrained={model},dtype=float32 --tasks {folder / 'drawn.yaml'}"
    from_lm_eval(shlex.split(f"{line} --gen_kwargs {added}" if added else line), folder / "run.yaml")
    loaded = load(folder / "run.yaml", "step1")
    plan = make_plan(loaded.settings, FileHashes(), loaded.where)  # type: ignore[arg-type]
    return plan.generation(plan.tasks.tasks[0])


def drawn_from_here(settings: GenerationSettings, ids: list[int], logits: Any) -> Any:
    if settings.greedy:
        return None
    return probabilities(logits, RowChoice(settings, row_generator(0), ids))


def drawn_from_there(harness: Any, kwargs: dict[str, Any], added: str, logits: Any, patch: Any) -> tuple[Any, Any]:
    """The processors' distribution over the first token, None for greedy; and their repetition penalty."""
    from lm_eval.api.instance import Instance
    from lm_eval.utils import simple_parse_args_string

    seen: list[tuple[Any, Any]] = []
    build = type(harness.model)._get_logits_processor

    def spy(self: Any, generation_config: Any, *arguments: Any, **named: Any) -> Any:
        processors = build(self, generation_config, *arguments, **named)
        seen.append((generation_config, processors))
        return processors

    patch.setattr(type(harness.model), "_get_logits_processor", spy)
    asked = {"until": ["\n\n"], **kwargs, **simple_parse_args_string(added), "max_gen_toks": 2}
    harness.generate_until([Instance("generate_until", {}, (PROMPT, asked), 0)], disable_tqdm=True)
    [(configuration, processors)] = seen
    ids = harness.tok_encode(PROMPT)
    import torch

    scores = processors(torch.tensor([ids]), logits.clone())
    return (scores.softmax(-1) if configuration.do_sample else None), configuration.repetition_penalty


@pytest.mark.parametrize("asked", ASKED)
def test_a_token_is_drawn_from_the_same_distribution(
    asked: str, model: Path, harness: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    kwargs, added = ASKED[asked]
    logits = 3 * torch.randn(1, len(harness.tokenizer), generator=torch.Generator().manual_seed(1))
    theirs, penalty = drawn_from_there(harness, kwargs, added, logits, monkeypatch)
    settings = settings_here(model, kwargs, added, tmp_path)
    ours = drawn_from_here(settings, harness.tok_encode(PROMPT), logits)
    assert (ours is None) == (theirs is None)
    assert settings.repetition_penalty == penalty  # which changes greedy texts too
    if theirs is not None:
        assert torch.equal(ours > 0, theirs > 0)
        assert torch.allclose(ours, theirs, atol=1e-7)
