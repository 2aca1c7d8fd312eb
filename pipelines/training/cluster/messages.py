"""What the processes of a cluster tell each other: lines of text in queues that their servers hold.

A machine that is stopped or far away may never answer, so nothing here waits longer than it is told to.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from models.magenta import tf
from pipelines.training.cluster.addresses import Machine

ABOUT, END, LEAVING = "about", "end", "leaving"  # The queues of a machine.
_CAPACITY = 64
_Result = TypeVar("_Result")


def settings(*machines: Machine) -> tf.ConfigProto:
    """Returns the settings of a session that knows of these machines alone, and so waits for no other."""
    return tf.ConfigProto(device_filters=[machine.device for machine in machines])


def send(target: str, this: Machine, to: Machine, name: str, text: str, secs: float) -> None:
    """Puts a line into a queue of a machine.

    Raises:
        tf.errors.OpError: it cannot be reached.
        TimeoutError: it does not answer within `secs`.
    """

    def put() -> None:
        with tf.Graph().as_default(), tf.Session(target, config=settings(this, to)) as session:
            session.run(_queue(to, name).enqueue(text), options=_limit(secs))

    within(secs, put)


def receive(target: str, this: Machine, of: Machine, name: str, secs: float) -> str:
    """Takes a line out of a queue of a machine; errors as of `send`."""

    def take() -> str:
        with tf.Graph().as_default(), tf.Session(target, config=settings(this, of)) as session:
            return session.run(_queue(of, name).dequeue(), options=_limit(secs)).decode()

    return within(secs, take)


def listen(target: str, this: Machine, name: str, heard: Callable[[str], None]) -> None:
    """Calls `heard` with each line that comes into a queue of this machine; its thread ends with the process."""

    def wait() -> None:
        with tf.Graph().as_default(), tf.Session(target, config=settings(this)) as session:
            line = _queue(this, name).dequeue()
            while True:
                heard(session.run(line).decode())

    threading.Thread(target=wait, daemon=True).start()


def tell(target: str, this: Machine, others: Sequence[Machine], name: str, text: str, secs: float) -> None:
    """Sends a line to several machines at once, and does without those that do not answer."""

    def attempt(other: Machine) -> None:
        try:
            send(target, this, other, name, text, secs)
        except (tf.errors.OpError, TimeoutError):
            return  # It is gone already.

    threads = [threading.Thread(target=attempt, args=[other], daemon=True) for other in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(secs)


def within(secs: float, function: Callable[[], _Result]) -> _Result:
    """Returns what a function returns, or raises what it raises; TimeoutError if it has not ended in time."""
    results: list[_Result] = []
    errors: list[BaseException] = []

    def call() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(secs)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(f"no answer within {secs:g} s")
    return results[0]


def _queue(machine: Machine, name: str) -> tf.queue.FIFOQueue:
    with tf.device(f"{machine.device}/device:CPU:0"):
        return tf.queue.FIFOQueue(_CAPACITY, tf.string, shapes=[[]], shared_name=f"four-bar-drums {name}")


def _limit(secs: float) -> tf.RunOptions:
    return tf.RunOptions(timeout_in_ms=int(secs * 1000))
