"""This process's server in a cluster, and what it tells the chief of itself."""

from __future__ import annotations

import dataclasses
import json
import os
import socket

from models import magenta, precision
from models.magenta import tf
from pipelines.training import options
from pipelines.training.cluster import listening, messages
from pipelines.training.cluster.addresses import SERVER, Cluster

VERSION = 2  # Of what the processes of a cluster tell each other.


@dataclasses.dataclass(frozen=True)
class About:
    """What a process says of itself and was asked to do."""

    num_gpus: int  # That compute.
    num_cpu_devices: int  # That compute where no machine of the cluster has a GPU; they share the CPU.
    has_bf16: bool
    asked: dict[str, str | None]  # Flags that have to be the same everywhere, by name; None where they were left out.
    tensorflow: str = tf.__version__
    version: int = VERSION
    name: str = dataclasses.field(default_factory=socket.gethostname)
    pid: int = dataclasses.field(default_factory=os.getpid)
    num_cores: int | None = dataclasses.field(default_factory=os.cpu_count)

    @property
    def devices(self) -> str:
        """What it computes on, as a person reads it."""
        if self.num_gpus:
            return f"{self.num_gpus} GPU{'s' if self.num_gpus > 1 else ''}"
        shared = f" as {self.num_cpu_devices} devices" if self.num_cpu_devices > 1 else ""
        return f"CPU, {self.num_cores} cores{shared}"

    def to_text(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def of_text(cls, text: str) -> About:
        """Reads what `to_text` has written.

        Raises:
            ValueError: another version has written it, or another program.
        """
        given = json.loads(text)
        version = given.get("version") if isinstance(given, dict) else None
        if version != VERSION or given.keys() != {field.name for field in dataclasses.fields(cls)}:
            raise ValueError(f"it runs another version of this program ({version}, not {VERSION})")
        return cls(**given)


class Server:
    """TensorFlow's server for this process's place in a cluster.

    Attributes:
        target: What a session is opened with.
        about: What this process is.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        listen: str | None = None,
        devices: options.Devices = options.ALL_DEVICES,
        asked: dict[str, str | None] | None = None,
    ) -> None:
        """Starts it.

        Args:
            cluster: All of the processes, and which one this is.
            listen: The address to listen on where it is not the cluster's.
            devices: Those of the machine that compute.
            asked: As of `About`.

        Raises:
            OSError: the port is taken, or the address is not this machine's.
            ValueError: the address's name has no address, or is this machine's own alone.
        """
        this = cluster.this
        listening.check_reachable(cluster, listen)
        self._port_is_ours = listening.claim(this, listen)
        num_gpus, num_cpus = len(magenta.gpus()), devices.num_cpu_devices
        if devices.num_gpus is not None:
            num_gpus = min(num_gpus, devices.num_gpus)
        if this.job == SERVER:  # Which holds variables and computes nothing.
            num_gpus, num_cpus = 0, 1
        self.about = About(num_gpus, num_cpus, precision.has_bf16(), asked or {})
        self._server = tf.train.Server(
            cluster.spec(),
            job_name=this.job,
            task_index=this.task,
            config=magenta.session_config(num_gpus, num_cpus),
            start=False,
        )
        self.hears_its_address_alone = listening.only_at(this.port, listen or this.host)
        if not self.hears_its_address_alone:
            print(f"cluster   {this}: this system cannot keep a server to one address; it listens on all", flush=True)
        self._server.start()
        self.target = self._server.target
        messages.send(self.target, this, this, messages.ABOUT, self.about.to_text(), secs=30)
