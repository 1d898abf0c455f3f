"""Step 1 ended at random moments: nothing that was committed is asked again, and the views come out the same."""

import json
import math
import random
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from pipeline.memo import Memo
from tests.project import Project, gsm8k_item, write_lines

QUESTIONS = 160


@pytest.fixture
def long_project(project: Project) -> Project:
    """A run whose step 1 takes some seconds beside loading: long answers, small batches."""
    write_lines(project.folder / "data" / "test.jsonl", [gsm8k_item(number) for number in range(QUESTIONS)])
    project.settings["step1"]["generation_override"] = {"max_gen_toks": 24}
    project.settings["step1"]["engine"] |= {"max_batch_size": 4}
    project.write_settings()
    return project


def committed(project: Project) -> set[str]:
    """The keys that the memo holds."""
    with Memo(project.folder / "output" / ".memo") as memo:
        return {row[0].lower() for row in memo._reader.execute("SELECT hex(key) FROM calls")}


def assert_same(one, two):
    """Equal in every field; floats within 1e-5 a token (log-probabilities of a few tokens each)."""
    if isinstance(one, float) and isinstance(two, float):
        assert math.isclose(one, two, abs_tol=2e-4), (one, two)
    elif isinstance(one, dict):
        assert one.keys() == two.keys()
        for name in one:
            assert_same(one[name], two[name])
    elif isinstance(one, list):
        assert len(one) == len(two)
        for item, other in zip(one, two, strict=True):
            assert_same(item, other)
    else:
        assert one == two


def undisturbed(project: Project):
    """The views of a run that nothing interrupts, in a folder and with a memo of its own."""
    project.run("step1", "run.yaml", "--set", "output_dir=calm/run")
    return {
        path.relative_to(project.folder / "calm/run"): path.read_text(encoding="utf-8")
        for path in sorted((project.folder / "calm/run").glob("*/*/step1_generation.jsonl"))
    }


def kill_at_random_moments(project: Project, times: int) -> set[str]:
    """Start step 1 and kill it, `times` times; the keys that were committed at one of the ends.

    Every third kill comes while the process starts or loads, the others at some moment after its first answer.
    """
    moments = random.Random(7)
    known: set[str] = set()
    asked_before = 0
    for number in range(times):
        process = project.popen("step1", "run.yaml", "--verbose")
        if number % 3 != 0:
            wait_until(lambda: len(project.answered()) > asked_before or process.poll() is not None)  # noqa: B023
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=moments.uniform(0.0, 2.0))
        process.kill()
        process.communicate()
        answered = project.answered()
        repeated = set(answered[asked_before:]) & known
        assert not repeated, "a committed call was asked again"
        asked_before = len(answered)
        known |= committed(project)
    return known


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)


def check_kills(project: Project, times: int) -> None:
    calm = undisturbed(project)
    known = kill_at_random_moments(project, times)
    assert known, "every kill came before the first answer: the moments are too early"
    before = len(project.answered())
    project.run("step1", "run.yaml", "--verbose")
    assert not set(project.answered()[before:]) & known
    lost = len(project.answered()) - len(set(project.answered()))
    assert lost <= times * 40, "more was lost than what was in flight at each kill"
    for path, text in calm.items():
        rows = (project.folder / "output/run" / path).read_text(encoding="utf-8")
        assert_same([json.loads(line) for line in text.splitlines()], [json.loads(line) for line in rows.splitlines()])


def test_killed_three_times(long_project):
    check_kills(long_project, times=3)


@pytest.mark.slow
def test_killed_twenty_times(long_project):
    check_kills(long_project, times=20)


@pytest.mark.parametrize(("how", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_end_by_signal_names_the_command_to_go_on(long_project, how, code):
    process = long_project.popen("step1", "run.yaml", "--verbose")
    wait_until(lambda: bool(long_project.answered()))
    process.send_signal(how)
    _, error = process.communicate(timeout=30)  # a pod's grace period
    assert process.returncode == code
    assert "step1 run.yaml" in error.strip().splitlines()[-1]
    answered = set(long_project.answered())
    assert committed(long_project) >= answered, "an end by signal loses nothing that was answered"
    long_project.run("step1", "run.yaml", "--verbose")
    assert len(long_project.answered()) == len(set(long_project.answered()))


def test_two_processes_share_the_work(long_project):
    processes = [long_project.popen("step1", "run.yaml", "--verbose") for _ in range(2)]
    wait_until(lambda: bool(long_project.answered()))
    other = long_project.write_settings("other.yaml", step1={"limit": 3})
    error = long_project.run("step1", str(other), expect=2).stderr
    assert "another process works on this folder with another configuration" in error
    for process in processes:
        _, error = process.communicate(timeout=120)
        assert process.returncode == 0, error
    answered = long_project.answered()
    assert len(answered) == len(set(answered)) == 3 * (QUESTIONS + 8 + 6)
    log = (long_project.folder / "output/run/run.log").read_text()
    writers = {line.split(" ")[2] for line in log.splitlines() if ": answered " in line}
    assert len(writers) == 2
    state = [line for line in long_project.run("status", "run.yaml").stdout.splitlines() if line.startswith("step1")]
    assert state
    assert all("fresh" in line for line in state), state
