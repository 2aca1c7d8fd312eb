"""The life of a process that lends its devices to the chief: a worker other than the chief, or a parameter server.

It needs neither the run's folder nor its data. It ends when the chief says so, or when the chief is lost.
"""

from __future__ import annotations

import time

from pipelines.training import interrupts, options
from pipelines.training.cluster import messages, pulse
from pipelines.training.cluster.addresses import Cluster
from pipelines.training.cluster.server import Server

_LOOK_EVERY_SECS = 0.2
_SAY_EVERY_SECS = 15
LEAVE_SECS = 30  # So long the chief has for a checkpoint when a machine has to leave.


def serve(
    cluster: Cluster,
    stop: interrupts.Stop,
    *,
    wait_secs: float,
    listen: str | None = None,
    devices: options.Devices = options.ALL_DEVICES,
    asked: dict[str, str | None] | None = None,
) -> int:
    """Serves the chief until it has ended; returns the exit status.

    Args:
        cluster: All of the processes, and which one this is.
        stop: When it is asked for, the chief is told, writes a checkpoint and ends.
        wait_secs: So long the chief may take to start.
        listen, devices, asked: As of `Server`.

    Raises:
        ConnectionError: the chief was lost.
        TimeoutError: the chief has not come.
        OSError, ValueError: as of `Server`.
    """
    this, chief = cluster.this, cluster.machines[0]
    server = Server(cluster, listen=listen, devices=devices, asked=asked)
    ends: list[str] = []
    messages.listen(server.target, this, messages.END, ends.append)
    heart = pulse.Pulse(server.target, this, chief)
    heart.begin()
    print(f"cluster   {this}, {server.about.devices}; waits for {chief}", flush=True)
    started, said, leaves_at = time.monotonic(), time.monotonic(), None
    was_heard = False
    while not ends:
        time.sleep(_LOOK_EVERY_SECS)
        now = time.monotonic()
        if heart.is_heard and not was_heard:
            was_heard = True
            print(f"cluster   {chief} is there; this process computes for it until it ends", flush=True)
        if lost := heart.lost():
            raise ConnectionError(
                f"{lost};\n  start the same command on all machines to go on from its last checkpoint"
            )
        if stop.is_asked_for() and leaves_at is None:
            leaves_at = now + LEAVE_SECS if was_heard else now
            if was_heard:
                text = f"{this} was stopped there"
                messages.tell(server.target, this, [chief], messages.LEAVING, text, secs=5)
        if leaves_at is not None and now >= leaves_at:
            return stop.status
        if not was_heard and now - started > wait_secs:
            raise TimeoutError(
                f"{chief} has not come within {wait_secs:g} s; start the same command there with --task=0,"
                " or give this one --wait_secs=N"
            )
        if not was_heard and now - said > _SAY_EVERY_SECS:
            said = now
            print(f"cluster   still waits for {chief}; it is to be started there with the same command", flush=True)
    status, _, text = ends[0].partition(" ")
    print(f"cluster   {text}", flush=True)
    return stop.status or int(status)
