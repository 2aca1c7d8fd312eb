"""Whether another process of a cluster is still there: it is asked for the time, again and again."""

from __future__ import annotations

import socket
import threading
import time

from models.magenta import tf
from pipelines.training.cluster import messages
from pipelines.training.cluster.addresses import Machine

SILENT_SECS = 40  # A machine that has not answered for so long is lost.
_EVERY_SECS = 2
_GONE_AFTER_SECS = 4  # So long its port may be closed, or its server refuse to answer.


class Pulse:
    """Asks one machine again and again; `begin` starts it."""

    def __init__(self, target: str, this: Machine, other: Machine) -> None:
        """Takes this process's server, the machine that it is, and the one to ask."""
        self.machine = other
        self._target, self._this = target, this
        self._heard_secs: float | None = None
        self._refused_since: float | None = None
        self._why = ""

    def begin(self) -> None:
        """Starts to ask, in threads that end with the process."""
        for work in (self._beat, self._knock):
            threading.Thread(target=work, daemon=True).start()

    @property
    def is_heard(self) -> bool:
        """Whether it has answered once."""
        return self._heard_secs is not None

    def lost(self) -> str:
        """Returns how the machine was lost, as a person reads it; empty while it is there or was never heard."""
        now = time.monotonic()
        if self._heard_secs is None:
            return ""
        if self._refused_since is not None and now - self._refused_since > _GONE_AFTER_SECS:
            return f"{self.machine} is gone ({self._why})"
        if now - self._heard_secs > SILENT_SECS:
            return f"{self.machine} has not answered for {SILENT_SECS} s: it stands still, or the network does"
        return ""

    def _beat(self) -> None:
        while True:
            try:
                self._ask()
            except tf.errors.OpError as error:
                self._note_refusal(f"{type(error).__name__.removesuffix('Error')}: {error.message.strip()[:90]}")
            time.sleep(_EVERY_SECS / 2)

    def _knock(self) -> None:
        """Looks whether its port is open where an answer is late: TensorFlow waits for one that has been killed."""
        while True:
            time.sleep(_EVERY_SECS / 2)
            if self._heard_secs is None or time.monotonic() - self._heard_secs < 2 * _EVERY_SECS:
                continue
            try:
                socket.create_connection((self.machine.host, self.machine.port), timeout=_EVERY_SECS).close()
            except ConnectionRefusedError:
                self._note_refusal("its port is closed")
            except OSError:  # Whether it is the machine or the network is not known.
                continue

    def _note_refusal(self, why: str) -> None:
        self._why = why.partition("\n")[0]
        if self._heard_secs is not None and self._refused_since is None:
            self._refused_since = time.monotonic()

    def _ask(self) -> None:
        """Asks for ever; raises tf.errors.OpError when the machine refuses."""
        settings = messages.settings(self._this, self.machine)
        with tf.Graph().as_default(), tf.Session(self._target, config=settings) as session:
            with tf.device(f"{self.machine.device}/device:CPU:0"):
                its_time = tf.timestamp()
            while True:
                session.run(its_time, options=tf.RunOptions(timeout_in_ms=SILENT_SECS * 1000))
                self._heard_secs, self._refused_since = time.monotonic(), None
                time.sleep(_EVERY_SECS)
