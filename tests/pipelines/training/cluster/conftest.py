"""Two servers of a cluster in this process, for what needs no process of its own. TensorFlow cannot stop a server."""

from __future__ import annotations

import dataclasses

import pytest

from pipelines.training.cluster.addresses import Cluster, Machine
from pipelines.training.cluster.server import Server
from tests.fleet import free_ports


@dataclasses.dataclass(frozen=True)
class Pair:
    """A chief and a worker; a second worker of their cluster is not there."""

    chief: Server
    worker: Server
    machines: list[Machine]  # The chief, the worker, and who is not there.


@pytest.fixture(scope="session")
def pair() -> Pair:
    """The chief listens on 127.0.0.1 alone, the worker on all addresses."""
    ports = free_ports(3)
    clusters = [Cluster(tuple(f"127.0.0.1:{port}" for port in ports), task=task) for task in range(2)]
    chief, worker = Server(clusters[0]), Server(clusters[1], listen="0.0.0.0", asked={"config": "groovae_4bar"})
    return Pair(chief, worker, clusters[0].machines)
