"""Generation of the embedded engine: equal to transformers' own, row by row, whatever the batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from models.hf import HfEngine
from models.sampling import RowChoice, choose, row_generator
from models.stopping import StopCondition
from pipeline.config import EngineSettings
from pipeline.requests import CallFailure, GenerateRequest, GenerateResult, GenerationSettings
from tests.tiny_models import CORPUS, Kind, make_base

PROMPTS = ("The", "Question: What is 2 + 3? Answer:", "今天天气很好", CORPUS[3], "A, B, C", "def add(a, b):\n")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("generate")
    for kind in ("llama", "gpt2", "qwen2"):
        make_base(root / kind, kind)  # type: ignore[arg-type]
    return root


@pytest.fixture(scope="module")
def engine(root: Path) -> Iterator[HfEngine]:
    with HfEngine(root / "llama", EngineSettings()) as engine:
        yield engine


def requests(prompts: Iterable[str] = PROMPTS, seed: int | None = None, **settings: Any) -> list[GenerateRequest]:
    generation = GenerationSettings(**{"max_gen_toks": 24} | settings)
    return [
        GenerateRequest(key=prompt, prompt=prompt, generation=generation, seed=None if seed is None else seed + at)
        for at, prompt in enumerate(prompts)
    ]


def answers(engine: HfEngine, asked: Iterable[GenerateRequest]) -> dict[str, GenerateResult]:
    found = {}
    for result in engine.generate(asked):
        assert isinstance(result, GenerateResult), result
        found[result.key] = result
    return found


def full_text(engine: HfEngine, prompt: str, tokens: int = 24) -> str:
    return answers(engine, requests([prompt], max_gen_toks=tokens))[prompt].text


@pytest.mark.parametrize("kind", ["llama", "gpt2", "qwen2"])
@pytest.mark.parametrize("penalty", [1.0, 1.5])
def test_greedy_equals_transformers_one_at_a_time(kind: Kind, penalty: float, root: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(root / kind).eval()
    tokenizer = AutoTokenizer.from_pretrained(root / kind)
    with HfEngine(root / kind, EngineSettings()) as engine:
        together = answers(engine, requests(repetition_penalty=penalty))
        alone = [answers(engine, [one])[one.key] for one in requests(repetition_penalty=penalty)]
    assert list(map(together.get, PROMPTS)) == alone
    for prompt in PROMPTS:
        ids = torch.tensor([tokenizer(prompt).input_ids])
        with torch.no_grad():
            whole = model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=24, do_sample=False, repetition_penalty=penalty
            )
        new = whole[0, ids.shape[1] :]
        assert together[prompt].text == tokenizer.decode(new, skip_special_tokens=True)
        assert together[prompt].completion_tokens == len(new)
        assert together[prompt].prompt_tokens == ids.shape[1]


def test_penalty_changes_the_text(engine: HfEngine) -> None:
    plain, penalized = (answers(engine, requests(repetition_penalty=penalty)) for penalty in (1.0, 1.5))
    assert plain != penalized


def test_stop_strings_across_and_within_tokens(engine: HfEngine) -> None:
    encoder = engine._encoders[None]
    seen = set()
    for prompt in PROMPTS:
        text = full_text(engine, prompt)
        for start in range(1, len(text) - 3):
            stop = text[start : start + 3]
            if "�" in stop or text.find(stop) != start:
                continue
            result = answers(engine, requests([prompt], until=("never said", stop)))[prompt]
            assert (result.text, result.finish_reason) == (text[:start], "stop")
            assert result.completion_tokens <= 24
            seen.add(len(encoder.encode_plain([stop])[0]))
    assert {1, 2, 3} & seen, "no stop string that is part of tokens was tried"


def test_the_earliest_of_several_stop_strings_counts(engine: HfEngine) -> None:
    text = full_text(engine, "The")
    marks = [at for at in range(1, len(text)) if text[at] != "�" and text.find(text[at]) == at]
    early, late = text[marks[2]], text[marks[6]]
    result = answers(engine, requests(["The"], until=(late, early, "")))["The"]
    assert result.text == text[: marks[2]]
    ids = engine._encoders[None].encode_plain(["The lazy dog"])[0]  # both in one token, or completed by one
    assert StopCondition(engine._encoders[None], ["g", "z", "og"], ()).text(ids) == ("The la", True)


def test_a_row_stops_at_once_and_the_others_go_on(engine: HfEngine) -> None:
    text = full_text(engine, "The")
    stop = next(char for char in text[1:] if char != "�")
    whole = answers(engine, requests())
    stopped = answers(engine, [*requests(["The"], until=(stop,)), *requests(PROMPTS[1:])])
    assert stopped["The"].completion_tokens < 24
    assert [stopped[prompt] for prompt in PROMPTS[1:]] == [whole[prompt] for prompt in PROMPTS[1:]]


def test_end_ids_of_tokenizer_and_generation_config_end_a_row(root: Path, tmp_path: Path) -> None:
    import json
    import shutil

    folder = Path(shutil.copytree(root / "llama", tmp_path / "model"))
    with HfEngine(folder, EngineSettings()) as engine:
        ids = engine._encoders[None].tokenizer("The").input_ids
        text = full_text(engine, "The")
        first = answers(engine, requests(["The"], max_gen_toks=3))["The"]
        import torch

        with torch.no_grad():
            generated = engine._forward.model.generate(torch.tensor([ids]), max_new_tokens=24, do_sample=False)
        third = int(generated[0, len(ids) + 2])
    config = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps(config | {"eos_token_id": [2, third]}))
    with HfEngine(folder, EngineSettings()) as engine:
        ended = answers(engine, requests(["The"]))["The"]
    assert (ended.finish_reason, ended.completion_tokens) == ("stop", 3)
    assert first.text.startswith(ended.text)
    assert len(ended.text) < len(text)


def test_a_stop_string_that_is_a_special_token(engine: HfEngine) -> None:
    encoder = engine._encoders[None]
    end = encoder.tokenizer.convert_tokens_to_ids("<|im_end|>")
    one = StopCondition(encoder, ["<|im_end|>"], [2])
    assert one.end_ids == {2, end}
    ids = encoder.encode_plain(["Hello there"])[0]
    mixed = StopCondition(encoder, ["<|im_end|>\n"], [2])
    assert not mixed.reached([*ids, end])
    newline = encoder.encode_plain(["\n"])[0]
    assert mixed.reached([*ids, end, *newline])
    assert mixed.text([*ids, end, *newline, *ids]) == ("Hello there", True)
    assert mixed.text([*ids, end, *ids]) == ("Hello thereHello there", False)


def test_long_prompts_are_cut_from_the_left_and_counted(root: Path) -> None:
    prompt = " ".join(CORPUS)
    with HfEngine(root / "llama", EngineSettings(max_length=40)) as engine:
        result = answers(engine, requests([prompt], max_gen_toks=10))[prompt]
        encoder = engine._encoders[None]
        ids = encoder.tokenizer(prompt).input_ids
        tail = encoder.decode(ids[-30:])
        assert encoder.encode_plain([tail])[0] == ids[-30:]
        without_bos = HfEngine(root / "llama", EngineSettings(add_bos_token=False))
        with without_bos:
            same = answers(without_bos, requests([tail], max_gen_toks=10))[tail]
    assert (result.prompt_tokens, result.truncated_tokens) == (30, len(ids) - 30)
    assert result.text == same.text


def test_an_answer_that_leaves_no_room_for_a_prompt(root: Path) -> None:
    with HfEngine(root / "llama", EngineSettings(max_length=40)) as engine:
        (failure,) = engine.generate(requests(["The"], max_gen_toks=40))
        assert answers(engine, requests(["The"], max_gen_toks=39))
    assert isinstance(failure, CallFailure)
    assert (failure.type, failure.deterministic) == ("ContextTooLong", True)
    assert "40" in failure.message


@pytest.mark.parametrize(
    "settings", [{}, {"top_k": 5}, {"top_p": 0.8}, {"min_p": 0.05, "repetition_penalty": 1.2}], ids=str
)
def test_samples_do_not_depend_on_the_batch(settings: dict[str, Any], engine: HfEngine) -> None:
    asked = requests(temperature=0.9, seed=2**63, **settings)
    together = answers(engine, [*asked, *requests(["Another, longer prompt " * 4])])
    alone = [answers(engine, [one])[one.key] for one in asked]
    assert [together[one.key] for one in asked] == alone
    other = answers(engine, requests(temperature=0.9, seed=7, **settings))
    assert any(other[prompt] != together[prompt] for prompt in PROMPTS)


def test_sampling_follows_the_distribution() -> None:
    """A chi-squared test over 4,000 draws; its 99.9% point for 3 degrees of freedom is 16.3."""
    import torch

    probabilities = torch.tensor([0.1, 0.2, 0.3, 0.4])
    logits = probabilities.log().repeat(4000, 1)
    settings = GenerationSettings(temperature=1.0)
    drawn = choose(logits, [RowChoice(settings, row_generator(seed)) for seed in range(4000)])
    counts = torch.bincount(torch.tensor(drawn), minlength=4).double()
    expected = 4000 * probabilities.double()
    assert float(((counts - expected) ** 2 / expected).sum()) < 16.3


def test_settings_restrict_what_can_be_drawn() -> None:
    import torch

    logits = torch.tensor([[0.1, 0.2, 0.3, 0.4]]).log().repeat(300, 1)

    def drawn(**settings: Any) -> set[int | None]:
        chosen = GenerationSettings(temperature=1.0, **settings)
        return set(choose(logits, [RowChoice(chosen, row_generator(seed)) for seed in range(300)]))

    assert drawn() == {0, 1, 2, 3}
    assert drawn(top_k=2) == {2, 3}
    assert drawn(top_p=0.6) == {2, 3}
    assert drawn(min_p=0.6) == {2, 3}
    assert drawn(min_p=0.4) == {1, 2, 3}


def test_sampling_needs_a_seed(engine: HfEngine) -> None:
    (failure,) = engine.generate(requests(["The"], temperature=0.5))
    assert isinstance(failure, CallFailure)
    assert failure.type == "NoSeed"


def test_deterministic_answers_whatever_the_batch(root: Path) -> None:
    with HfEngine(root / "llama", EngineSettings(deterministic=True)) as engine:
        asked = requests(temperature=1.5, seed=1)
        assert answers(engine, asked) == answers(engine, asked[::-1])


def test_logits_that_are_not_finite_fail_their_row(root: Path) -> None:
    import torch

    with HfEngine(root / "llama", EngineSettings()) as engine:
        token = engine._encoders[None].encode_plain(["~"])[0][0]
        with torch.no_grad():
            engine._forward.model.get_input_embeddings().weight[token] = float("nan")
        found = {result.key: result for result in engine.generate(requests([*PROMPTS, "~"]))}
    failure = found["~"]
    assert isinstance(failure, CallFailure)
    assert failure.type == "NonFiniteLogits"
    assert all(isinstance(found[prompt], GenerateResult) for prompt in PROMPTS)
