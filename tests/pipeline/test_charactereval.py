"""All of CharacterEval through the four steps on minute models, killed on the way."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.project import Project
from tests.reward_models import make_char_rm
from tests.tiny_models import SPECIAL_TOKENS

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = (ROOT / ".." / "shared" / "data" / "charactereval").resolve()
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the data are not here")


def make_models(folder: Path) -> None:
    """A causal model and a reward model in BaichuanCharRM's layout, whose tokenizer knows the data's characters."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast

    from tests.tiny_models import CHAT_TEMPLATE

    examples = json.loads((DATA / "test_data.jsonl").read_text(encoding="utf-8"))
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=6000, special_tokens=list(SPECIAL_TOKENS), initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    inner.train_from_iterator([example["context"] for example in examples[::10]], trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    tokenizer.chat_template = CHAT_TEMPLATE
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=8192, bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")
    make_char_rm(folder / "base", folder / "BaichuanCharRM")


def settings(**first: object) -> dict[str, object]:
    reward = {"name": "reward_model", "model": "models/BaichuanCharRM", "trust_remote_code": True, "max_length": 256}
    return {
        "output_dir": "output/run",
        "step1": {
            "engine": {"backend": "hf", "threads": 1, "batch_tokens": 32768},
            "model": "models/base",
            "tasks": [{"name": "charactereval", "data_dir": str(DATA)}],
            "generation_override": {"max_gen_toks": 16},
            **first,
        },
        "step2": {},
        "step3": {"metrics": [reward]},
        "step4": {},
    }


def kill_at(project: Project, step: str, kind: str, calls: int) -> None:
    """Start `step` and kill it once the memo holds so many calls of `kind`."""
    process = project.popen(step, "run.yaml")
    while known(project, kind) < calls:
        assert process.poll() is None, "the step ended before it could be killed"
        time.sleep(0.1)
    process.kill()
    process.communicate()


def known(project: Project, kind: str) -> int:
    path = project.folder / "output/.memo/memo.sqlite"
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path)) as connection, suppress(sqlite3.OperationalError):  # not yet made, or busy
        return int(connection.execute("SELECT count(*) FROM calls WHERE kind = ?", [kind]).fetchone()[0])
    return 0


def counts(project: Project, step: str) -> dict[str, int]:
    return json.loads((project.folder / f"output/run/base/{step}.lock.json").read_text())["charactereval"]["counts"]


def run_to_the_end(project: Project, step: str) -> None:
    process = project.popen(step, "run.yaml")
    _, error = process.communicate(timeout=1800)
    assert process.returncode == 0, error


def records(project: Project, name: str) -> list[dict]:
    return json.loads((project.folder / "output/run/base/charactereval" / name).read_text(encoding="utf-8"))


def check_counts(project: Project, documents: int) -> None:
    """Every row accounted for: those of step 2 are the dimensions of the examples, less those of failed answers."""
    examples = json.loads((DATA / "test_data.jsonl").read_text(encoding="utf-8"))[:documents]
    dimensions = json.loads((DATA / "id2metric.jsonl").read_text(encoding="utf-8"))
    pairs = sum(len(dimensions.get(str(example["id"]), [])) for example in examples)
    bare = sum(str(example["id"]) not in dimensions for example in examples)
    views = {path.rsplit("/", 1)[1]: rows for path, rows in project.views().items()}
    first, second = views["step1_generation.jsonl"], views["step2_generation_trans.jsonl"]
    third = views["step3_evaluation.jsonl"]
    assert len(first) == documents
    failed = {row["doc_id"] for row in first if row["status"] == "error" or row["requests"][0]["text"] == "ERROR"}
    skipped = [row for row in second if row["status"] == "error"]
    assert len(second) == len(third) == pairs
    assert {row["doc_id"] for row in skipped} <= failed
    lock = json.loads((project.folder / "output/run/base/step2.lock.json").read_text())["charactereval"]
    assert lock["counts"]["documents"] == documents
    assert lock["counts"]["not_expanded"] == bare
    assert lock["counts"]["errors"] == len(skipped)
    assert len(records(project, "generation.jsonl")) == documents
    assert len(records(project, "generation_trans.jsonl")) == pairs - len(skipped)
    evaluated = records(project, "evaluation.jsonl")
    assert len(evaluated) == pairs - len(skipped)
    assert all(1 < record[record["metric_en"]] < 5 for record in evaluated)
    by_dimension = Counter(record["metric_en"] for record in evaluated)
    results = json.loads((project.folder / "output/run/base/charactereval/results.json").read_text())
    slices = results["reward_model,first_line"]["slices"]
    for name, count in by_dimension.items():
        scores = [record[name] for record in evaluated if record["metric_en"] == name]
        assert slices[f"metric_en={name}"]["n"] == count
        assert slices[f"metric_en={name}"]["value"] == pytest.approx(sum(scores) / count)
    if len(by_dimension) == 12:
        means = [slices[f"metric_en={name}"]["value"] for name in by_dimension]
        assert slices["group=Overall"]["value"] == pytest.approx(sum(means) / 12)
        assert slices["group=Overall"]["se"] > 0
        assert "| Model | " in (project.folder / "output/run/results.md").read_text().replace("  ", " ")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("charactereval")
    make_models(folder)
    return folder


@pytest.fixture
def project(tmp_path: Path, models: Path) -> Project:
    (tmp_path / "models").symlink_to(models)
    return Project(tmp_path, settings())


def test_sixty_examples(project):
    project.run("all", str(project.write_settings(step1={"limit": 60})))
    check_counts(project, 60)
    text = (project.folder / "output/run/base/charactereval/eval_scores.jsonl").read_text(encoding="utf-8")
    assert all(line.rpartition(": ")[2].count(".") == 1 for line in text.splitlines())


@pytest.mark.slow
def test_all_examples_with_three_kills(project):
    project.write_settings()
    kill_at(project, "step1", "GenerateResult", 400)
    kill_at(project, "step1", "GenerateResult", 2000)
    run_to_the_end(project, "step1")
    assert counts(project, "step1")["made"] <= 2564
    run_to_the_end(project, "step2")
    kill_at(project, "step3", "reward", 3000)
    run_to_the_end(project, "all")
    scored = counts(project, "step3")
    assert scored["memo"] >= 3000
    assert scored["memo"] + scored["made"] == known(project, "reward")
    check_counts(project, 4564)
    views = project.views(step=2)
    assert sum(map(len, views.values())) == 8032
