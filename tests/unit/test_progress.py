"""What is said while work goes on: lines where nobody watches, a live line on a terminal, silence with --quiet; the log."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import console
from pipeline.errors import InputError, StorageError
from pipeline.progress import Progress, duration
from pipeline.run_log import run_log

ENTRY = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (INFO|WARNING|DEBUG|ERROR) (\d+): (.*)")


@pytest.fixture(autouse=True)
def _normal_verbosity() -> Iterator[None]:
    yield
    console.set_verbosity("normal")


def test_plain_lines_come_while_nothing_advances(capfd: pytest.CaptureFixture[str]) -> None:
    printed = threading.Event()
    progress = Progress("work", 40, live=False, line_every_s=0.05)
    with console.logging_to(lambda level, text: printed.set()), progress:
        progress.advance(10, tokens=250)
        assert printed.wait(30)
    line = capfd.readouterr().err.splitlines()[0]
    assert re.fullmatch(r"work: 10/40 rows \(25%\), [\d.,e+]+ rows/s, [\d.,e+]+ tokens/s, [\d.]+ s left", line)


def test_the_last_line_is_of_the_whole(capfd: pytest.CaptureFixture[str]) -> None:
    with Progress("work", 40, "documents", live=False) as progress:
        progress.advance(40, tokens=250)
        time.sleep(1.1)
    line = capfd.readouterr().err.splitlines()[-1]
    assert re.fullmatch(r"work: 40 documents in [\d.]+ s \([\d.]+ documents/s, [\d.]+ tokens/s\)", line)


def test_an_end_by_error_is_told_as_one(capfd: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(ZeroDivisionError), Progress("work", 3, "documents", live=False) as progress:
        progress.advance()
        raise ZeroDivisionError
    assert capfd.readouterr().err.startswith("work: stopped at 1/3 documents (33%) in ")


def test_quiet_prints_nothing_but_the_log_knows(capfd: pytest.CaptureFixture[str]) -> None:
    console.set_verbosity("quiet")
    logged: list[str] = []
    with console.logging_to(lambda level, text: logged.append(f"{level} {text}")):
        with Progress("work", None) as progress:
            progress.note("a note")
        console.say("said")
        console.warn("careful")
        console.detail("detail")
        console.show("the answer")
    assert tuple(capfd.readouterr()) == ("the answer\n", "")
    assert logged == ["INFO a note", "INFO said", "WARNING careful"]


def test_details_are_for_verbose_alone(capfd: pytest.CaptureFixture[str]) -> None:
    console.detail("hidden")
    console.set_verbosity("verbose")
    console.detail("shown")
    assert capfd.readouterr().err == "shown\n"


def test_on_a_terminal_notes_stand_above_the_live_line() -> None:
    """In a process of its own, on a real terminal: what remains is the notes and the last line."""
    program = (
        "import time\n"
        "from pipeline.console import say\n"
        "from pipeline.progress import Progress\n"
        "with Progress('work', 4) as progress:\n"
        "    progress.advance(2, tokens=8)\n"
        "    time.sleep(1.1)\n"
        "    progress.note('a [bold]note[/bold]')\n"
        "    say('said')\n"
        "    progress.advance(2)\n"
    )
    main, side = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen([sys.executable, "-c", program], stderr=side, env=environment)
    os.close(side)
    received = b""
    try:
        while part := os.read(main, 65536):
            received += part
    except OSError:  # Linux says so when the other end is closed
        pass
    assert process.wait() == 0
    os.close(main)
    text = received.decode()
    assert "2/4 rows (50%)" in text
    assert "━" in text
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "")
    assert "a [bold]note[/bold]\n" in plain
    assert "said\n" in plain
    assert plain.rstrip().splitlines()[-1].lstrip().startswith("work: 4 rows in ")
    assert text.endswith("\n")
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l"), "the cursor is shown again"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def entries(folder: Path) -> list[str]:
    """`LEVEL message` of each line; every line must be whole."""
    matches = [ENTRY.fullmatch(line) for line in (folder / "run.log").read_text(encoding="utf-8").splitlines()]
    assert all(matches)
    return [f"{match[1]} {match[3]}" for match in matches if match]


def test_the_log_tells_start_notes_and_end(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with run_log(tmp_path / "run"):
        console.say("a note")
        console.detail("for verbose alone")
    with contextlib.suppress(InputError), run_log(tmp_path / "run"):
        console.set_verbosity("verbose")
        console.log_detail("for the log alone")
        raise InputError("no such thing")
    text = (tmp_path / "run" / "run.log").read_text(encoding="utf-8")
    assert "no such thing\n    ended after " in text, "further lines of an entry are indented"
    first, note, ended, again, trace, error = entries_of(text)
    assert first.startswith("INFO started: ")
    assert "python 3." in first
    assert note == "INFO a note"
    assert ended.startswith("INFO ended after ")
    assert again == first
    assert trace == "DEBUG for the log alone"
    assert error == "ERROR no such thing"
    assert capfd.readouterr().err == "a note\n"


def test_warnings_before_the_log_opens_stand_in_it_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    console.warn("of another command")
    console.set_verbosity("quiet")
    with console.keeping_warnings():
        console.warn("too early\nand long")
        console.say("of no lasting worth")
        for _ in range(2):
            with run_log(tmp_path):
                console.warn("in time")
    with run_log(tmp_path):
        console.say("a later command")
    text = (tmp_path / "run.log").read_text(encoding="utf-8")
    started, *rest = entries_of(text)
    assert [entry for entry in rest if entry != started and not entry.startswith("INFO ended")] == [
        "WARNING too early", "WARNING in time", "WARNING in time", "INFO a later command",
    ]  # fmt: skip
    assert "too early\n    and long\n" in text
    assert capfd.readouterr().err == "warning: of another command\n"


def entries_of(text: str) -> list[str]:
    return [f"{match[1]} {match[3]}" for line in text.splitlines() if (match := ENTRY.fullmatch(line))]


def test_an_unexpected_error_leaves_its_traceback(tmp_path: Path) -> None:
    with pytest.raises(KeyError), run_log(tmp_path):
        raise KeyError("lost")
    text = (tmp_path / "run.log").read_text(encoding="utf-8")
    assert "Traceback" in text
    assert "KeyError: 'lost'" in text


def test_several_processes_write_whole_lines(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from pipeline import console; from pipeline.run_log import run_log\n"
        "console.set_verbosity('quiet')\n"
        "with run_log(Path(sys.argv[1])):\n"
        "    for number in range(300): console.say(f'{number} ' + 'x' * 500)\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path)]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert len(entries(tmp_path)) == 3 * 302


def test_a_log_that_cannot_be_written_is_a_warning(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.log").mkdir()
    with run_log(tmp_path):
        console.say("going on")
    warning, note = capfd.readouterr().err.splitlines()
    assert "run.log cannot be written (Is a directory); the run goes on without a log" in warning
    assert note == "going on"


def test_a_full_disk_silences_the_log_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.log").symlink_to("/dev/full")
    with run_log(tmp_path):
        console.say("going on")
    lines = capfd.readouterr().err.splitlines()
    assert [line for line in lines if "No space left" in line] == lines[:1]
    assert lines[1:] == ["going on"]


def test_a_folder_that_takes_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="nothing can be written"), run_log(tmp_path / "file" / "run"):
        pass
