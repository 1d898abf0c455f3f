"""All 13,986 task files of lm_eval 0.4.13 are read, found and merged as lm_eval itself does it; no data are touched.

What differs stands, with the reason, in harness_exceptions.yaml, which must name nothing else.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.errors import InputError
from tasks import members
from tasks.entries import Resolver
from tasks.index import TaskIndex
from tasks.task_config import read_config
from tasks.task_file import FunctionReference, TaskFile, read_task_file

pytest.importorskip("lm_eval")

EXCEPTIONS = yaml.safe_load((Path(__file__).parent / "harness_exceptions.yaml").read_text("utf-8"))
SAMPLED = 1000
Names = Iterable[str]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TaskIndex]:
    """The index as it is read from what a first one has kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLM_EVALUATION_CACHE", str(tmp_path_factory.mktemp("cache")))
        assert len(TaskIndex.of_harness().names) == 14_683
        yield TaskIndex.of_harness()


@pytest.fixture(scope="module")
def files() -> list[Path]:
    import lm_eval.tasks

    found = sorted(Path(lm_eval.tasks.__file__).parent.rglob("*.yaml"))
    assert len(found) == 13_986
    return found


def sampled(names: Iterable[Any], seed: int, count: int = SAMPLED) -> list[Any]:
    return random.Random(seed).sample(sorted(names), count)


def plain(value: Any) -> Any:
    """Values as lm_eval's loader gives them where it resolves no functions."""
    if isinstance(value, FunctionReference):
        return str(value.folder / value.reference)
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list) else value


def same(one: Any, two: Any) -> bool:
    """Equal with equal types: 1, 1.0 and true are three values."""
    if type(one) is not type(two):
        return False
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(value, two[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(two) and all(map(same, one, two))
    return bool(one == two)


def check_exceptions(kind: str, differing: Mapping[str, Any], checked: Names) -> None:
    """Nothing differs but what the list names, and what it names differs."""
    listed = EXCEPTIONS[kind].keys() & set(checked)
    surprises = {name: differing[name] for name in sorted(differing.keys() - listed)}
    assert not surprises, f"{len(surprises)} are not listed: {dict(list(surprises.items())[:5])}"
    assert not listed - differing.keys(), "these are as in lm_eval, and harness_exceptions.yaml says otherwise"


@cache
def of_harness(path: Path) -> Any:
    """The file as lm_eval reads it; its error where it does not."""
    from lm_eval.tasks._yaml_loader import load_yaml

    try:
        return load_yaml(path, resolve_func=False)
    except Exception as error:  # noqa: BLE001 - whatever lm_eval raises for a file is its answer
        return error


@cache
def ours(path: Path) -> TaskFile:
    return read_task_file(path)


def check_files(paths: Iterable[Path]) -> None:
    differing: dict[str, Any] = {}
    names = {f"{path.parent.relative_to(_root(path))}/{path.name}": path for path in paths}
    for name, path in names.items():
        values = plain(ours(path).values)
        expected = of_harness(path)
        if not same(values, expected):
            differing[name] = (values, expected)
    check_exceptions("files", differing, names)


def _root(path: Path) -> Path:
    return next(parent for parent in path.parents if parent.name == "tasks" and parent.parent.name == "lm_eval")


def test_a_sample_of_files_reads_as_in_lm_eval(files: list[Path]) -> None:
    check_files(sampled(files, 1))


@pytest.mark.slow
def test_every_file_reads_as_in_lm_eval(files: list[Path]) -> None:
    check_files(files)


@pytest.mark.slow
def test_the_index_has_lm_evals_names_files_and_tags(index: TaskIndex) -> None:
    import lm_eval.tasks
    from lm_eval.tasks._index import Kind
    from lm_eval.tasks._index import TaskIndex as HarnessIndex

    expected = HarnessIndex.build([Path(lm_eval.tasks.__file__).parent])
    kinds = {Kind.TASK: "task", Kind.PY_TASK: "task", Kind.GROUP: "group"}
    defined = {name: (kinds[one.kind], one.yaml_path) for name, one in expected.items() if one.kind in kinds}
    assert {name: (known[0].kind, known[0].path) for name, known in index.definitions.items()} == defined
    tags = {name: sorted(one.tags) for name, one in expected.items() if one.kind is Kind.TAG}
    assert {name: tasks for name, tasks in index.tags.items() if name not in index.definitions} == tags
    for name, one in expected.items():
        if one.kind is Kind.TASK:
            (known,) = index.definitions[name]
            metrics = one.cfg.get("metric_list")
            assert known.output_type == one.cfg.get("output_type", "generate_until")
            shown = [str(entry["metric"]).rsplit("/", 1)[-1] for entry in metrics or ()]
            assert list(known.metrics or ()) == shown, name
        elif one.kind is Kind.GROUP:
            assert index.definitions[name][0].members == len(one.cfg["task"]), name


Resolution = tuple[dict[str, Any], dict[str, Any]]  # configurations by task; (alias, members, metrics) by group


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch, index: TaskIndex) -> Callable[[str], Resolution]:
    """Resolves a name by lm_eval's factory, whose tasks are replaced by what they would be made of."""
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.tasks import _factory, manager
    from lm_eval.tasks._index import Entry, Kind

    class Recorder(ConfigurableTask):  # type: ignore[misc]
        reference = ""

        def __init__(self, config: dict[str, Any]) -> None:
            self.recorded = config

        task_name = property(lambda self: self.recorded["task"])
        config = property(lambda self: None)

    def load(path: Path, resolve_func: bool) -> dict[str, Any]:
        values = copy.copy(of_harness(path))
        if "class" in values:  # lm_eval would import and call it
            values["class"] = type("Recorder", (Recorder,), {"reference": values["class"]})
        return values  # type: ignore[no-any-return]

    monkeypatch.setattr(_factory, "ConfigurableTask", Recorder)
    monkeypatch.setattr(_factory, "load_yaml", load)
    monkeypatch.setattr(_factory, "deepcopy", copy.copy)
    tags = [Entry(name, Kind.TAG, None, tags=set(tasks)) for name, tasks in index.tags.items()]
    kinds = {"task": Kind.TASK, "group": Kind.GROUP}
    entries = [Entry(name, kinds[known[0].kind], known[0].path) for name, known in index.definitions.items()]
    tasks = manager.TaskManager(include_defaults=False)
    tasks._index = {entry.name: entry for entry in (*tags, *entries)}

    def resolve(name: str) -> Resolution:
        found = tasks.load([name])
        configurations = {task: _recorded(made.recorded) for task, made in found["tasks"].items()}
        groups = {
            group.name: (group.alias, group.child_names, [_metric(one) for one in group.aggregate_metric_list or ()])
            for group in found["groups"].values()
        }
        return configurations, groups

    return resolve


def _metric(one: Any) -> dict[str, Any]:
    return asdict(one) | {"weight_by_size": bool(one.weight_by_size)}  # which lm_eval asks for its truth alone


def _recorded(config: dict[str, Any]) -> dict[str, Any]:
    values = {key: value for key, value in config.items() if key != "metadata"}
    if "class" in values:
        values["class"] = values["class"].reference
    metadata = {key: value for key, value in config["metadata"].items() if key != "config_source"}
    return values | {"metadata": metadata}


def _resolved(resolver: Resolver, name: str) -> Resolution:
    found = resolver.resolve(f"lm_eval:{name}", "run.yaml:1")
    configurations = {}
    for task, file in found.files.items():
        metadata = file.values.get("metadata", {})
        form = metadata if isinstance(metadata, dict) else {"_metadata": metadata}  # as lm_eval keeps it
        configurations[task] = plain(file.values | {"metadata": form})
    groups = {
        group.name: (group.alias, list(group.members), [dict(one) for one in group.metrics])
        for group in found.groups.values()
    }
    return configurations, groups


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch, index: TaskIndex) -> Resolver:
    monkeypatch.setattr(members, "read_task_file", ours)
    monkeypatch.setattr(TaskIndex, "of_harness", lambda where="": index)
    return Resolver(index)


