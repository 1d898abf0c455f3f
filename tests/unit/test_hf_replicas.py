"""Replicas: what two processes answer is what one does; one that dies is named, and nothing of the others is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.engine import Adapter
from models.factory import open_engine
from models.hf import HfEngine
from models.replica_process import replica_settings
from models.replicas import ReplicaEngine
from pipeline.config import EngineSettings
from pipeline.errors import AdapterError, EngineError, ModelError
from pipeline.requests import GenerateRequest, GenerationSettings, NextTokenRequest, RollingRequest, ScoreRequest
from tests.tiny_models import CORPUS, make_adapter, make_base

TWO = EngineSettings(replicas=2, threads=2, max_batch_size=16)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("replicas")
    make_base(root / "base")
    make_adapter(root / "base", root / "lora")
    make_adapter(root / "base", root / "later", seed=3)
    return root


@pytest.fixture(scope="module")
def two(made: Path) -> Iterator[ReplicaEngine]:
    with open_engine(TWO, made / "base", adapters=[Adapter("lora", made / "lora")]) as engine:
        assert isinstance(engine, ReplicaEngine)
        engine.add_adapter(Adapter("later", made / "later"))
        yield engine


def texts_to_ask(count: int = 60) -> list[GenerateRequest]:
    return [
        GenerateRequest(
            key=str(at),
            prompt=CORPUS[at % 9][: 5 + at],
            generation=GenerationSettings(max_gen_toks=8, temperature=0.8 * (at % 2)),
            seed=at if at % 2 else None,
            adapter=(None, "lora", "later")[at % 3],
        )
        for at in range(count)
    ]


def test_the_same_results_as_one(two: ReplicaEngine, made: Path) -> None:
    texts = texts_to_ask()
    scores = [ScoreRequest(key=str(at), context=CORPUS[at % 9], continuations=(" A", f" {at}")) for at in range(40)]
    rolling = [RollingRequest(key=text, text=text, adapter="lora") for text in CORPUS]
    tokens = [NextTokenRequest(key=text, prompt=text, candidates=("A", "B")) for text in CORPUS]
    adapters = [Adapter("lora", made / "lora"), Adapter("later", made / "later")]
    with HfEngine(made / "base", EngineSettings(threads=1), adapters=adapters) as one:
        assert by_key(two.generate(texts)) == by_key(one.generate(texts))
        for ours, theirs in (
            (two.loglikelihood(scores), one.loglikelihood(scores)),
            (two.loglikelihood_rolling(rolling), one.loglikelihood_rolling(rolling)),
            (two.next_token(tokens), one.next_token(tokens)),
        ):
            found, expected = by_key(ours), by_key(theirs)
            assert found.keys() == expected.keys()
            for key, result in found.items():
                assert result.logprobs == pytest.approx(expected[key].logprobs, abs=2e-4)
                assert result.greedy == expected[key].greedy
        assert two.count_tokens(list(CORPUS)) == one.count_tokens(list(CORPUS))
        assert two.versions == one.versions


def by_key(results: Iterator[Any]) -> dict[str, Any]:
    return {result.key: result for result in results}


def test_both_work_and_results_come_before_the_end(two: ReplicaEngine) -> None:
    results = two.generate(texts_to_ask())
    next(results)
    assert [replica.busy for replica in two._replicas] == [True, True]
    assert len(list(results)) == 59
    assert len({replica.process.pid for replica in two._replicas} | {os.getpid()}) == 3
    assert [one["threads"] for one in two.hardware()["replicas"]] == [1, 1]


def test_results_that_nobody_reads_are_not_those_of_the_next_call(two: ReplicaEngine) -> None:
    next(two.generate(texts_to_ask()))
    asked = [ScoreRequest(key=f"score {at}", context="A", continuations=(f" {at}",)) for at in range(5)]
    assert by_key(two.loglikelihood(asked)).keys() == {request.key for request in asked}


def test_lots_shrink_towards_the_end() -> None:
    engine = ReplicaEngine(lambda number, count: pytest.fail("not started"), 4, {}, lot=64)
    requests = [RollingRequest(key=str(at), text="x" * (at % 50)) for at in range(1000)]
    lots = list(engine._lots(requests))
    sizes = [len(lot) for lot in lots]
    assert sizes[0] == 64
    assert sizes == sorted(sizes, reverse=True)
    assert max(sizes[-4:]) <= 8
    lengths = [len(request.text) for lot in lots for request in lot]
    assert lengths == sorted(lengths, reverse=True)
    assert sorted(request.key for lot in lots for request in lot) == sorted(request.key for request in requests)


@pytest.mark.slow
def test_a_replica_that_dies_is_named_and_the_other_takes_over(made: Path) -> None:
    asked = [request for request in texts_to_ask(90) if request.adapter is None]
    with open_engine(TWO, made / "base") as engine:
        assert isinstance(engine, ReplicaEngine)
        results = engine.generate(asked)
        found = [next(results)]
        os.kill(engine._replicas[1].process.pid or 0, signal.SIGKILL)
        with pytest.raises(EngineError, match="replica 2 of 2 was ended by SIGKILL"):
            found.extend(results)  # which keeps what came before the error
        assert sorted(result.key for result in found) == sorted(request.key for request in asked)
        os.kill(engine._replicas[0].process.pid or 0, signal.SIGKILL)
        with pytest.raises(EngineError, match="replica 1 of 2"):
            list(engine.generate(asked))


def test_faults_of_the_user_come_as_they_are(made: Path, tmp_path: Path) -> None:
    other = make_base(tmp_path / "other", hidden=32)
    foreign = make_adapter(other, tmp_path / "foreign")
    adapters = [Adapter("foreign", foreign)]
    with pytest.raises(AdapterError, match="another base"), open_engine(TWO, made / "base", adapters=adapters):
        pass


@pytest.mark.slow
def test_a_fault_of_the_engine_names_the_replica(made: Path) -> None:
    with open_engine(TWO, made / "base") as engine, pytest.raises(EngineError, match=r"replica 1 of 2.*no adapter"):
        list(engine.generate([GenerateRequest(key="k", prompt="x", generation=GenerationSettings(), adapter="none")]))


def test_devices_are_divided(monkeypatch: Any) -> None:
    import torch

    assert replica_settings(EngineSettings(threads=5, replicas=2), 1, 2).threads == 2
    assert replica_settings(EngineSettings(threads=1, replicas=2), 1, 2).threads == 1
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [replica_settings(EngineSettings(replicas=2), at, 2).device for at in range(2)] == ["cuda:0", "cuda:1"]
    assert replica_settings(EngineSettings(replicas=2, device="cpu"), 1, 2).device == "cpu"
    with pytest.raises(ModelError, match="replicas: 3, and torch finds 2"):
        replica_settings(EngineSettings(replicas=3), 0, 3)


DRIVER = """
import sys
from pathlib import Path
from models.factory import open_engine
from pipeline.config import EngineSettings
from pipeline.interrupts import Interrupted, interruptible
from pipeline.requests import GenerateRequest, GenerationSettings

