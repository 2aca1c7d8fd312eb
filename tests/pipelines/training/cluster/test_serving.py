"""A worker's life: it waits for the chief, computes for it, and ends with it or without."""

from __future__ import annotations

import signal
import sys
import threading
import time

import pytest

from pipelines.training import interrupts
from pipelines.training.cluster import messages, serving
from pipelines.training.cluster.addresses import Cluster
from pipelines.training.cluster.server import Server
from tests import fleet
from tests.fleet import free_ports, until

CHIEF = """
import sys, time
from pipelines.training.cluster.addresses import Cluster
from pipelines.training.cluster.server import Server
server = Server(Cluster(tuple(sys.argv[1].split(","))))
print("serves", flush=True)
time.sleep(600)
"""


def addresses(num: int) -> tuple[str, ...]:
    return tuple(f"127.0.0.1:{port}" for port in free_ports(num))


class Chief:
    """A chief in this process, which talks to workers in threads of it."""

    def __init__(self) -> None:
        self._addresses = addresses(5)
        self.machines = Cluster(self._addresses).machines
        self._server = Server(Cluster(self._addresses))

    def worker(self, task: int) -> Cluster:
        """Returns the cluster as the worker of a number sees it."""
        return Cluster(self._addresses, task=task)

    def tell(self, task: int, text: str) -> None:
        messages.send(self._server.target, self.machines[0], self.machines[task], messages.END, text, secs=10)

    def hear_leaving(self) -> str:
        return messages.receive(self._server.target, self.machines[0], self.machines[0], messages.LEAVING, secs=10)


class Worker(threading.Thread):
    """Serves in a thread; `status` is what it has returned, `error` what it has raised."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(daemon=True)
        self.cluster, self.stop = cluster, interrupts.Stop()
        self.status: int | None = None
        self.error: OSError | None = None
        self.start()

    def run(self) -> None:
        try:
            self.status = serving.serve(self.cluster, self.stop, wait_secs=30)
        except OSError as error:
            self.error = error


@pytest.fixture(scope="module")
def chief() -> Chief:
    return Chief()


def started(cluster: Cluster, capsys) -> Worker:
    """Starts a worker and waits until it hears the chief."""
    worker = Worker(cluster)
    printed = []
    until(lambda: printed.append(capsys.readouterr().out) or "is there" in "".join(printed))
    assert "".join(printed).startswith(f"cluster   {cluster.this}, CPU, ")
    expected = f"cluster   {cluster.machines[0]} is there; this process computes for it until it ends\n"
    assert expected in "".join(printed)
    return worker


@pytest.mark.parametrize(("task", "status", "text"), [(1, 0, "the chief is done"), (2, 1, "the chief has ended: why")])
def test_it_ends_as_the_chief_says(chief, task, status, text, capsys):
    worker = started(chief.worker(task), capsys)
    chief.tell(task, f"{status} {text}")
    worker.join(5)
    assert worker.status == status
    assert capsys.readouterr().out == f"cluster   {text}\n"


def test_it_tells_the_chief_when_it_is_stopped_and_waits_for_the_end(chief, capsys):
    worker = started(chief.worker(3), capsys)
    worker.stop.number = signal.SIGTERM
    assert chief.hear_leaving() == f"{chief.machines[3]} was stopped there"
    time.sleep(0.5)
    assert worker.status is None
    chief.tell(3, "0 the chief has stopped")
    worker.join(5)
    assert worker.status == 128 + signal.SIGTERM


def test_it_leaves_where_the_chief_does_not_end(chief, capsys, monkeypatch):
    monkeypatch.setattr(serving, "LEAVE_SECS", 1)
    worker = started(chief.worker(4), capsys)
    worker.stop.number = signal.SIGINT
    worker.join(10)
    assert worker.status == 128 + signal.SIGINT
    chief.hear_leaving()


def test_a_chief_that_does_not_come_is_waited_for_so_long(capsys, monkeypatch):
    monkeypatch.setattr(serving, "_SAY_EVERY_SECS", 0.5)
    cluster = Cluster(addresses(2), task=1)
    with pytest.raises(TimeoutError) as caught:
        serving.serve(cluster, interrupts.Stop(), wait_secs=1)
    chief = f"worker 0 (the chief) at {cluster.workers[0]}"
    assert str(caught.value) == (
        f"{chief} has not come within 1 s; start the same command there with --task=0, or give this one --wait_secs=N"
    )
    out = capsys.readouterr().out
    assert f"; waits for {chief}\n" in out
    assert f"cluster   still waits for {chief}; it is to be started there with the same command\n" in out


def test_a_signal_ends_the_waiting_at_once():
    stop = interrupts.Stop()
    stop.number = signal.SIGTERM
    before = time.monotonic()
    assert serving.serve(Cluster(addresses(2), task=1), stop, wait_secs=60) == 128 + signal.SIGTERM
    assert time.monotonic() - before < 5


@pytest.mark.slow
def test_a_chief_that_is_killed_is_missed(tmp_path, capsys):
    cluster = Cluster(addresses(2), task=1)
    process = fleet.Process([sys.executable, "-c", CHIEF, ",".join(cluster.workers)], tmp_path / "chief.log", {})
    process.wait_for("serves")
    worker = started(cluster, capsys)
    process.send(signal.SIGKILL)
    process.wait(5)
    worker.join(60)
    assert isinstance(worker.error, ConnectionError)
    assert str(worker.error).startswith(f"{cluster.machines[0]} is gone (")
    assert str(worker.error).endswith("start the same command on all machines to go on from its last checkpoint")
