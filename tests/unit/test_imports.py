"""The house's order, read from the source: imports point one way, in no circle, and nothing heavy at start-up."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
# A package may import itself and those after it.
LAYERS = ("migration", "steps", "tasks", "models", "filters", "metrics", "stats", "reports", "training", "pipeline")
HEAVY = frozenset(
    [
        "torch",
        "transformers",
        "datasets",
        "peft",
        "sentence_transformers",
        "scipy",
        "pandas",
        "rouge_score",
        "rouge_chinese",
        "jieba",
        "sacrebleu",
        "nltk",
        "accelerate",
        "safetensors",
        "vllm",
        "lm_eval",
        "matplotlib",
    ]
)
MAIN_MAY_IMPORT = frozenset({"migration", "steps", "tasks", "pipeline"})


class Import:
    """One import statement's module, and whether it runs when the file is imported."""

    def __init__(self, module: str, at_start: bool, line: int) -> None:
        self.module, self.at_start, self.line = module, at_start, line

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


def imports(tree: ast.AST, at_start: bool = True) -> Iterator[Import]:
    """All imports of a file but those for the type checker alone."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.Import():
                yield from (Import(alias.name, at_start, node.lineno) for alias in node.names)
            case ast.ImportFrom():
                assert node.level == 0, f"line {node.lineno}: imports name their package in full"
                assert node.module is not None
                yield Import(node.module, at_start, node.lineno)
                yield from (Import(f"{node.module}.{alias.name}", at_start, node.lineno) for alias in node.names)
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield from imports(ast.Module(node.orelse, []), at_start)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                yield from imports(node, False)
            case _:
                yield from imports(node, at_start)


def files_of(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def parsed(path: Path) -> list[Import]:
    return list(imports(ast.parse(path.read_text(encoding="utf-8"))))


def project_files() -> list[Path]:
    """What runs at the user's: not tests and benchmarks, nor task code, which tasks load by themselves."""
    found = [ROOT / "main.py", *(path for package in LAYERS for path in files_of(package))]
    assert len(found) > 30
    return found


def shown(path: Path, one: Import) -> str:
    return f"{path.relative_to(ROOT)}:{one.line} imports {one.module}"


@pytest.mark.parametrize("package", LAYERS)
def test_packages_import_only_what_lies_below(package: str) -> None:
    above = set(LAYERS[: LAYERS.index(package)]) | {"main", "tests", "benchmarks", "demo"}
    assert [shown(path, one) for path in files_of(package) for one in parsed(path) if one.top in above] == []


def test_main_imports_what_it_calls_when_it_calls_it() -> None:
    own = [one for one in parsed(ROOT / "main.py") if one.top in LAYERS]
    assert {one.top for one in own} == MAIN_MAY_IMPORT
    assert {one.module for one in own if one.top == "tasks"} == {
        "tasks.configuration",
        "tasks.configuration.show_configurations",
        "tasks.listing",
        "tasks.listing.list_tasks",
    }
    assert [one.module for one in own if one.at_start] == []


def test_nothing_heavy_is_imported_at_start_up() -> None:
    heavy = [(path, one) for path in project_files() for one in parsed(path) if one.at_start and one.top in HEAVY]
    assert [shown(path, one) for path, one in heavy] == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in project_files()
    }
    graph = {
        name: {one.module for one in parsed(path) if one.at_start and one.module in modules and one.module != name}
        for name, path in modules.items()
    }
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_the_reader_of_imports_sees_what_it_should() -> None:
    source = """
import torch.nn as nn
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import pandas
else:
    import jieba
try:
    import scipy
except ImportError:
    from pipeline import rows
class A:
    import peft
    def f(self):
        from steps.run import run_step
"""
    found = {(one.module, one.at_start) for one in imports(ast.parse(source))}
    assert {("torch.nn", True), ("scipy", True), ("jieba", True), ("peft", True), ("pipeline.rows", True)} <= found
    assert ("steps.run.run_step", False) in found
    assert "pandas" not in {name for name, _ in found}
