"""The command line as users meet it: help that teaches and loads nothing, exit codes, errors in a sentence."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import main

ROOT = Path(__file__).resolve().parent.parent.parent
HEAVY = ("torch", "transformers", "datasets", "pydantic", "msgspec", "rich", "yaml", "numpy", "pipeline", "steps")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "main.py"), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
    )


def test_the_help_teaches() -> None:
    done = run("--help")
    assert done.returncode == 0
    for word in (*main.COMMANDS, "LoRA", "examples:", "exit codes:", "--set", "yamls/demo.yaml"):
        assert word in done.stdout


@pytest.mark.parametrize("command", main.COMMANDS)
def test_each_command_has_help_with_an_example_that_parses(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    example = done.stdout.split("example:\n")[1].strip()
    prefix, words = shlex.split(example)[:2], shlex.split(example)[2:]
    assert prefix == ["python", "main.py"]
    assert main.build_parser().parse_args(words).command == command


def test_examples_of_the_main_help_parse() -> None:
    for line in main.EPILOG.split("exit codes:")[0].splitlines():
        command = line.split("   ")[0].strip()
        if command.startswith("python main.py"):
            main.build_parser().parse_args(shlex.split(command)[2:])


def test_importing_main_imports_nothing_of_weight() -> None:
    program = f"import sys, main; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_check_loads_neither_torch_nor_transformers_nor_datasets(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("step2: {}\nstep3: {metrics: [rouge]}\n" + f"output_dir: {tmp_path}/out\n", encoding="utf-8")
    program = (
        "import sys, main\n"
        f"code = main.main(['check', {str(path)!r}])\n"
        "print(code, [name for name in ('torch', 'transformers', 'datasets', 'peft') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines()[-1] == "0 []", done.stderr


def test_wrong_input_is_exit_code_2_and_a_sentence(tmp_path: Path) -> None:
    missing = run("check", str(tmp_path / "none.yaml"))
    assert (missing.returncode, missing.stdout) == (2, "")
    assert missing.stderr == f"error: {tmp_path}/none.yaml: no such file\n  There is no none.yaml in {tmp_path}.\n"
    assert run("stpe1", "x").returncode == 2
    assert run("gc", str(tmp_path), "--unused-for", "-1").returncode == 2
    assert run("step1", "x.yaml", "--quiet", "--verbose").returncode == 2
    path = tmp_path / "step1.yaml"
    path.write_text("output_dir: o\nmodle: m\ntasks: [x]\n", encoding="utf-8")
    faulty = run("step1", str(path))
    assert faulty.returncode == 2
    assert f"{path}:2: there is no setting `modle` in step1; did you mean model?" in faulty.stderr
    assert "Traceback" not in faulty.stderr
    assert "Traceback" in run("step1", str(path), "--debug").stderr


def test_an_unexpected_error_is_one_line(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    import tasks.listing

    def fail(pattern: str | None, include_path: list[str]) -> int:
        raise KeyError("lost")

    monkeypatch.setattr(tasks.listing, "list_tasks", fail)
    assert main.main(["tasks"]) == 1
    assert capfd.readouterr().err == "internal error: KeyError: 'lost'; run again with --debug for the traceback\n"
    assert main.main(["tasks", "--debug"]) == 1
    assert "Traceback" in capfd.readouterr().err


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, str(ROOT / "main.py"), "tasks"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, timeout=120)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"])
def test_an_interrupt_names_the_command_to_go_on(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """The step waits for a YAML file that is a pipe, which its writer has opened and leaves empty."""
    path = tmp_path / "step 1.yaml"
    os.mkfifo(path)
    process = subprocess.Popen(
        [sys.executable, "main.py", "step1", str(path), "--set", "limit=1"], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    with path.open("wb"):  # goes on when the step has opened it
        time.sleep(0.2)
        process.send_signal(number)
        _, error = process.communicate(timeout=60)
    assert process.returncode == code
    again = f"python main.py step1 '{path}' --set limit=1"
    assert error == f"interrupted; nothing finished is lost. Go on with: {again}\n"