def main():
    asked = [GenerateRequest(key=str(at), prompt="The", generation=GenerationSettings(max_gen_toks=1500)) for at in range(64)]
    try:
        with interruptible("stopped"), open_engine(EngineSettings(replicas=2, threads=2), Path(sys.argv[1])) as engine:
            print(*(replica.process.pid for replica in engine._replicas), flush=True)
            for result in engine.generate(asked):
                pass
    except Interrupted as interrupted:
        sys.exit(interrupted.exit_code)

if __name__ == "__main__":
    main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_replicas_end_with_their_driver(number: signal.Signals, made: Path, tmp_path: Path) -> None:
    """Ctrl-C reaches the whole process group; SIGKILL the driver alone. Either ends the replicas in mid-batch."""
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    root = Path(__file__).resolve().parents[2]
    driver = subprocess.Popen(
        [sys.executable, str(script), str(made / "base")],
        env=os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert driver.stdout is not None
    replicas = [int(word) for word in driver.stdout.readline().split()]
    assert len(replicas) == 2
    time.sleep(0.5)  # into the batch
    if number == signal.SIGINT:
        os.killpg(driver.pid, number)
    else:
        driver.kill()
    _, errors = driver.communicate(timeout=20)
    deadline = time.monotonic() + 20
    while any(map(alive, replicas)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, replicas))
    if number == signal.SIGINT:
        assert driver.returncode == 130
        assert "Traceback" not in errors
        assert "stopped" in errors


def alive(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
