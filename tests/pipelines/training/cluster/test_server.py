"""A process's server, which hears its own address alone, and what it says of itself."""

import json
import os
import socket
import sys

import pytest

from models import magenta
from models.devices import Card
from models.magenta import tf
from pipelines.training import options
from pipelines.training.cluster import messages, server
from pipelines.training.cluster.addresses import Cluster
from pipelines.training.cluster.server import About, Server
from tests.fleet import free_ports


def about(**values) -> About:
    return About(
        **{"num_gpus": 2, "num_cpu_devices": 1, "has_bf16": True, "asked": {"config": "groovae_4bar", "hparams": None}}
        | values
    )


def test_what_a_process_says_of_itself_is_read_by_another():
    assert About.of_text(about().to_text()) == about()
    assert (about().tensorflow, about().pid, about().name) == (tf.__version__, os.getpid(), socket.gethostname())


def changed(**values) -> str:
    return json.dumps(json.loads(about().to_text()) | values)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (changed(version=server.VERSION + 1), server.VERSION + 1),
        (changed(version=None), None),
        (changed(later="field"), server.VERSION),
        (json.dumps({"version": server.VERSION}), server.VERSION),
        ("{}", None),
        ("[]", None),
        ("1", None),
    ],
)
def test_what_another_version_says_is_refused(text, version):
    message = f"^it runs another version of this program \\({version}, not {server.VERSION}\\)$"
    with pytest.raises(ValueError, match=message):
        About.of_text(text)


def test_what_is_no_json_is_refused():
    with pytest.raises(ValueError, match="Expecting value"):
        About.of_text("something else")


def test_what_a_process_is_waits_in_its_queue(pair):
    chief, worker, _ = pair.machines
    text = messages.receive(pair.chief.target, chief, worker, messages.ABOUT, 10)
    messages.send(pair.chief.target, chief, worker, messages.ABOUT, text, 10)  # For whoever asks next.
    assert About.of_text(text) == pair.worker.about
    assert pair.worker.about.asked == {"config": "groovae_4bar"}
    assert pair.chief.about.asked == {}


def test_a_session_computes_on_both(pair):
    with (
        tf.Graph().as_default(),
        tf.Session(pair.chief.target, config=messages.settings(*pair.machines[:2])) as session,
    ):
        with tf.device("/job:worker/task:1/device:CPU:0"):
            there = tf.constant(3) * 2
        with tf.device("/job:worker/task:0/device:CPU:0"):
            here = there + 1
        assert session.run(here) == 7


def connects(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=0.5).close()
        return True
    except TimeoutError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="a filter of Linux")
def test_a_server_hears_the_address_that_it_is_to_listen_on(pair):
    chief, worker, _ = pair.machines
    assert pair.chief.hears_its_address_alone
    assert pair.worker.hears_its_address_alone  # All of this machine, as was asked for.
    assert [connects(host, chief.port) for host in ("127.0.0.1", "127.0.0.2")] == [True, False]
    assert [connects(host, worker.port) for host in ("127.0.0.1", "127.0.0.2")] == [True, True]


def test_a_port_that_is_taken_is_refused(pair):
    """TensorFlow's servers would share it without a word."""
    chief, worker, _ = pair.machines
    with pytest.raises(OSError, match=f"{worker}: port {worker.port} is taken on this machine"):
        Server(Cluster((chief.address, worker.address), task=1))
    port = free_ports(1)[0]
    with socket.create_server(("127.0.0.1", port)), pytest.raises(OSError, match=f"port {port} is taken"):
        Server(Cluster((chief.address, f"127.0.0.1:{port}"), task=1))


def test_an_address_that_is_not_this_machines_is_refused():
    with pytest.raises(OSError, match=r"198\.51\.100\.2 is no address of this machine"):
        Server(Cluster(("198.51.100.1:2222", "198.51.100.2:2222"), task=1))
    with pytest.raises(ValueError, match="on this machine that name is"):
        Server(Cluster(("localhost:2222", "198.51.100.1:2222")))


@pytest.mark.parametrize(
    ("job", "num_gpus", "expected"), [("worker", None, 3), ("worker", 2, 2), ("worker", 8, 3), ("ps", None, 0)]
)
def test_the_gpus_that_compute(job, num_gpus, expected, monkeypatch):
    monkeypatch.setattr(magenta, "cards", lambda: [Card("Hopper", (9, 0))] * 3)
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(3))
    cluster = Cluster(addresses[:2], addresses[2:], job, task=0)
    assert Server(cluster, devices=options.Devices(num_gpus)).about.num_gpus == expected


@pytest.mark.parametrize(("job", "expected"), [("worker", 3), ("ps", 1)])
def test_the_devices_that_share_the_cpu(job, expected):
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(3))
    cluster = Cluster(addresses[:2], addresses[2:], job, task=0)
    server = Server(cluster, devices=options.Devices(num_cpu_devices=3))
    assert server.about.num_cpu_devices == expected
    alone = tf.ConfigProto(device_filters=[cluster.this.device])  # The others of the cluster are not there.
    with tf.Session(server.target, config=alone) as session:
        assert sum(":CPU:" in device.name for device in session.list_devices()) == expected
