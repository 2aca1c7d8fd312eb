"""Which machines train together, and which of them this is: from TF_CONFIG or flags. Without TensorFlow.

TF_CONFIG is a line of JSON as TensorFlow's documentation has it, and as Kubernetes' training operators set it:

    {"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 0}}

A job `chief`, if there is one, is the first worker; `ps` are parameter servers.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence

WORKER, SERVER = "worker", "ps"
JOBS = (WORKER, SERVER)
_CHIEFS = ("chief", "master")  # TF_CONFIG's names of a first worker that has a job of its own.
_EXAMPLE = "host:port, as in 10.0.0.1:2222 or [2001:db8::1]:2222"
_HOST = re.compile(r"[^\s:\[\]]+|\[[^\s\[\]]+\]")
_PORT = re.compile(r"[0-9]{1,5}")


@dataclasses.dataclass(frozen=True)
class Machine:
    """One process of a cluster."""

    job: str
    task: int
    address: str  # host:port.

    @property
    def host(self) -> str:
        return self.address.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def is_chief(self) -> bool:
        return self.job == WORKER and self.task == 0

    @property
    def device(self) -> str:
        """TensorFlow's name of its devices, up to the device itself."""
        return f"/job:{self.job}/task:{self.task}"

    def __str__(self) -> str:
        return f"{self.job} {self.task}{' (the chief)' if self.is_chief else ''} at {self.address}"


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The processes that train together; `workers[0]` is the chief."""

    workers: tuple[str, ...]  # Addresses, host:port.
    servers: tuple[str, ...] = ()  # Those of parameter servers.
    job: str = WORKER  # Which of them this process is.
    task: int = 0

    def __post_init__(self) -> None:
        for address in (*self.workers, *self.servers):
            host, _, port = address.rpartition(":")
            if not (_HOST.fullmatch(host) and _PORT.fullmatch(port) and 0 < int(port) < 2**16):
                raise ValueError(f"{address!r} is no address; accepted: {_EXAMPLE}")
        twice = {each for each in (*self.workers, *self.servers) if (*self.workers, *self.servers).count(each) > 1}
        if twice:
            raise ValueError(f"{min(twice)}: two processes of the cluster cannot have one address")
        if self.job not in JOBS:
            raise ValueError(f"there is no job {self.job!r} here; accepted: {', '.join(JOBS)}")
        _check_place(self.job, self.task, self.workers if self.job == WORKER else self.servers)

    @property
    def machines(self) -> list[Machine]:
        """All of them, the chief first."""
        jobs = ((WORKER, self.workers), (SERVER, self.servers))
        return [Machine(job, task, address) for job, given in jobs for task, address in enumerate(given)]

    @property
    def this(self) -> Machine:
        return next(each for each in self.machines if (each.job, each.task) == (self.job, self.task))

    @property
    def others(self) -> list[Machine]:
        return [each for each in self.machines if each != self.this]

    def spec(self) -> dict[str, list[str]]:
        """Returns the cluster as TensorFlow's servers take it."""
        return {job: list(given) for job, given in ((WORKER, self.workers), (SERVER, self.servers)) if given}


def find(
    environment: Mapping[str, str], worker_hosts: str = "", ps_hosts: str = "", job: str = "", task: int | None = None
) -> Cluster | None:
    """Returns the cluster that flags name, or else TF_CONFIG; None where this process trains alone.

    Args:
        environment: With TF_CONFIG, or without.
        worker_hosts: Addresses of the workers, host:port,…; the first one is the chief.
        ps_hosts: Those of parameter servers, if there are any.
        job: Of JOBS; empty is a worker.
        task: This process's number among those of its job, from 0.

    Raises:
        ValueError: an address, the job or the number is none, or TF_CONFIG cannot be read.
    """
    if worker_hosts:
        if task is None:
            raise ValueError("--worker_hosts needs --task=N, the place of this machine's address in it, from 0")
        return _unless_alone(Cluster(_listed(worker_hosts), _listed(ps_hosts), job or WORKER, task))
    if ps_hosts or job:
        raise ValueError("--ps_hosts and --job go with --worker_hosts, the workers' addresses")
    return _of_tf_config(environment["TF_CONFIG"]) if environment.get("TF_CONFIG", "").strip() else None


def _of_tf_config(text: str) -> Cluster | None:
    try:
        given = json.loads(text)
        jobs, task = given.get("cluster") or {}, given.get("task") or {}
        workers, servers = [*map(str, jobs.get(WORKER, []))], [*map(str, jobs.get(SERVER, []))]
        chiefs = [str(each) for name in _CHIEFS for each in jobs.get(name, [])]
        job, number = str(task.get("type", WORKER)), int(task.get("index", 0))
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"TF_CONFIG cannot be read ({error}); it is JSON with cluster.worker, a list of addresses, and task.type"
            " and task.index; unset TF_CONFIG trains on this machine alone"
        ) from error
    if job == "evaluator":
        raise ValueError("TF_CONFIG: an evaluator is no part of the training; start it with --mode=eval")
    if not chiefs and not workers:
        return None
    try:
        if job in (*_CHIEFS, WORKER):  # Numbered each by itself there, and together here.
            _check_place(job, number, chiefs if job in _CHIEFS else workers)
            job, number = WORKER, number if job in _CHIEFS else number + len(chiefs)
        return _unless_alone(Cluster((*chiefs, *workers), tuple(servers), job, number))
    except ValueError as error:
        raise ValueError(f"TF_CONFIG: {error}") from error


def _check_place(job: str, task: int, addresses: Sequence[str]) -> None:
    """Raises ValueError if a job has no process of that number."""
    if not 0 <= task < len(addresses):
        known = f"0 to {len(addresses) - 1}" if addresses else "none, as no address is given"
        raise ValueError(f"there is no {job} {task}; those of this cluster are {known}")


def _unless_alone(cluster: Cluster) -> Cluster | None:
    return cluster if len(cluster.machines) > 1 else None


def _listed(hosts: str) -> tuple[str, ...]:
    return tuple(host.strip() for host in hosts.split(",") if host.strip())
