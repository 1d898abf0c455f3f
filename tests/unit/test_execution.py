"""Work on chunks by several processes: results in order, errors as they were raised, no process left behind."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from pipeline.errors import EngineError, TaskError
from pipeline.execution import Workers


def chunks(count):
    return [(start * 10 + 1, [b"%d" % (start * 10 + n) for n in range(10)]) for start in range(count)]


def doubling(spec):
    def work(chunk):
        number, lines = chunk
        if number == spec.get("kill_at"):
            os.kill(os.getpid(), signal.SIGKILL)
        if number == spec.get("fail_at"):
            raise TaskError("broken", where="file:3", fix="mend it")
        return [int(line) * 2 for line in lines], os.getpid()

    return work


@pytest.mark.parametrize("processes", [1, 2])
def test_results_come_in_order(processes):
    with Workers(processes) as workers:
        results = list(workers.map(doubling, {}, chunks(20)))
    assert [value for values, _ in results for value in values] == [2 * n for n in range(200)]
    assert (os.getpid() in {process for _, process in results}) == (processes == 1)


def test_small_inputs_start_no_process():
    with Workers(2) as workers:
        assert {process for _, process in workers.map(doubling, {}, chunks(1))} == {os.getpid()}
        assert workers._pool is None


def test_an_error_of_a_worker_is_the_error():
    with pytest.raises(TaskError) as caught, Workers(2) as workers:
        list(workers.map(doubling, {"fail_at": 51}, chunks(20)))
    assert (caught.value.where, caught.value.fix) == ("file:3", "mend it")
    assert str(caught.value) == "file:3: broken\n  mend it"


def test_a_killed_worker_is_told_so():
    with pytest.raises(EngineError, match="ended from outside"), Workers(2) as workers:
        list(workers.map(doubling, {"kill_at": 51}, chunks(20)))


def test_workers_end_with_a_killed_driver(tmp_path):
    script = (
        "import sys, time; sys.path.insert(0, '.'); from tests.unit.test_execution import *\n"
        "if __name__ == '__main__':\n"
        "    with Workers(2) as workers:\n"
        "        print({process for _, process in workers.map(doubling, {}, chunks(20))}, flush=True); time.sleep(60)\n"
    )
    path = tmp_path / "driver.py"
    path.write_text(script)
    driver = subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    workers = eval(driver.stdout.readline())
    assert all(psutil.pid_exists(worker) for worker in workers)
    driver.kill()
    driver.wait()
    deadline = time.monotonic() + 20
    while any(psutil.pid_exists(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(psutil.pid_exists(worker) for worker in workers)
