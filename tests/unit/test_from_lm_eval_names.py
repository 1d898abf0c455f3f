"""`from-lm-eval`: names that lm_eval does not have are told with the nearest ones, and the run file is printed anyway."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from migration.from_lm_eval import from_lm_eval

ROOT = Path(__file__).resolve().parents[2]
LINE = "lm_eval --model hf --model_args pretrained=m"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    for name in ("mine", "minuet"):
        text = f"task: {name}\ndataset_path: json\ntest_split: test\ndoc_to_text: q\ndoc_to_target: a\n"
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def translated(words: str, capsys: pytest.CaptureFixture[str]) -> tuple[list[str], list[str]]:
    """The entries of the run file, and the warnings."""
    assert from_lm_eval(shlex.split(f"{LINE} {words}"), None) == 0
    said = capsys.readouterr()
    warnings = [line for line in said.err.splitlines() if line.startswith("warning: ")]
    return yaml.safe_load(said.out)["step1"]["tasks"], warnings


def test_a_misspelt_name_is_told_with_the_nearest_ones(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("lm_eval")
    entries, warnings = translated(f"--tasks gsm8kk,hellaswag,mmlu,minet,mine --include_path {own}", capsys)
    assert entries == ["lm_eval:gsm8kk", "lm_eval:hellaswag", "lm_eval:mmlu", "lm_eval:minet", "mine"]
    assert [line.partition(";")[0] for line in warnings] == [
        f"warning: --tasks {name}: lm_eval has no task, group or tag of that name" for name in ("gsm8kk", "minet")
    ]
    assert "did you mean gsm8k or " in warnings[0]
    assert "mine" in warnings[1].partition(";")[2]
    assert "minuet" in warnings[1]


def test_a_pattern_that_fits_nothing_of_lm_eval_s(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("lm_eval")
    entries, warnings = translated(f"--tasks minu*,hellas*,zzz* --include_path {own}", capsys)
    assert entries == ["minuet", "lm_eval:hellas*", "lm_eval:zzz*"]  # `lm_eval:minu*` would be refused by the run
    assert warnings == [
        "warning: --tasks zzz*: lm_eval has no task, group or tag that fits this pattern;"
        " list all: python main.py tasks lm_eval:"
    ]


def test_where_lm_eval_is_not_installed_names_are_not_checked_which_is_said() -> None:
    program = "import sys; sys.modules['lm_eval'] = None; import main; sys.exit(main.main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "from-lm-eval", "--", *shlex.split(f"{LINE} --tasks gsm8kk")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    assert "- lm_eval:gsm8kk" in done.stdout
    assert "lm_eval is not installed here: whether it has these tasks was not checked" in done.stderr
