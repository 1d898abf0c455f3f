"""Make the demo's models: a base with tokenizer, and LoRA checkpoints of it. Needs no network and no GPU.

    python -m demo.make_models                 # into output/demo-models, two to three minutes on 2 cores
    python -m demo.make_models --quick --out F # a few steps of each, for tests: models that run, and know little

What is there already, made by the same code and settings, is kept.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from demo.train import Schedule

SOURCES = Path(__file__).parent


@dataclass(frozen=True)
class Plan:
    """How long each model is trained; `save_steps` are the checkpoints of the LoRA."""

    base: Schedule = Schedule(steps=1000, learning_rate=3e-3, batch_tokens=1024)
    adapter: Schedule = Schedule(steps=300, learning_rate=1e-3, batch_tokens=1024)
    save_steps: tuple[int, ...] = (100, 200, 300)


QUICK = Plan(
    base=Schedule(steps=40, learning_rate=3e-3, batch_tokens=512),
    adapter=Schedule(steps=6, learning_rate=1e-3, batch_tokens=512, warmup=2),
    save_steps=(2, 4, 6),
)


def main() -> None:
    """Make what is missing and say how long it took."""
    options = _options()
    started = time.monotonic()
    made = make_models(options.out, QUICK if options.quick else Plan())
    seconds = time.monotonic() - started
    print(f"The demo's models are in {options.out}" + (f" ({seconds:.0f} s)." if made else ": nothing to do."))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo.make_models", description="Make the demo's models.")
    parser.add_argument("--out", type=Path, default=Path("output/demo-models"), help="where (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="train each for a few steps only, for tests")
    return parser.parse_args()


def make_models(out: Path, plan: Plan) -> bool:
    """Make what is missing or was made otherwise; whether there was anything to do."""
    from demo.adapter import make_checkpoints
    from demo.base import make_base

    out.mkdir(parents=True, exist_ok=True)
    fingerprint = _fingerprint(plan)
    base = out / "base"

    def train_base(folder: Path) -> None:
        make_base(folder, plan.base, _progress("base", plan.base.steps))

    def train_adapter(folder: Path) -> None:
        make_checkpoints(base, folder / "sft", plan.adapter, plan.save_steps, _progress("LoRA", plan.adapter.steps))

    parts: list[tuple[str, Callable[[Path], None]]] = [("base", train_base), ("adapters", train_adapter)]
    return any([_ensure(out, name, fingerprint, make) for name, make in parts])


def _ensure(out: Path, name: str, fingerprint: str, make: Callable[[Path], None]) -> bool:
    """Make `out`/`name` unless it is there with this fingerprint; it appears whole or not at all."""
    mark = out / f"{name}.made"
    if (out / name).is_dir() and mark.exists() and mark.read_text(encoding="utf-8") == fingerprint:
        return False
    mark.unlink(missing_ok=True)
    work = out / f".{name}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    make(work)
    shutil.rmtree(out / name, ignore_errors=True)
    os.replace(work, out / name)
    mark.write_text(fingerprint, encoding="utf-8")
    return True


def _fingerprint(plan: Plan) -> str:
    """The hash of the demo's code, its training plan, and the library that trains."""
    from importlib.metadata import version

    hashed = hashlib.sha256(json.dumps([asdict(plan), version("torch"), version("transformers")]).encode())
    for path in sorted(SOURCES.glob("*.py")):
        hashed.update(path.read_bytes())
    return hashed.hexdigest()


def _progress(name: str, steps: int) -> Callable[[int, float], None]:
    """Prints a line each tenth of the way."""
    started = time.monotonic()
    every = max(1, steps // 10)

    def after(step: int, loss: float) -> None:
        if step % every == 0 or step == steps:
            print(f"{name}: step {step} of {steps}, loss {loss:.3f}, {time.monotonic() - started:.0f} s", flush=True)

    return after


if __name__ == "__main__":
    main()
