"""Settings of loading: delta weights, another tokenizer, devices, attention, quantization, a model's own code."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from models.factory import open_engine
from models.hf import HfEngine
from models.identity import model_identity
from models.packages import check_packages, deciding_packages
from models.quantization import quantization_config
from pipeline.config import EngineSettings, QuantizationSettings
from pipeline.errors import MissingPackageError, ModelError
from pipeline.fingerprint import FileHashes
from pipeline.requests import ScoreRequest, ScoreResult
from tests.tiny_models import CORPUS, make_base, make_tokenizer

OWN_CODE = """
from transformers import LlamaConfig, LlamaForCausalLM

class OwnConfig(LlamaConfig):
    model_type = "own_model"

class OwnModel(LlamaForCausalLM):
    config_class = OwnConfig
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("settings") / "base")


def scores(engine: Any) -> list[tuple[float, ...]]:
    requests = [ScoreRequest(key=str(at), context=text, continuations=(" A", " B c")) for at, text in enumerate(CORPUS)]
    found = {result.key: result for result in engine.loglikelihood(requests)}
    assert all(isinstance(result, ScoreResult) for result in found.values())
    return [found[str(at)].logprobs for at in range(len(CORPUS))]


def flat(values: list[tuple[float, ...]]) -> list[float]:
    return [value for one in values for value in one]


def loaded(folder: Path, settings: EngineSettings | None = None, **files: Any) -> list[tuple[float, ...]]:
    with open_engine(settings or EngineSettings(), folder, **files) as engine:
        return scores(engine)


@pytest.mark.parametrize("kind", ["llama", "t5"])
def test_delta_weights_are_added(kind: Any, tmp_path: Path) -> None:
    """What the base and the delta add up to is the model that the delta was made from; T5's shared tensor counts once."""
    from safetensors.torch import load_file, save_file

    base, tuned = make_base(tmp_path / "base", kind), make_base(tmp_path / "tuned", kind, seed=7)
    delta = Path(shutil.copytree(tuned, tmp_path / "delta"))
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (base, tuned))
    save_file({name: theirs[name] - ours[name] for name in ours}, delta / "model.safetensors", {"format": "pt"})
    assert flat(loaded(base, delta=delta)) == pytest.approx(flat(loaded(tuned)), abs=1e-3)
    hashes = FileHashes()
    identities = [model_identity(base, hashes, delta=one).as_dict() for one in (None, delta, tuned)]
    assert len({json.dumps(one) for one in identities}) == 3


def test_a_delta_of_another_model(base: Path, tmp_path: Path) -> None:
    delta = make_base(tmp_path / "delta", hidden=32)
    with pytest.raises(ModelError, match=r"the delta has \(.*, 32\)"), open_engine(EngineSettings(), base, delta=delta):
        pass


def test_another_tokenizer(base: Path, tmp_path: Path) -> None:
    bare = Path(shutil.copytree(base, tmp_path / "bare"))
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (bare / name).unlink(missing_ok=True)
    with pytest.raises(ModelError, match="tokenizer"), open_engine(EngineSettings(), bare):
        pass
    assert loaded(bare, tokenizer=base) == loaded(base)
    larger = make_tokenizer(tmp_path / "larger", vocab_size=800)
    small = make_base(tmp_path / "small", vocab_size=300)
    with pytest.raises(ModelError, match="embeddings for"), open_engine(EngineSettings(), small, tokenizer=larger):
        pass


def test_device_map_and_attention_change_no_result(base: Path) -> None:
    expected = loaded(base)
    for settings in (
        EngineSettings(device_map="auto", device="cpu"),
        EngineSettings(device_map={"": "cpu"}),
        EngineSettings(attn_implementation="eager"),
        EngineSettings(attn_implementation="sdpa"),
    ):
        assert flat(loaded(base, settings)) == pytest.approx(flat(expected), abs=2e-4)
    with HfEngine(base, EngineSettings(attn_implementation="eager")) as engine:
        assert engine._forward.model.config._attn_implementation == "eager"
    for settings, message in (
        (EngineSettings(attn_implementation="fast"), "another attn_implementation"),
        (EngineSettings(device_map="everywhere"), "device_map"),
    ):
        with pytest.raises(ModelError, match=message), HfEngine(base, settings):
            pass


@pytest.mark.parametrize(
    ("settings", "package"),
    [
        (EngineSettings(device_map="auto"), "accelerate"),
        (EngineSettings(attn_implementation="flash_attention_2"), "flash-attn"),
        (EngineSettings(quantization=QuantizationSettings(method="bitsandbytes", load_in_4bit=True)), "bitsandbytes"),  # type: ignore[call-arg]
        (EngineSettings(quantization=QuantizationSettings(method="gptq", bits=4)), "optimum"),  # type: ignore[call-arg]
        (EngineSettings(quantization=QuantizationSettings(method="quanto")), "optimum-quanto"),
        (EngineSettings(quantization=QuantizationSettings(method="fbgemm_fp8")), "accelerate"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_missing_packages_are_asked_for_before_loading(
    settings: EngineSettings, package: str, base: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(sys, "path", [])  # nothing can be found
    monkeypatch.setattr(sys, "path_importer_cache", {})
    for name in [name for name in sys.modules if name.partition(".")[0] in {"accelerate", "optimum", "kernels"}]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingPackageError, match=f"pip install {package}"):
        open_engine(settings, base)


def test_checkpoints_saved_quantized_need_their_package_too() -> None:
    config = {"quantization_config": {"quant_method": "vptq"}}
    with pytest.raises(MissingPackageError, match=r"saved quantized by vptq.*vptq"):
        check_packages(EngineSettings(), config)
    assert "vptq" in deciding_packages(EngineSettings(), config)
    check_packages(EngineSettings(), {"quantization_config": {"quant_method": "a method of the future"}})


def test_quantization_goes_to_the_class_of_transformers() -> None:
    made = quantization_config(
        QuantizationSettings(method="bitsandbytes", load_in_4bit=True, bnb_4bit_quant_type="nf4")
    )  # type: ignore[call-arg]
    assert (type(made).__name__, made.load_in_4bit, made.bnb_4bit_quant_type) == ("BitsAndBytesConfig", True, "nf4")
    assert quantization_config(QuantizationSettings(method="gptq", bits=3)).bits == 3  # type: ignore[call-arg]
    for settings, message in (
        (QuantizationSettings(method="bitsandbites"), "Did you mean bitsandbytes"),
        (QuantizationSettings(method="bitsandbytes", load_in_4bits=True), "Did you mean load_in_4bit"),  # type: ignore[call-arg]
        (QuantizationSettings(method="gptq", bits=17), "does not take these arguments"),  # type: ignore[call-arg]
        (QuantizationSettings(method="gptq"), "does not take these arguments"),
    ):
        with pytest.raises(ModelError, match=message):
            quantization_config(settings)


def test_a_models_own_code_needs_trust(base: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(base, tmp_path / "own"))
    (folder / "own.py").write_text(OWN_CODE)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own_model", "architectures": ["OwnModel"]}
    config["auto_map"] = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="trust_remote_code: true under engine"), HfEngine(folder, EngineSettings()):
        pass
    assert loaded(folder, EngineSettings(trust_remote_code=True)) == loaded(base)


def test_settings_that_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match="choose one"):
        EngineSettings(replicas=2, device_map="auto")
