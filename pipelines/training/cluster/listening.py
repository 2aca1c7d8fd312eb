"""A server's port is this process's alone, and only the given address is listened on. Without TensorFlow.

TensorFlow's server has no authentication, and listens on all addresses of a machine, whatever address it is given. On
Linux a filter at its socket drops all packets to other addresses before anything answers them.
"""

from __future__ import annotations

import ctypes
import errno
import ipaddress
import os
import pathlib
import re
import socket
import struct
import sys

from pipelines.training.cluster.addresses import Cluster, Machine

ANY = "0.0.0.0"
_SO_ATTACH_FILTER = 26  # <asm-generic/socket.h>
# Classic BPF, <linux/bpf_common.h>: an operation, how far to jump if true and if false, and a number.
_LOAD_BYTE, _LOAD_WORD, _AND, _EQUAL, _RETURN = 0x30, 0x20, 0x54, 0x15, 0x06
_NETWORK_HEADER = 0xFFF00000  # SKF_NET_OFF, before an offset into the IP header.
_ACCEPT, _DROP = 0xFFFFFFFF, 0
_TARGET_OF_V4, _TARGET_OF_V6 = 16, 24  # Where the IP header has the address that a packet goes to.
_LISTENING = "0A"  # The state in /proc/net/tcp.


def claim(machine: Machine, listen: str | None = None) -> socket.socket:
    """Checks that a server can listen on a machine's address, and keeps other processes of ours from its port.

    Args:
        machine: The one that this process is.
        listen: The address to listen on where it is not the machine's, as behind a translated one.

    Returns:
        What keeps the port until it is closed.

    Raises:
        OSError: the port is taken, or the address is not this machine's.
        ValueError: the host has no address.
    """
    addresses = resolved(listen or machine.host)
    held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if sys.platform == "linux":
        try:
            held.bind(f"\0four-bar-drums server {machine.port}")  # Servers would share a port without a word.
        except OSError as error:
            held.close()
            raise _taken(machine) from error
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, machine.port))
            except OSError as error:
                held.close()
                if error.errno == errno.EADDRINUSE:
                    raise _taken(machine) from error
                raise OSError(
                    f"{machine}: {address} is no address of this machine ({socket.gethostname()}: {error.strerror});\n"
                    "  give each machine its own --task; --listen=ADDRESS is for machines behind a translated address"
                ) from error
    return held


def check_reachable(cluster: Cluster, listen: str | None = None) -> None:
    """Raises ValueError where this machine's name means itself alone, as /etc/hosts often has it."""
    this = cluster.this
    are_all_here = all(_is_loopback(_resolved_if_known(other.host)) for other in cluster.others)
    if not listen and not are_all_here and _is_loopback(resolved(this.host)):
        raise ValueError(
            f"{this}: on this machine that name is {resolved(this.host)[0]}, where no other one reaches it (see"
            " /etc/hosts); give the address that the others see"
        )


def only_at(port: int, host: str) -> bool:
    """Lets a server's socket hear nothing but what goes to a host's addresses.

    Args:
        port: On which a socket of this process listens.
        host: ANY filters nothing.

    Returns:
        Whether that is so; systems other than Linux have no such filter.
    """
    if host == ANY or sys.platform != "linux":
        return host == ANY
    code = _program([ipaddress.ip_address(address) for address in resolved(host)])
    buffer = ctypes.create_string_buffer(code)
    program = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
    found = _listening_sockets(port)
    for descriptor in found:
        with socket.socket(fileno=os.dup(descriptor)) as listening:
            listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    return bool(found)


def resolved(host: str) -> list[str]:
    """Returns a host's addresses.

    Raises:
        ValueError: there are none.
    """
    try:
        return sorted({found[4][0] for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)})
    except OSError as error:
        raise ValueError(f"{host}: this machine knows no address of it ({error.strerror or error})") from error


def _resolved_if_known(host: str) -> list[str]:
    """Returns a host's addresses; none while its name is not known, as before it has started."""
    try:
        return resolved(host)
    except ValueError:
        return []


def _program(allowed: list[ipaddress.IPv4Address | ipaddress.IPv6Address]) -> bytes:
    """Returns a filter that accepts packets to some addresses and drops all others."""
    lines: list[tuple[int, int, int, int]] = []
    for version, offset in ((4, _TARGET_OF_V4), (6, _TARGET_OF_V6)):
        tests = []
        for address in allowed:
            if address.version == version:
                words = struct.unpack(f"!{len(address.packed) // 4}I", address.packed)
                for number, word in enumerate(words):
                    left = 2 * (len(words) - number)  # Lines of this address after this one's load.
                    tests.append((_LOAD_WORD, 0, 0, _NETWORK_HEADER + offset + 4 * number))
                    tests.append((_EQUAL, 0, left - 1, word))
                tests.append((_RETURN, 0, 0, _ACCEPT))
        tests.append((_RETURN, 0, 0, _DROP))
        head = [(_LOAD_BYTE, 0, 0, _NETWORK_HEADER), (_AND, 0, 0, 0xF0), (_EQUAL, 0, len(tests), version << 4)]
        lines += [*head, *tests]
    lines.append((_RETURN, 0, 0, _DROP))
    return b"".join(struct.pack("@HBBI", *line) for line in lines)


def _listening_sockets(port: int) -> list[int]:
    """Returns this process's file descriptors of sockets that listen on a port."""
    inodes = set()
    for name in ("tcp", "tcp6"):
        path = pathlib.Path("/proc/self/net", name)
        for line in path.read_text(encoding="ascii").splitlines()[1:] if path.exists() else []:
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(fields[9])
    found = []
    for entry in pathlib.Path("/proc/self/fd").iterdir():
        try:
            target = str(entry.readlink())
        except OSError:  # Closed meanwhile.
            continue
        if (match := re.fullmatch(r"socket:\[(\d+)\]", target)) and match.group(1) in inodes:
            found.append(int(entry.name))
    return found


def _is_loopback(addresses: list[str]) -> bool:
    found = [ipaddress.ip_address(address.partition("%")[0]) for address in addresses]
    return bool(found) and all(address.is_loopback for address in found)


def _taken(machine: Machine) -> OSError:
    return OSError(
        errno.EADDRINUSE,
        f"{machine}: port {machine.port} is taken on this machine, by another program or a worker of the same --task;"
        " end that, or give another port to all machines",
    )