def check_names(resolver: Resolver, harness: Callable[[str], Resolution], names: Names) -> None:
    differing: dict[str, Any] = {}
    for name in names:
        try:
            found: Any = _resolved(resolver, name)
        except InputError as error:
            found = str(error)
        try:
            expected: Any = harness(name)
        except Exception as error:  # noqa: BLE001 - as above
            expected = repr(error)
        if not (isinstance(found, tuple) and isinstance(expected, tuple) and _agree(found, expected)):
            differing[name] = _difference(found, expected)
    check_exceptions("names", differing, names)


def _agree(found: Resolution, expected: Resolution) -> bool:
    return same(found[0], expected[0]) and found[1] == expected[1]


def _difference(found: Any, expected: Any) -> Any:
    """What a failed test shows: not thousands of configurations."""
    if isinstance(found, str) or isinstance(expected, str):
        return found if isinstance(found, str) else list(found[0])[:5], str(expected)[:200]
    tasks = [one for one in {**found[0], **expected[0]} if not same(found[0].get(one), expected[0].get(one))]
    return tasks[:5], {one: (found[1].get(one), expected[1].get(one)) for one in found[1] | expected[1]}


def test_a_sample_of_names_resolves_as_in_lm_eval(
    resolver: Resolver, harness: Callable[[str], Resolution], index: TaskIndex
) -> None:
    check_names(resolver, harness, sampled(index.names, 2))


@pytest.mark.slow
def test_every_name_resolves_as_in_lm_eval(
    resolver: Resolver, harness: Callable[[str], Resolution], index: TaskIndex
) -> None:
    check_names(resolver, harness, index.names)


def check_configurations(resolver: Resolver, names: Names) -> None:
    differing: dict[str, Any] = {}
    for name in names:
        try:
            for file in resolver.resolve(f"lm_eval:{name}", "run.yaml:1").files.values():
                read_config(file)
        except InputError as error:
            differing[name] = str(error)
    check_exceptions("configurations", differing, names)


def test_a_sample_of_configurations_is_accepted(resolver: Resolver, index: TaskIndex) -> None:
    check_configurations(resolver, sampled(index.names, 3))


@pytest.mark.slow
def test_every_configuration_is_accepted(resolver: Resolver, index: TaskIndex) -> None:
    check_configurations(resolver, index.names)
