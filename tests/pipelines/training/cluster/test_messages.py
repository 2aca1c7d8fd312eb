"""Lines that processes send each other, by servers of TensorFlow: in order, to one or all, and never waiting long."""

import threading
import time

import pytest

from models.magenta import tf
from pipelines.training.cluster import messages
from tests.fleet import until

UNREACHED = (tf.errors.OpError, TimeoutError)


def test_a_session_knows_of_the_machines_that_it_needs(pair):
    chief, worker, _ = pair.machines
    assert messages.settings(chief, worker).device_filters == ["/job:worker/task:0", "/job:worker/task:1"]


def test_lines_come_in_the_order_in_which_they_were_sent(pair):
    chief, worker, _ = pair.machines
    lines = ["first", "", "wörds\nand a second line", '{"a": 1}']
    for line in lines:
        messages.send(pair.chief.target, chief, worker, "order", line, secs=10)
    assert [messages.receive(pair.worker.target, worker, worker, "order", 10) for _ in lines] == lines


def test_lines_are_taken_out_of_a_queue_of_another_machine(pair):
    chief, worker, _ = pair.machines
    messages.send(pair.worker.target, worker, worker, "there", "line", secs=10)
    assert messages.receive(pair.chief.target, chief, worker, "there", 10) == "line"


def test_queues_have_names_and_machines_of_their_own(pair):
    chief, worker, _ = pair.machines
    given = {(machine, name): f"{machine} {name}" for machine in (chief, worker) for name in ("one", "other")}
    for (machine, name), text in given.items():
        messages.send(pair.chief.target, chief, machine, name, text, secs=10)
    for (machine, name), text in reversed(given.items()):
        assert messages.receive(pair.chief.target, chief, machine, name, 10) == text


def test_an_empty_queue_is_not_waited_for_and_loses_nothing(pair):
    """What comes later goes to who asks next, not to who has given up."""
    chief, worker, _ = pair.machines
    started = time.monotonic()
    with pytest.raises(UNREACHED):
        messages.receive(pair.chief.target, chief, worker, "late", 0.5)
    assert time.monotonic() - started < 5
    time.sleep(0.5)
    messages.send(pair.worker.target, worker, worker, "late", "line", secs=10)
    assert messages.receive(pair.chief.target, chief, worker, "late", 10) == "line"


def test_who_is_not_there_is_not_waited_for(pair):
    chief, _, missing = pair.machines
    started = time.monotonic()
    with pytest.raises(UNREACHED):
        messages.send(pair.chief.target, chief, missing, "any", "line", secs=1)
    with pytest.raises(UNREACHED):
        messages.receive(pair.chief.target, chief, missing, "any", 1)
    assert time.monotonic() - started < 8


def test_listening_hears_each_line_in_order(pair):
    chief, worker, _ = pair.machines
    heard = []
    messages.listen(pair.worker.target, worker, "heard", heard.append)
    for line in "abc":
        messages.send(pair.chief.target, chief, worker, "heard", line, secs=10)
    until(lambda: len(heard) == 3)
    assert heard == ["a", "b", "c"]


def test_all_are_told_that_are_there(pair, monkeypatch):
    chief, worker, missing = pair.machines
    heard, failed = [], []
    monkeypatch.setattr(threading, "excepthook", failed.append)
    for machine, target in ((chief, pair.chief.target), (worker, pair.worker.target)):
        messages.listen(target, machine, "told", lambda line, number=machine.task: heard.append((number, line)))
    started = time.monotonic()
    messages.tell(pair.chief.target, chief, [missing, chief, worker], "told", "line", secs=2)
    assert time.monotonic() - started < 8
    until(lambda: len(heard) == 2)
    assert sorted(heard) == [(0, "line"), (1, "line")]
    time.sleep(0.5)  # The thread of who is not there gives up, without a word.
    assert not failed


def test_a_function_has_so_long_to_return():
    ended = threading.Event()
    started = time.monotonic()
    with pytest.raises(TimeoutError, match=r"^no answer within 0\.2 s$"):
        messages.within(0.2, ended.wait)
    assert time.monotonic() - started < 2
    ended.set()


def test_what_a_function_returns_in_time_is_returned():
    assert messages.within(5, lambda: 3) == 3
    assert messages.within(5, lambda: None) is None
    assert messages.within(5, list) == []


@pytest.mark.parametrize(
    "error", [ValueError("wrong"), KeyboardInterrupt(), tf.errors.UnavailableError(None, None, "")]
)
def test_what_a_function_raises_is_raised(error):
    def fail():
        raise error

    with pytest.raises(type(error)) as caught:
        messages.within(5, fail)
    assert caught.value is error
