"""A port is one process's, and a server hears what goes to its address alone: with real sockets."""

import errno
import socket
import sys

import pytest

from pipelines.training.cluster import listening
from pipelines.training.cluster.addresses import Cluster, Machine
from tests.fleet import free_ports

FOREIGN = "198.51.100.1"  # Of no machine, as RFC 5737 has it.
SECS = 0.5  # A packet to this machine itself takes less.
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="a filter of Linux")


def machine(host: str = "127.0.0.1", port: int | None = None) -> Machine:
    return Machine("worker", 1, f"{host}:{port or free_ports(1)[0]}")


@pytest.fixture
def server():
    """A socket that listens on all addresses of this machine, as TensorFlow's server does."""
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as opened:
        yield opened


def is_heard(server: socket.socket, host: str) -> bool:
    """Whether the server hears what goes to an address of this machine: the connection, and bytes both ways."""
    try:
        with socket.create_connection((host, server.getsockname()[1]), timeout=SECS) as asking:
            answering, _ = server.accept()
            with answering:
                asking.sendall(b"question")
                assert answering.recv(100) == b"question"
                answering.sendall(b"answer")
                assert asking.recv(100) == b"answer"
        return True
    except TimeoutError:
        return False


def test_a_port_is_claimed_once_until_it_is_given_back():
    this = machine()
    with listening.claim(this):
        with pytest.raises(OSError, match=f"port {this.port} is taken on this machine") as caught:
            listening.claim(this)
        listening.claim(machine()).close()
    assert caught.value.errno == errno.EADDRINUSE
    assert f"{this}: port" in str(caught.value)
    assert "by another program or a worker of the same --task; end that, or give another port" in str(caught.value)
    listening.claim(this).close()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_port_of_another_program_is_refused(host):
    with socket.create_server(("127.0.0.1", 0)) as other:
        this = machine(host, other.getsockname()[1])
        with pytest.raises(OSError, match=f"port {this.port} is taken on this machine"):
            listening.claim(this)
    listening.claim(this).close()  # Nothing is left of the claim that failed.


@pytest.mark.parametrize("host", [FOREIGN, "[2001:db8::1]"])
def test_an_address_of_another_machine_is_refused(host):
    this = machine(host)
    with pytest.raises(OSError, match="is no address of this machine") as caught:
        listening.claim(this)
    message = str(caught.value)
    assert message.startswith(f"{this}: {this.host} is no address of this machine ({socket.gethostname()}: ")
    assert message.endswith(
        "give each machine its own --task; --listen=ADDRESS is for machines behind a translated address"
    )
    listening.claim(machine(port=this.port)).close()


def test_a_machine_behind_a_translated_address_listens_on_another():
    this = machine(FOREIGN)
    listening.claim(this, "127.0.0.1").close()
    with pytest.raises(OSError, match="is no address of this machine"):
        listening.claim(machine(), FOREIGN)


def test_claims_of_all_addresses_and_of_ipv6():
    listening.claim(machine(), listening.ANY).close()
    if socket.has_dualstack_ipv6():
        this = machine("[::1]")
        with socket.create_server(("::1", this.port), family=socket.AF_INET6), pytest.raises(OSError, match="is taken"):
            listening.claim(this)
        listening.claim(this).close()


@on_linux
@pytest.mark.parametrize(
    ("host", "heard", "others"),
    [
        ("127.0.0.2", ["127.0.0.2"], ["127.0.0.1", "::1"]),
        ("127.0.0.1", ["127.0.0.1"], ["127.0.0.2"]),
        ("::1", ["::1"], ["127.0.0.1"]),
    ],
)
def test_a_server_hears_its_address_alone(server, host, heard, others):
    assert all(is_heard(server, each) for each in (*heard, *others))
    assert listening.only_at(server.getsockname()[1], host)
    assert all(is_heard(server, each) for each in heard)
    assert not any(is_heard(server, each) for each in others)


@on_linux
def test_a_name_is_all_of_its_addresses(server):
    assert listening.only_at(server.getsockname()[1], "localhost")
    assert all(is_heard(server, each) for each in listening.resolved("localhost"))
    assert not is_heard(server, "127.0.0.2")


@on_linux
def test_each_of_several_addresses_is_heard(server, monkeypatch):
    monkeypatch.setattr(listening, "resolved", lambda _: ["127.0.0.2", "127.0.0.3", "::2", "::1"])
    assert listening.only_at(server.getsockname()[1], "a.name")
    assert all(is_heard(server, each) for each in ("127.0.0.2", "127.0.0.3", "::1"))
    assert not is_heard(server, "127.0.0.1")


@on_linux
def test_all_of_an_ipv6_address_counts(server):
    assert listening.only_at(server.getsockname()[1], "2001:db8::1")
    assert not is_heard(server, "::1")


@on_linux
def test_other_ports_of_the_process_hear_what_they_heard(server):
    with socket.create_server(("", 0)) as other:
        listening.only_at(server.getsockname()[1], "127.0.0.2")
        assert is_heard(other, "127.0.0.1")
        assert not is_heard(server, "127.0.0.1")


@on_linux
def test_an_ipv4_socket_is_filtered_too():
    with socket.create_server(("", 0)) as server:
        assert listening.only_at(server.getsockname()[1], "127.0.0.2")
        assert is_heard(server, "127.0.0.2")
        assert not is_heard(server, "127.0.0.1")


def test_all_addresses_are_no_filter(server):
    assert listening.only_at(server.getsockname()[1], listening.ANY)
    assert all(is_heard(server, each) for each in ("127.0.0.1", "::1"))


def test_where_nothing_listens_nothing_is_filtered():
    assert not listening.only_at(free_ports(1)[0], "127.0.0.1")


def test_systems_without_a_filter_say_so(monkeypatch, server):
    monkeypatch.setattr(listening.sys, "platform", "darwin")
    assert not listening.only_at(server.getsockname()[1], "127.0.0.2")
    assert listening.only_at(server.getsockname()[1], listening.ANY)
    assert is_heard(server, "127.0.0.1")


def test_a_name_that_others_see_elsewhere_is_refused():
    cluster = Cluster(("localhost:2222", f"{FOREIGN}:2222"))
    with pytest.raises(ValueError, match=r"^worker 0 \(the chief\) at localhost:2222: on this machine that name is"):
        listening.check_reachable(cluster)
    with pytest.raises(ValueError, match=r"where no other one reaches it \(see /etc/hosts\); give the address that"):
        listening.check_reachable(cluster)
    listening.check_reachable(cluster, "127.0.0.1")  # As was asked for.


@pytest.mark.parametrize(
    "workers",
    [
        ("localhost:2222", "127.0.0.1:2223", "[::1]:2224"),  # All of them are here.
        (f"{FOREIGN}:2222", "localhost:2222"),
        (f"{FOREIGN}:2222", "198.51.100.2:2222"),
    ],
)
def test_addresses_that_others_reach_are_not(workers):
    listening.check_reachable(Cluster(workers))


def test_a_host_without_an_address_is_told():
    with pytest.raises(ValueError, match=r"^no-such-host\.invalid: this machine knows no address of it \(.+\)$"):
        listening.resolved("no-such-host.invalid")
    with pytest.raises(ValueError, match="this machine knows no address of it"):
        listening.claim(machine("no-such-host.invalid"))


def test_hosts_are_resolved():
    assert "127.0.0.1" in listening.resolved("localhost")
    assert listening.resolved("10.0.0.1") == ["10.0.0.1"]
    assert listening.resolved("::1") == ["::1"]
