"""Which adapters a pattern names, in which order, under which names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.checkpoints import default_name, expand_adapters, safe_name, training_step
from pipeline.config import AdapterSettings
from pipeline.errors import InputError


def folder(path: Path, step: int | None = None) -> Path:
    path.mkdir(parents=True)
    (path / "adapter_config.json").write_text("{}")
    if step is not None:
        (path / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    return path


def test_patterns_expand_by_training_step_as_a_number(tmp_path: Path) -> None:
    for step in (1000, 200, 50):
        folder(tmp_path / "sft" / f"checkpoint-{step}")
    (tmp_path / "sft" / "checkpoint-9.log").write_text("no folder")
    (tmp_path / "sft" / "checkpoint-tmp").mkdir()
    found = expand_adapters([AdapterSettings(path=str(tmp_path / "sft" / "checkpoint-*"))])
    assert [(one.name, one.step) for one in found] == [
        ("sft__checkpoint-50", 50),
        ("sft__checkpoint-200", 200),
        ("sft__checkpoint-1000", 1000),
    ]


def test_the_trainers_own_step_wins_over_the_folders_name(tmp_path: Path) -> None:
    assert training_step(folder(tmp_path / "checkpoint-7", step=30)) == 30
    assert training_step(folder(tmp_path / "checkpoint-8")) == 8
    assert training_step(folder(tmp_path / "final")) is None
    broken = folder(tmp_path / "checkpoint-9")
    (broken / "trainer_state.json").write_text('{"global_st')
    assert training_step(broken) == 9


def test_names_do_not_depend_on_how_the_path_is_written() -> None:
    assert default_name(Path("out/sft/checkpoint-5/")) == "sft__checkpoint-5"
    assert default_name(Path("../sft/checkpoint-5")) == "sft__checkpoint-5"
    assert default_name(Path("./a/../sft/checkpoint-5")) == "sft__checkpoint-5"
    assert default_name(Path("../lora")) == "lora"


def test_names_fit_every_file_system() -> None:
    assert safe_name("qwen:7b/a*") == "qwen_7b_a_"
    assert safe_name(" .hidden. ") == "_hidden_"
    long, other = safe_name("x" * 150), safe_name("x" * 151)
    assert len(long) == len(other) == 100
    assert long != other


def test_two_models_of_one_name_show_the_name_to_add(tmp_path: Path) -> None:
    one, two = folder(tmp_path / "a" / "run" / "ckpt"), folder(tmp_path / "b" / "run" / "CKPT")
    with pytest.raises(InputError) as caught:
        expand_adapters([AdapterSettings(path=str(one)), AdapterSettings(path=str(two))])
    assert f"{{path: {two}, name: run__CKPT-2}}" in str(caught.value)
    named = expand_adapters([AdapterSettings(path=str(one)), AdapterSettings(path=str(two), name="second")])
    assert [one.name for one in named] == ["run__ckpt", "second"]


def test_the_bases_name_is_taken(tmp_path: Path) -> None:
    one = folder(tmp_path / "lora")
    with pytest.raises(InputError, match="the base model"):
        expand_adapters([AdapterSettings(path=str(one), name="Base")])
    assert expand_adapters([AdapterSettings(path=str(one), name="Base")], base_name="qwen")[0].name == "Base"


def test_one_name_for_a_pattern_of_several(tmp_path: Path) -> None:
    folder(tmp_path / "checkpoint-1")
    folder(tmp_path / "checkpoint-2")
    with pytest.raises(InputError, match="leave its name out"):
        expand_adapters([AdapterSettings(path=str(tmp_path / "checkpoint-*"), name="mine")])


def test_the_same_adapter_twice(tmp_path: Path) -> None:
    one = folder(tmp_path / "run" / "checkpoint-1")
    with pytest.raises(InputError, match="given twice"):
        expand_adapters([AdapterSettings(path=str(one)), AdapterSettings(path=str(one.parent / "*"))])


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"checkpoint-\*' matches no adapter folder"):
        expand_adapters([AdapterSettings(path=str(tmp_path / "checkpoint-*"))])
    (tmp_path / "checkpoint-3").mkdir()
    with pytest.raises(InputError, match=r"which has no adapter_config\.json"):
        expand_adapters([AdapterSettings(path=str(tmp_path / "checkpoint-*"))])
    with pytest.raises(InputError, match="there is no adapter folder"):
        expand_adapters([AdapterSettings(path=str(tmp_path / "lora"))])
