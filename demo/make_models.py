"""Make the demo's models: a base with tokenizer, LoRA checkpoints of it, an embedding and a reward model.

    python -m demo.make_models                  # into output/demo-models, about two minutes on 2 cores
    python -m demo.make_models --quick --out F  # a few steps of each, for tests: models that run, and know little

Needs no network and no GPU. What is there already, made by the same code and settings, is kept.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

from demo.plan import FULL, PARTS, QUICK, Plan, make_part

SOURCES = Path(__file__).parent
_AT_ONCE = 2
_LIBRARIES = ("torch", "transformers", "tokenizers", "peft")


def main() -> None:
    """Make what is missing, and say how long it took."""
    options = _options()
    plan = QUICK if options.quick else FULL
    started = time.monotonic()
    options.out.mkdir(parents=True, exist_ok=True)
    missing = [name for name in PARTS if not is_made(options.out, name, plan)]
    if "base" in missing:  # whatever starts from the base starts anew
        missing = [name for name in PARTS if name in missing or PARTS[name] == "base"]
    if not missing:
        print(f"The demo's models are in {options.out}: nothing to do.")
        return
    print(f"Training the demo's models ({', '.join(missing)}); this takes about two minutes on 2 cores.", flush=True)
    make(options.out, missing, plan)
    print(f"The demo's models are in {options.out} ({time.monotonic() - started:.0f} s).")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo.make_models", description="Make the demo's models.")
    parser.add_argument("--out", type=Path, default=Path("output/demo-models"), help="where (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="train each for a few steps only, for tests")
    return parser.parse_args()


def make(out: Path, missing: list[str], plan: Plan) -> None:
    """Train the models `missing`, two at a time, each in a process of its own as soon as its base is there."""
    # Threads of the libraries beyond training's own one would fight over the cores.
    os.environ.update(OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false", TRANSFORMERS_VERBOSITY="error")
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    waiting = list(missing)
    running: dict[Future[None], str] = {}
    with ProcessPoolExecutor(_AT_ONCE, mp_context=get_context("spawn")) as pool:
        while waiting or running:
            busy = set(running.values())
            for name in [name for name in waiting if PARTS[name] not in (*waiting, *busy)]:
                running[pool.submit(make_one, out, name, plan)] = name
                waiting.remove(name)
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                running.pop(future)
                future.result()


def make_one(out: Path, name: str, plan: Plan) -> None:
    """Make `out`/`name`; it appears whole or not at all."""
    _mark(out, name).unlink(missing_ok=True)
    work = out / f".{name}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    make_part(name, work, out / "base", plan)
    shutil.rmtree(out / name, ignore_errors=True)
    os.replace(work, out / name)
    _mark(out, name).write_text(fingerprint(plan), encoding="utf-8")


def is_made(out: Path, name: str, plan: Plan) -> bool:
    """Whether the model is there, and was made by this code, plan and libraries."""
    mark = _mark(out, name)
    return (out / name).is_dir() and mark.exists() and mark.read_text(encoding="utf-8") == fingerprint(plan)


def fingerprint(plan: Plan) -> str:
    """The hash of the demo's code, the plan, and the libraries that train."""
    hashed = hashlib.sha256(json.dumps([asdict(plan), *map(version, _LIBRARIES)]).encode())
    for path in sorted(SOURCES.glob("*.py")):
        hashed.update(path.read_bytes())
    return hashed.hexdigest()


def _mark(out: Path, name: str) -> Path:
    return out / f"{name}.made"


if __name__ == "__main__":
    main()
