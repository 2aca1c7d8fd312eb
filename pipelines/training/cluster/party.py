"""The chief's side of a cluster: it waits for all machines, computes on them, and ends when one of them is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator

from models.magenta import session_config, tf
from pipelines.training import interrupts
from pipelines.training.cluster import messages, pulse
from pipelines.training.cluster.addresses import SERVER, WORKER, Cluster, Machine
from pipelines.training.cluster.server import About, Server
from pipelines.training.placement import AUTO, COPY, Placement

DATA_FLAG = "examples_path"
_ASK_SECS = 10  # For an answer of a machine whose port is open.
_LOOK_EVERY_SECS = 0.5
_SAY_EVERY_SECS = 15
_GRACE_SECS = 5  # So long the step that runs has to fail by itself when a machine is lost; then the process ends.
_TELL_SECS = 5


class Party:
    """The processes of a cluster as the chief knows them.

    Attributes:
        target: What a session over all machines is opened with.
        kept: Returns what is left to go on from, as a person reads it.
    """

    def __init__(self, cluster: Cluster, server: Server, stop: interrupts.Stop) -> None:
        self.target = server.target
        self.kept: Callable[[], str] = lambda: "the same commands begin again"
        self._cluster, self._stop = cluster, stop
        self._abouts: dict[Machine, About] = {cluster.this: server.about}
        self._reached: list[Machine] = []
        self._pulses: list[pulse.Pulse] = []
        self._is_over = threading.Event()

    def gather(self, wait_secs: float) -> None:
        """Waits for all machines, and says which it waits for; ends sooner where the end is asked for.

        Raises:
            TimeoutError: one has not come.
            ValueError: one runs another version or was started for something else.
        """
        messages.listen(self.target, self._cluster.this, messages.LEAVING, self._note_leaving)
        started, said = time.monotonic(), time.monotonic()
        missing = list(self._cluster.others)
        while missing and not self._stop.is_asked_for():
            for machine in list(missing):
                if about := self._ask(machine):
                    self._admit(machine, about)
                    missing.remove(machine)
            now = time.monotonic()
            names = ", ".join(map(str, missing))
            if missing and now - started > wait_secs:
                raise TimeoutError(
                    f"{names} did not come within {wait_secs:g} s; start the same command there, with its --task,"
                    " or give --wait_secs=N"
                )
            if missing and (now - said > _SAY_EVERY_SECS or said == started):
                said = now
                print(f"cluster   waits for {names}: the same command is to be started there", flush=True)
            time.sleep(_LOOK_EVERY_SECS if missing else 0)
        threading.Thread(target=self._watch, daemon=True).start()

    def placement(self, all_reduce: str = AUTO) -> Placement:
        """Returns where a step is computed: on all GPUs of the workers, or, where there is none, on all of their CPUs.

        Variables are shared out over the parameter servers, or else over what computes.

        Args:
            all_reduce: How the devices of a machine add up gradients; auto is by copies.
        """
        workers = [machine for machine in self._cluster.machines if machine.job == WORKER]
        devices = [
            f"{machine.device}/device:GPU:{number}"
            for machine in workers
            for number in range(self._abouts[machine].num_gpus)
        ]
        devices = devices or [
            f"{machine.device}/device:CPU:{number}"
            for machine in workers
            for number in range(self._abouts[machine].num_cpu_devices)
        ]
        servers = [f"{each.device}/device:CPU:0" for each in self._cluster.machines if each.job == SERVER]
        host = f"{self._cluster.this.device}/device:CPU:0"
        return Placement(tuple(devices), tuple(servers or devices), host, COPY if all_reduce == AUTO else all_reduce)

    def describe(self) -> list[str]:
        """Returns lines that say what the machines are."""
        return [f"{machine}: {about.name}, {about.devices}" for machine, about in self._abouts.items()]

    def precision(self, asked: str) -> str:
        """Returns what to compute in, where `asked` is auto: fp32 if a machine has no bfloat16.

        Raises:
            ValueError: bf16 was asked for, and a machine has none.
        """
        without = [machine for machine, about in self._abouts.items() if not about.has_bf16]
        if without and asked == "bf16":
            raise ValueError(f"--precision=bf16: {without[0]} has no bfloat16; --precision=fp32 is what all have")
        return "fp32" if without and asked == "auto" else asked

    def lost(self, wait_secs: float = 0) -> str:
        """Returns which machine is lost and how, waiting for it to be known; empty if none is."""
        until = time.monotonic() + wait_secs
        while True:
            found = next((why for each in self._pulses if (why := each.lost())), "")
            if found or time.monotonic() >= until:
                return found
            time.sleep(_LOOK_EVERY_SECS)

    def end(self, status: int, text: str) -> None:
        """Tells all machines to end."""
        self._is_over.set()
        lost = [each.machine for each in self._pulses if each.lost()]
        reached = [machine for machine in self._reached if machine not in lost]
        messages.tell(self.target, self._cluster.this, reached, messages.END, f"{status} {text}", _TELL_SECS)

    def session_settings(self) -> tf.ConfigProto:
        """Returns the settings of a session over all machines; nothing that it holds there outlives it."""
        settings = session_config()
        settings.isolate_session_state = True
        return settings

    def _ask(self, machine: Machine) -> About | None:
        """Returns what a machine says of itself; None if it is not there."""
        try:
            socket.create_connection((machine.host, machine.port), timeout=2).close()
            text = messages.receive(self.target, self._cluster.this, machine, messages.ABOUT, _ASK_SECS)
        except (OSError, tf.errors.OpError):
            return None
        self._reached.append(machine)
        try:
            return About.of_text(text)
        except ValueError as error:
            raise ValueError(f"{machine}: {error}; bring all machines to the same version") from error

    def _admit(self, machine: Machine, about: About) -> None:
        mine = self._abouts[self._cluster.this]
        if about.tensorflow != mine.tensorflow:
            raise ValueError(
                f"{machine} has TensorFlow {about.tensorflow}, the chief {mine.tensorflow}; install the same one"
            )
        for name, asked in about.asked.items():
            if asked in (None, mine.asked.get(name)):
                continue
            if name == DATA_FLAG:  # Paths may differ, and the chief alone reads.
                print(
                    f"cluster   {machine}: its --{name} is not read; the chief hands out its own examples", flush=True
                )
            else:
                raise ValueError(
                    f"{machine} was started with --{name}={asked}, the chief with {mine.asked.get(name)};"
                    " start the same command on all machines"
                )
        self._abouts[machine] = about
        heart = pulse.Pulse(self.target, self._cluster.this, machine)
        heart.begin()
        self._pulses.append(heart)

    def _note_leaving(self, text: str) -> None:
        if not self._stop.is_asked_for():
            print(f"cluster   {text}; stopping after a checkpoint", file=sys.stderr, flush=True)
            self._stop.number = self._stop.number or signal.SIGTERM.value

    def _watch(self) -> None:
        """Ends this process when a machine is lost and the step that runs does not end by itself."""
        while not self._is_over.is_set():
            if why := self.lost():
                if self._is_over.wait(_GRACE_SECS):
                    return
                print(f"error: {why};\n  {self.kept()}", file=sys.stderr, flush=True)
                self.end(1, f"the chief has ended: {why}")
                os._exit(1)
            time.sleep(_LOOK_EVERY_SECS)


@contextlib.contextmanager
def gathered(cluster: Cluster, stop: interrupts.Stop, *, wait_secs: float, **options) -> Iterator[Party]:
    """Starts the chief's server, waits for all machines, and tells them to end however it ends.

    Args:
        cluster: All of the processes; this one is the chief.
        stop: The end that may be asked for.
        wait_secs: So long the others may take.
        **options: As of `Server`.
    """
    server = Server(cluster, **options)
    print(f"cluster   {cluster.this}, one of {len(cluster.machines)} processes", flush=True)
    party = Party(cluster, server, stop)
    try:
        party.gather(wait_secs)
        yield party
    except BaseException as error:
        party.end(1, f"the chief has ended: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
        raise
    party.end(0, "the chief has stopped" if stop.is_asked_for() else "the chief is done")
