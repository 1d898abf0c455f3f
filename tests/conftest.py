"""Fixtures that several folders share: small models made once, projects to run whole steps on."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.console import set_verbosity
from tests.project import Project, make_project, project_settings
from tests.tiny_models import make_adapter, make_base

# Processes that the tests start hear signals also where whoever runs the tests, in the background say, ignores them.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
# Python code that comes with test models is copied to a folder of this process, not to the user's cache.
os.environ["HF_MODULES_CACHE"] = tempfile.mkdtemp(prefix="modules-")
# So is the index of task files.
os.environ["LLM_EVALUATION_CACHE"] = tempfile.mkdtemp(prefix="index-")


def pytest_unconfigure() -> None:
    for variable in ("HF_MODULES_CACHE", "LLM_EVALUATION_CACHE"):
        shutil.rmtree(os.environ[variable], ignore_errors=True)


@pytest.fixture(autouse=True)
def usual_verbosity() -> Iterator[None]:
    """What a command says does not depend on the test before it, which may have asked for --quiet."""
    yield
    set_verbosity("normal")


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base and two adapters."""
    folder = tmp_path_factory.mktemp("models")
    base = make_base(folder / "base")
    make_adapter(base, folder / "sft" / "checkpoint-100", seed=1, step=100, optimizer=True)
    make_adapter(base, folder / "sft" / "checkpoint-200", seed=2, step=200)
    return folder


@pytest.fixture
def project(tmp_path: Path, models: Path) -> Project:
    """Models, data in three forms and a run over all of them."""
    return make_project(tmp_path, models)


@pytest.fixture(scope="session")
def finished_folder(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Path:
    """The folder of a project whose four steps have run once."""
    project = make_project(tmp_path_factory.mktemp("finished"), models)
    project.run("all", str(project.write_settings()), "--verbose")
    return project.folder


@pytest.fixture
def finished(tmp_path: Path, finished_folder: Path, models: Path) -> Project:
    """A copy of a finished project, to change and run again. Its log starts empty."""
    shutil.copytree(finished_folder, tmp_path / "project")
    project = Project(tmp_path / "project", project_settings())
    (project.folder / "output" / "run" / "run.log").unlink()
    return project
