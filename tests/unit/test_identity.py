"""Identities: equal for what computes the same, different for what does not; names and steps of checkpoints."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from models.identity import adapter_identity, model_identity, tokenizer_fingerprint
from models.locate import hub_commit, model_folder
from models.properties import (
    end_ids,
    generation_defaults,
    has_chat_template,
    model_config,
    resolve_dtype,
    resolve_max_length,
)
from pipeline.errors import AdapterError, ModelError
from pipeline.fingerprint import FileHashes
from tests.tiny_models import make_adapter, make_base


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("identity")
    base = make_base(root / "base")
    make_adapter(base, root / "lora", tokenizer=True, optimizer=True)
    return root


@pytest.fixture
def base(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "base", tmp_path / "base"))


@pytest.fixture
def lora(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "lora", tmp_path / "lora"))


def edit(path: Path, **fields: object) -> None:
    content = json.loads(path.read_text()) | fields
    path.write_text(json.dumps(content))


def test_a_copy_elsewhere_is_the_same_model(made: Path, base: Path) -> None:
    edit(base / "config.json", _name_or_path="/somewhere/else", transformers_version="9.9")
    assert model_identity(base, FileHashes()) == model_identity(made / "base", FileHashes())


def test_weights_config_end_ids_and_code_each_count(base: Path) -> None:
    seen = [model_identity(base, FileHashes()).as_dict()]
    with (base / "model.safetensors").open("r+b") as file:  # one byte, same size
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    seen.append(model_identity(base, FileHashes()).as_dict())
    edit(base / "config.json", rope_theta=123.0)
    seen.append(model_identity(base, FileHashes()).as_dict())
    edit(base / "generation_config.json", eos_token_id=[2, 4])
    seen.append(model_identity(base, FileHashes()).as_dict())
    (base / "modeling_custom.py").write_text("SCALE = 1\n")
    seen.append(model_identity(base, FileHashes()).as_dict())
    assert all(one != other for one, other in itertools.pairwise(seen))


def test_penalties_count_only_where_they_are_used(base: Path) -> None:
    plain, whole = (model_identity(base, FileHashes(), whole_generation_config=use) for use in (False, True))
    edit(base / "generation_config.json", repetition_penalty=1.2)
    assert model_identity(base, FileHashes()) == plain
    assert model_identity(base, FileHashes(), whole_generation_config=True) != whole


def test_adapter_overwritten_in_place_with_its_size_and_time_kept_is_another(lora: Path) -> None:
    weights = lora / "adapter_model.safetensors"
    hashes = FileHashes()
    before, stat = adapter_identity(lora, hashes), weights.stat()
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert weights.stat().st_mtime_ns == stat.st_mtime_ns
    assert adapter_identity(lora, hashes) != before


def test_trainer_state_optimizer_and_the_bases_path_do_not_count(lora: Path) -> None:
    before = adapter_identity(lora, FileHashes())
    (lora / "optimizer.pt").write_bytes(b"other moments")
    edit(lora / "trainer_state.json", global_step=7)
    targets = json.loads((lora / "adapter_config.json").read_text())["target_modules"]
    edit(lora / "adapter_config.json", base_model_name_or_path="/other", target_modules=targets[::-1])
    assert adapter_identity(lora, FileHashes()) == before
    edit(lora / "adapter_config.json", lora_alpha=99)
    assert adapter_identity(lora, FileHashes()) != before


def test_base_and_its_adapter_differ_as_models(made: Path) -> None:
    base = model_identity(made / "base", FileHashes())
    adapted = base.with_adapter(made / "lora", FileHashes())
    assert adapted != base
    assert adapted.as_dict()["base"] == base.as_dict()["base"]
    json.dumps(adapted.as_dict())


def test_tokenizer_saved_again_beside_an_adapter_is_the_same(made: Path) -> None:
    assert tokenizer_fingerprint(made / "lora") == tokenizer_fingerprint(made / "base")


def test_what_changes_tokens_changes_the_tokenizers_fingerprint(base: Path, tmp_path: Path) -> None:
    seen = [tokenizer_fingerprint(base)]
    (base / "chat_template.jinja").write_text("{{ messages }}")
    seen.append(tokenizer_fingerprint(base))
    edit(base / "tokenizer_config.json", bos_token="</s>")
    seen.append(tokenizer_fingerprint(base))
    edit(base / "tokenizer.json", post_processor=None)
    seen.append(tokenizer_fingerprint(base))
    template = tmp_path / "own.jinja"
    template.write_text("{{ messages[0] }}")
    seen.append(tokenizer_fingerprint(base, template))
    assert len(set(seen)) == len(seen)
    edit(base / "tokenizer.json", truncation={"max_length": 8}, padding={"length": 8})
    edit(base / "tokenizer_config.json", padding_side="right", name_or_path="/elsewhere", model_max_length=8)
    assert tokenizer_fingerprint(base) == seen[3]


def test_a_template_in_the_tokenizers_config_equals_one_in_a_file_of_its_own(base: Path) -> None:
    before = tokenizer_fingerprint(base)
    template = (base / "chat_template.jinja").read_text()
    (base / "chat_template.jinja").unlink()
    assert not has_chat_template(base)
    edit(base / "tokenizer_config.json", chat_template=template)
    assert has_chat_template(base)
    assert tokenizer_fingerprint(base) == before


@pytest.mark.parametrize(
    ("setting", "config", "expected"),
    [
        ("auto", {"dtype": "bfloat16"}, "bfloat16"),
        ("auto", {"torch_dtype": "torch.float16"}, "float16"),
        ("auto", {"dtype": "float32", "text_config": {"dtype": "bfloat16"}}, "bfloat16"),
        ("auto", {}, "float32"),
        ("float32", {"dtype": "bfloat16"}, "float32"),
    ],
)
def test_number_format(setting: str, config: dict[str, object], expected: str) -> None:
    assert resolve_dtype(setting, config) == expected


@pytest.mark.parametrize(
    ("setting", "config", "expected"),
    [
        (None, {"max_position_embeddings": 4096}, 4096),
        (None, {"n_positions": 1024, "n_ctx": 512}, 1024),
        (None, {"max_position_embeddings": 1200, "text_config": {"max_position_embeddings": 32768}}, 32768),
        (None, {"max_position_embeddings": None}, 2048),
        (77, {"max_position_embeddings": 4096}, 77),
    ],
)
def test_longest_sequence(setting: int | None, config: dict[str, object], expected: int) -> None:
    assert resolve_max_length(setting, config) == expected


def test_generation_defaults_follow_the_models_file(base: Path) -> None:
    assert generation_defaults(base) == {"do_sample": False, "top_k": 50}
    edit(base / "generation_config.json", repetition_penalty=1.1, temperature=0.7, top_p=0.8, do_sample=True)
    sampling = {"temperature": 0.7, "top_k": 50, "top_p": 0.8}
    assert generation_defaults(base) == {"do_sample": False, "repetition_penalty": 1.1, **sampling}
    edit(base / "generation_config.json", no_repeat_ngram_size=3)
    with pytest.raises(ModelError, match="no_repeat_ngram_size: 3"):
        generation_defaults(base)


def test_without_a_generation_config_the_models_config_counts(base: Path) -> None:
    (base / "generation_config.json").unlink()
    edit(base / "config.json", top_k=7)
    assert generation_defaults(base) == {"do_sample": False, "top_k": 7}
    edit(base / "config.json", num_beams=4)
    with pytest.raises(ModelError, match=r"config\.json sets num_beams: 4"):
        generation_defaults(base)


def test_end_ids_of_the_generation_config_come_first(base: Path) -> None:
    edit(base / "generation_config.json", eos_token_id=[2, 4])
    assert end_ids(base) == (2, 4)
    (base / "generation_config.json").unlink()
    assert end_ids(base) == (2,)


def test_a_folder_misspelt_is_named_with_the_one_meant(base: Path) -> None:
    with pytest.raises(ModelError) as caught:
        model_folder(str(base.parent / "bsae"))
    assert f"Did you mean {base}?" in str(caught.value)


def test_neither_folder_nor_cached_hub_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="nobody/nothing"):
        model_folder("nobody/nothing")


def test_a_hub_models_snapshot_is_known_by_its_commit(base: Path, tmp_path: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    snapshot = tmp_path / "models--org--name" / "snapshots" / commit
    shutil.copytree(base, snapshot)
    assert hub_commit(snapshot) == commit
    assert hub_commit(base) is None
    assert model_identity(snapshot, FileHashes()).as_dict() == {"base": {"commit": commit}}


def test_folders_without_weights_say_what_they_are(lora: Path, base: Path) -> None:
    with pytest.raises(ModelError, match="holds a LoRA adapter"):
        model_identity(lora, FileHashes())
    with pytest.raises(AdapterError, match="looks like a whole model"):
        adapter_identity(base, FileHashes())
    (base / "config.json").write_text('{"model_type": ')
    with pytest.raises(ModelError, match=r"config\.json of the model is broken"):
        model_config(base)


def test_identities_need_neither_torch_nor_transformers(made: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pipeline.fingerprint import FileHashes\n"
        "from models.identity import model_identity, tokenizer_fingerprint; from models.adapters import check_adapter\n"
        "import models.checkpoints, models.locate, models.properties, models.factory\n"
        "root = Path(sys.argv[1]); base = model_identity(root / 'base', FileHashes())\n"
        "base.with_adapter(root / 'lora', FileHashes()); tokenizer_fingerprint(root / 'base')\n"
        "check_adapter(root / 'lora', root / 'base')\n"
        "assert not {'torch', 'transformers', 'huggingface_hub', 'peft'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(made)], check=True)
