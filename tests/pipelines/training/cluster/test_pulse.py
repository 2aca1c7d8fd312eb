"""Whether another process is there: one that is, one that never was, one that is killed, one that stands still."""

import signal
import sys
import time

import pytest

from pipelines.training.cluster import pulse
from tests import fleet
from tests.fleet import until

SERVER = """
import sys, time
from pipelines.training.cluster.addresses import Cluster
from pipelines.training.cluster.server import Server
server = Server(Cluster(tuple(sys.argv[1].split(",")), task=int(sys.argv[2])))
print("serves", flush=True)
time.sleep(600)
"""


def begun(pair, other) -> pulse.Pulse:
    heart = pulse.Pulse(pair.chief.target, pair.machines[0], other)
    heart.begin()
    return heart


def test_who_answers_is_heard_and_not_lost(pair):
    heart = pulse.Pulse(pair.chief.target, pair.machines[0], pair.machines[1])
    assert not heart.is_heard
    assert heart.lost() == ""
    heart.begin()
    until(lambda: heart.is_heard)
    assert heart.lost() == ""
    assert heart.machine == pair.machines[1]


def test_who_was_never_there_is_not_lost(pair):
    heart = begun(pair, pair.machines[2])
    time.sleep(1)
    assert not heart.is_heard
    assert heart.lost() == ""


def test_who_does_not_answer_for_long_is_lost(pair, monkeypatch):
    """The other way round: an answer is old where no silence is allowed."""
    heart = begun(pair, pair.machines[1])
    until(lambda: heart.is_heard)
    monkeypatch.setattr(pulse, "SILENT_SECS", 0)
    until(lambda: heart.lost() != "", 2)
    assert heart.lost() == f"{pair.machines[1]} has not answered for 0 s: it stands still, or the network does"


@pytest.fixture
def other(pair, tmp_path):
    """A pulse of the worker that is not there, started as a process, and the process."""
    addresses = ",".join(machine.address for machine in pair.machines)
    process = fleet.Process([sys.executable, "-c", SERVER, addresses, "2"], tmp_path / "other.log", {})
    try:
        process.wait_for("serves")
        heart = begun(pair, pair.machines[2])
        until(lambda: heart.is_heard, 30)
        yield heart, process
    finally:
        process.send(signal.SIGKILL)
        process.wait(10)


@pytest.mark.slow
def test_who_is_killed_is_gone_within_seconds(other):
    heart, process = other
    time.sleep(3)
    assert heart.lost() == ""
    process.send(signal.SIGKILL)
    until(lambda: heart.lost() != "", 20)
    assert heart.lost().startswith(f"{heart.machine} is gone (")


@pytest.mark.slow
def test_who_stands_still_is_lost_until_it_goes_on(other, monkeypatch):
    heart, process = other
    process.send(signal.SIGSTOP)
    time.sleep(6)
    assert heart.lost() == ""  # Its port is open, and it may go on.
    monkeypatch.setattr(pulse, "SILENT_SECS", 8)
    until(lambda: heart.lost() != "", 20)
    assert heart.lost() == f"{heart.machine} has not answered for 8 s: it stands still, or the network does"
    process.send(signal.SIGCONT)
    until(lambda: heart.lost() == "", 20)
