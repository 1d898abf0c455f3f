"""The tables of `from-lm-eval` against lm_eval itself: its parser, its configuration, the signatures of its models."""

from __future__ import annotations

import argparse
import ast
import importlib.util
import inspect
from pathlib import Path
from typing import Any

import pytest

from migration.command import SUBCOMMANDS
from migration.flags import FLAGS
from migration.model_args import HF_ARGUMENTS
from migration.model_translation import ARGUMENT_TRANSLATIONS
from migration.models import MODEL_TYPES
from migration.table import Option
from migration.translation import TRANSLATIONS
from migration.values import DEFAULT_SEEDS, mapping, names, samples, seeds
from pipeline.config import Step1Settings

pytest.importorskip("lm_eval")
REGISTER = "register_model"  # the decorator that names a model type


def parsers() -> dict[str, argparse.ArgumentParser]:
    from lm_eval._cli.harness import HarnessCLI

    return dict(HarnessCLI()._subparsers.choices)


def flags_of(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    return {action.dest: action for action in parser._actions if action.dest != "help"}


def test_every_subcommand_is_known() -> None:
    assert set(parsers()) == set(SUBCOMMANDS)


def test_every_flag_has_a_row_with_its_spellings_and_its_number_of_values() -> None:
    actual = flags_of(parsers()["run"])
    assert set(actual) == set(FLAGS)
    for name, action in actual.items():
        row = FLAGS[name]
        spellings = {f"--{name}", *([f"-{row.short}"] if row.short else [])}
        assert set(action.option_strings) == spellings, name
        wanted = {"mapping": "+", "names": "+", "optional_text": "?", "optional_yes_no": "?", "switch": 0}
        assert action.nargs == wanted.get(row.kind), name


def test_flags_of_the_other_subcommands_are_read_too() -> None:
    for name in ("ls", "validate"):
        assert set(flags_of(parsers()[name])) - {"what"} <= set(FLAGS)


def test_every_key_of_a_config_file_is_a_flag() -> None:
    from lm_eval.config.evaluate_config import DEFAULT_SEED, EvaluatorConfig

    assert set(EvaluatorConfig.__dataclass_fields__) <= set(FLAGS)
    assert tuple(DEFAULT_SEED) == DEFAULT_SEEDS


def test_the_seeds_here_are_by_default_those_of_lm_eval() -> None:
    fields = Step1Settings.model_fields
    assert (
        tuple(fields[name].default for name in ("python_seed", "numpy_seed", "seed", "fewshot_seed")) == DEFAULT_SEEDS
    )


@pytest.fixture(scope="module")
def classes() -> dict[str, tuple[list[str], list[str], list[str]]]:
    """Of each class of lm_eval.models: its bases, its parameters, the model types that it is registered for."""
    spec = importlib.util.find_spec("lm_eval")
    assert spec is not None
    assert spec.origin is not None
    found = {}
    for path in sorted((Path(spec.origin).parent / "models").glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                found[node.name] = ([ast.unparse(base) for base in node.bases], parameters(node), registered(node))
    return found


def parameters(node: ast.ClassDef) -> list[str]:
    for one in node.body:
        if isinstance(one, ast.FunctionDef) and one.name == "__init__":
            return [argument.arg for argument in [*one.args.args, *one.args.kwonlyargs] if argument.arg != "self"]
    return []


def registered(node: ast.ClassDef) -> list[str]:
    calls = [one for one in node.decorator_list if isinstance(one, ast.Call) and ast.unparse(one.func) == REGISTER]
    return [argument.value for call in calls for argument in call.args if isinstance(argument, ast.Constant)]


def test_every_model_type_has_a_row(classes: dict[str, Any]) -> None:
    from lm_eval.models import MODEL_MAPPING

    types = {name for _, _, names in classes.values() for name in names}
    assert len(types) > 30
    assert set(MODEL_MAPPING) | types == set(MODEL_TYPES)


def test_every_argument_of_every_model_type_has_a_row(classes: dict[str, Any]) -> None:
    missing = []
    for name, (_, _, types) in classes.items():
        for kind in types:
            known = {option.name for option in MODEL_TYPES[kind].arguments} | set(HF_ARGUMENTS)
            missing += [f"{kind}: {one}" for one in inherited(name, classes) if one not in known]
    assert missing == []


def inherited(name: str, classes: dict[str, Any]) -> set[str]:
    if name not in classes:
        return set()
    bases, own, _ = classes[name]
    return set(own).union(*(inherited(base, classes) for base in bases))


def test_the_arguments_of_hf_are_those_of_its_class() -> None:
    from lm_eval.models.huggingface import HFLM

    signature = inspect.signature(HFLM.__init__).parameters.values()
    actual = {one.name for one in signature if one.kind is not inspect.Parameter.VAR_KEYWORD} - {"self"}
    assert len(actual) > 25
    assert actual <= set(HF_ARGUMENTS)


def acted_on(option: Option, handlers: dict[str, Any]) -> bool:
    return option.status == "refused" or bool(option.setting) or option.name in handlers


def test_no_row_is_without_effect() -> None:
    assert [name for name, row in FLAGS.items() if not acted_on(row, {**TRANSLATIONS, "config": None})] == []
    assert [name for name, row in HF_ARGUMENTS.items() if not acted_on(row, dict(ARGUMENT_TRANSLATIONS))] == []
    rows = [*FLAGS.values(), *HF_ARGUMENTS.values()]
    assert [row.name for row in rows if row.status == "refused" and not row.note] == []


PAIRS: list[list[str]] = [
    ["pretrained=a/b,dtype=float32"],
    ["pretrained=a", "revision=main", "n=3"],
    ["temperature=0.8,top_p=1e-1,do_sample=True,x=false"],
    ['until=["a,b","\\n\\n"],max_gen_toks=32'],
    ["a=[1, 'x,y'],b=(1,2)"],
    ['{"pretrained": "m", "chat_template_args": {"reasoning_effort": "low"}, "enable_thinking": true}'],
    ["a=1,,b=2,"],
    ["a=None,b=none,c=x=y"],
]


@pytest.mark.parametrize("words", PAIRS, ids=str)
def test_pairs_are_read_as_there(words: list[str]) -> None:
    from lm_eval._cli.utils import MergeDictAction

    parser = argparse.ArgumentParser()
    parser.add_argument("--x", nargs="+", action=MergeDictAction)
    assert mapping(words) == parser.parse_args(["--x", *words]).x


@pytest.mark.parametrize("text", ["42", "0,None,8,52", "1,2,3", "none", " 1 , 2 , 3 , 4 "])
def test_seeds_are_read_as_there(text: str) -> None:
    from lm_eval._cli.utils import _int_or_none_list_arg_type

    assert seeds(text) == _int_or_none_list_arg_type(3, 4, "0,1234,1234,1234", text)


def test_names_and_samples_are_read_as_there(tmp_path: Path) -> None:
    from lm_eval._cli.utils import SplitArgs

    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", nargs="+", action=SplitArgs)
    assert names(["a,b", "c"]) == parser.parse_args(["--tasks", "a,b", "c"]).tasks
    path = tmp_path / "samples.json"
    path.write_text('{"gsm8k": [0, 3]}')
    assert samples(str(path)) == samples('{"gsm8k": [0, 3]}') == {"gsm8k": [0, 3]}


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        (seeds, "1,2", "one seed is expected or four"),
        (seeds, "a", "'a' is no whole number"),
        (samples, '{"a": 3}', "document indices"),
        (samples, "gone.json", r"gone\.json is no JSON object, and no file"),
        (mapping, ["temperature"], "key=value is expected"),
        (mapping, ['{"a": 1'], "this is no JSON"),
    ],
    ids=lambda given: given.__name__ if callable(given) else str(given),  # equal in every process
)
def test_values_that_mean_nothing_are_refused(read: Any, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(value)
