"""Worker processes: order, flat memory, and what a crash or a hang costs."""

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.files import workers


def square_or_die(number):
    if number == 13:
        os.kill(os.getpid(), signal.SIGSEGV)
    if number == 17:
        os._exit(3)
    if number == 23:
        time.sleep(60)
    return number * number, os.getpid()


def test_crashes_and_hangs_cost_one_item_each_and_the_order_stays():
    with workers.Pool(2, timeout_secs=1.5) as pool:
        outcomes = list(pool.run(square_or_die, range(40), chunk_size=8))
    assert [outcome.item for outcome in outcomes] == list(range(40))
    failed = {outcome.item: outcome.failed for outcome in outcomes if outcome.failed}
    assert failed == {
        13: "crashes the process that reads it (exit status -11)",
        17: "crashes the process that reads it (exit status 3)",
        23: "takes longer than 1.5 s",
    }
    assert all(outcome.result[0] == outcome.item**2 for outcome in outcomes if not outcome.failed)
    assert os.getpid() not in {outcome.result[1] for outcome in outcomes if not outcome.failed}


def test_items_are_taken_as_the_work_goes_on():
    endless = itertools.count(30)
    with workers.Pool(1) as pool:
        results = pool.run(square_or_die, endless, chunk_size=2)
        assert [outcome.item for outcome in itertools.islice(results, 5)] == [30, 31, 32, 33, 34]
    assert next(endless) < 30 + 2 * (workers.CHUNKS_AHEAD + 4)


def test_without_items_there_is_nothing():
    with workers.Pool(1) as pool:
        assert list(pool.run(square_or_die, [])) == []


@pytest.mark.parametrize("deadly", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_their_parent(tmp_path, deadly):
    """A parent that is killed cannot stop its workers: they notice themselves."""
    script = tmp_path / "parent.py"
    script.write_text(
        "import itertools\nfrom pipelines.files import workers\nimport test_workers\n"
        "if __name__ == '__main__':\n"
        "    with workers.Pool(2) as pool:\n"
        "        for outcome in pool.run(test_workers.square_or_die, itertools.count(30)):\n"
        "            print(outcome.result[1], flush=True)\n"
    )
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).resolve().parents[3])])
    parent = subprocess.Popen(
        [sys.executable, str(script)], env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True
    )
    children = {int(parent.stdout.readline()) for _ in range(64)}
    parent.send_signal(deadly)
    parent.stdout.close()
    parent.wait(10)
    give_up = time.monotonic() + 10
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < give_up, "a worker outlives its parent"
        time.sleep(0.1)
