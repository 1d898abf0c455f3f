"""Several chat templates of one tokenizer: read from its files, chosen by name, and part of what a key holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.chat_templates import chat_templates, chosen_template
from models.factory import open_engine
from models.identity import tokenizer_fingerprint
from models.tokens import PromptEncoder
from pipeline.config import EngineSettings
from pipeline.errors import ModelError
from pipeline.requests import GenerateRequest, GenerateResult, GenerationSettings, Message
from tests.project import Project
from tests.tiny_models import CHAT_TEMPLATE, add_chat_template, make_base, make_tokenizer

SHORT = (
    "{% for message in messages %}[{{ message['role'] }}] {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
DIALOGUE: list[Message] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_tokenizer(tmp_path_factory.mktemp("templates") / "tokenizer")
    add_chat_template(folder, "short", SHORT)
    return folder


def test_templates_are_read_as_transformers_reads_them(folder: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    expected = {"default": CHAT_TEMPLATE, "short": SHORT}
    assert (folder / "additional_chat_templates/short.jinja").exists()
    assert chat_templates(folder) == expected
    listed = [{"name": name, "template": text} for name, text in expected.items()]
    for number, value in enumerate((listed, expected)):  # as older versions wrote them
        old = make_tokenizer(tmp_path / str(number), chat_template=False)
        config = json.loads((old / "tokenizer_config.json").read_text())
        (old / "tokenizer_config.json").write_text(json.dumps(config | {"chat_template": value}))
        assert chat_templates(old) == AutoTokenizer.from_pretrained(old).chat_template == expected


def test_a_single_template_is_the_default(tmp_path: Path) -> None:
    folder = make_tokenizer(tmp_path / "one")
    assert chat_templates(folder) == {"default": CHAT_TEMPLATE}
    assert chat_templates(make_tokenizer(tmp_path / "none", chat_template=False)) == {}


def test_an_unknown_name_lists_the_names_there_are(folder: Path) -> None:
    with pytest.raises(ModelError, match="no chat template called 'shrt'") as caught:
        chosen_template(folder, "shrt")
    assert "default, short" in str(caught.value)


def test_the_chosen_template_renders(folder: Path) -> None:
    text, special = PromptEncoder(folder, add_bos=None, template_name="short").render(DIALOGUE)
    assert (text, special) == ("[system] Be brief.\n[user] Hi\n[assistant]", False)
    text, _ = PromptEncoder(folder, add_bos=None).render(DIALOGUE)
    assert text.startswith("<s><|im_start|>system")


def test_the_chosen_template_counts_in_the_fingerprint(folder: Path) -> None:
    whole, default = tokenizer_fingerprint(folder), tokenizer_fingerprint(folder, template_name="default")
    short = tokenizer_fingerprint(folder, template_name="short")
    assert len({whole, default, short}) == 3
    path = folder / "additional_chat_templates/short.jinja"
    path.write_text(SHORT + " ")
    try:
        assert tokenizer_fingerprint(folder, template_name="short") != short
        assert tokenizer_fingerprint(folder, template_name="default") == default
        assert tokenizer_fingerprint(folder) != whole
    finally:
        path.write_text(SHORT)


def test_rendering_equals_lm_evals_under_the_template_it_selects(folder: Path, base_with_templates: Path) -> None:
    """lm_eval 0.4.13 records the template of the name and renders by the default: it is given what it selected."""
    huggingface = pytest.importorskip("lm_eval.models.huggingface")
    harness = huggingface.HFLM(pretrained=str(base_with_templates), device="cpu", dtype="float32")
    harness.tokenizer.chat_template = harness.chat_template("short")
    expected = harness.apply_chat_template(list(DIALOGUE))
    assert expected == PromptEncoder(base_with_templates, add_bos=None, template_name="short").render(DIALOGUE)[0]


@pytest.fixture(scope="module")
def base_with_templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = make_base(tmp_path_factory.mktemp("base") / "base")
    add_chat_template(base, "short", SHORT)
    return base


def generated(base: Path, prompt: Any, **options: Any) -> str:
    """A text by greedy decoding; a plain prompt gets no BOS, as a rendered dialogue gets none of the tokenizer's."""
    request = GenerateRequest(key="a", prompt=prompt, generation=GenerationSettings(max_gen_toks=8))
    with open_engine(EngineSettings(add_bos_token=False), base, **options) as engine:
        (result,) = engine.generate([request])
    assert isinstance(result, GenerateResult)
    return result.text


def test_the_engine_uses_the_template_of_the_name(base_with_templates: Path) -> None:
    expected = generated(base_with_templates, "[system] Be brief.\n[user] Hi\n[assistant]")
    assert generated(base_with_templates, DIALOGUE, template_name="short") == expected
    assert generated(base_with_templates, DIALOGUE) != expected


@pytest.mark.slow
def test_a_run_that_names_a_template(project: Project) -> None:
    add_chat_template(project.folder / "models/base", "short", SHORT)
    step1 = {
        "adapters": [],
        "tasks": [{"name": "blimp_causative", "data_dir": "data", "limit": 2}],
        "apply_chat_template": "shrt",
    }
    path = str(project.write_settings(step1=step1))
    said = project.run("check", path, expect=2).stderr
    assert "run.yaml:" in said
    assert "no chat template called 'shrt'" in said
    assert "default, short" in said
    path = str(project.write_settings(step1=step1 | {"apply_chat_template": "short"}))
    project.run("step1", path, "--verbose")
    assert len(set(project.answered())) == 2
    (rows,) = project.views(step=1).values()
    assert rows[0]["prompt"][-1]["role"] == "user"
    path = str(project.write_settings(step1=step1 | {"apply_chat_template": "default"}))
    assert "tokenizer" in project.run("status", path).stdout
    project.run("step1", path, "--verbose")
    assert len(set(project.answered())) == 4
    path = str(project.write_settings(step1=step1 | {"apply_chat_template": "short", "chat_template": "x.jinja"}))
    assert "choose one" in project.run("check", path, expect=2).stderr
