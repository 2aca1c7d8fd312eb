"""What a step takes on several devices: a model of what is started, computed and sent. Without TensorFlow.

A step takes the time to start its operations, which every device has in full, its arithmetic, which is shared out, and
two exchanges: each device fetches the variables from their holders, and the gradients come back. Who sends what to whom
is what `pipelines.training.placement`, `fetching` and `gradients` do: whole variables on the holder with the fewest
bytes; over several machines, one device of each fetches a variable and hands it on, and gradients are added up within
each machine first.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Sequence

NUM_DEVICES = (1, 2, 4, 8, 16, 32, 64)


@dataclasses.dataclass(frozen=True)
class Link:
    """What one direction of a wire takes; both are used at once."""

    bytes_per_sec: float
    message_secs: float = 0.0  # For each tensor, besides its bytes.
    step_secs: float = 0.0  # For each step that uses it at all.


@dataclasses.dataclass(frozen=True)
class Wires:
    """How devices are joined: machines of so many, by a link within and another between."""

    devices_per_machine: int
    within: Link
    between: Link


@dataclasses.dataclass(frozen=True)
class Step:
    """A step of a batch on one device."""

    start_secs: float  # Of starting its operations, however many examples there are.
    arithmetic_secs: float  # Of what grows with the examples.
    variables: tuple[int, ...]  # Bytes of each trainable variable, in the order in which they are made.


@dataclasses.dataclass(frozen=True)
class Taken:
    """What a step takes on so many devices, in seconds."""

    num_devices: int
    start_secs: float
    arithmetic_secs: float
    exchange_secs: float

    @property
    def secs(self) -> float:
        return self.start_secs + self.arithmetic_secs + self.exchange_secs


def predict(step: Step, num_devices: int, wires: Wires, batches: float = 1.0, evenly: bool = False) -> Taken:
    """Returns what a step takes.

    Args:
        step: On one device.
        num_devices: That share its batch.
        wires: That join them.
        batches: How many times larger the batch is than that of `step`.
        evenly: Exchanges as a ring all-reduce with even shares and without a cost of messages would, within machines
            and then between them, for comparison.

    Raises:
        ValueError: there is no device.
    """
    if num_devices < 1 or wires.devices_per_machine < 1:
        raise ValueError(f"{num_devices} devices, {wires.devices_per_machine} a machine; each is at least 1")
    exchange = _ring_secs if evenly else _exchange_secs
    return Taken(
        num_devices,
        step.start_secs,
        step.arithmetic_secs * batches / num_devices,
        exchange(step.variables, num_devices, wires),
    )


def holders(variables: Sequence[int], num_devices: int) -> list[int]:
    """Returns who holds each variable: in turn the device that has the fewest bytes, the first of several."""
    loads = [0] * num_devices
    found = []
    for size in variables:
        holder = loads.index(min(loads))
        loads[holder] += size
        found.append(holder)
    return found


class Traffic:
    """What goes over the wires while variables go out, or while gradients come back.

    Attributes:
        within: Bytes and messages of each ("out" or "in", device) that another device of its machine sends or gets.
        between: Those of each ("out" or "in", machine), over its network.
    """

    def __init__(self, devices_per_machine: int) -> None:
        self._per_machine = devices_per_machine
        self.within: dict[tuple[str, int], list[int]] = collections.defaultdict(lambda: [0, 0])
        self.between: dict[tuple[str, int], list[int]] = collections.defaultdict(lambda: [0, 0])

    def send(self, source: int, target: int, size: int) -> None:
        """Adds a tensor from one device to another; nothing where it is the same one."""
        if source == target:
            return
        ends, loads = (source, target), self.within
        machines = (source // self._per_machine, target // self._per_machine)
        if machines[0] != machines[1]:
            ends, loads = machines, self.between
        for way, end in zip(("out", "in"), ends, strict=True):
            load = loads[way, end]
            load[0] += size
            load[1] += 1

    def secs(self, wires: Wires) -> float:
        """Returns what the busiest device takes, and after it the busiest machine."""
        return _busiest(self.within, wires.within) + _busiest(self.between, wires.between)


def variables_out(variables: Sequence[int], num_devices: int, devices_per_machine: int) -> Traffic:
    """Returns what goes over the wires until each device has all variables."""
    traffic = Traffic(devices_per_machine)
    for number, (size, holder) in enumerate(zip(variables, holders(variables, num_devices), strict=True)):
        for members in _machines(num_devices, devices_per_machine):
            leader = _leader(members, number, holder)
            traffic.send(holder, leader, size)
            for device in members:
                traffic.send(leader, device, size)
    return traffic


def gradients_back(variables: Sequence[int], num_devices: int, devices_per_machine: int) -> Traffic:
    """Returns what goes over the wires until each holder has the sums of its gradients: the same way back."""
    traffic = Traffic(devices_per_machine)
    for number, (size, holder) in enumerate(zip(variables, holders(variables, num_devices), strict=True)):
        for members in _machines(num_devices, devices_per_machine):
            leader = _leader(members, number, holder)
            for device in members:
                traffic.send(device, leader, size)
            traffic.send(leader, holder, size)
    return traffic


def _machines(num_devices: int, devices_per_machine: int) -> list[range]:
    starts = range(0, num_devices, devices_per_machine)
    return [range(start, min(start + devices_per_machine, num_devices)) for start in starts]


def _leader(members: range, number: int, holder: int) -> int:
    """Returns which device of a machine sends and gets what belongs to a variable, as `placement.leader` does."""
    return holder if holder in members else members[number % len(members)]


def _exchange_secs(variables: Sequence[int], num_devices: int, wires: Wires) -> float:
    both = [way(variables, num_devices, wires.devices_per_machine) for way in (variables_out, gradients_back)]
    secs = sum(traffic.secs(wires) for traffic in both)
    if any(traffic.within for traffic in both):
        secs += wires.within.step_secs
    return secs + (wires.between.step_secs if any(traffic.between for traffic in both) else 0.0)


def _ring_secs(variables: Sequence[int], num_devices: int, wires: Wires) -> float:
    members = min(num_devices, wires.devices_per_machine)
    machines = -(-num_devices // wires.devices_per_machine)
    rings = ((members, wires.within), (machines, wires.between))
    return sum(2 * sum(variables) * (size - 1) / size / link.bytes_per_sec for size, link in rings)


def _busiest(loads: dict[tuple[str, int], list[int]], link: Link) -> float:
    return max((size / link.bytes_per_sec + number * link.message_secs for size, number in loads.values()), default=0.0)


@dataclasses.dataclass(frozen=True)
class Bounds:
    """What a step takes at the least and at the most arithmetic, for each number of GPUs."""

    least: list[Taken]
    most: list[Taken]


def bounds(steps: Sequence[Step], wires: Sequence[Wires], grows: bool = False, evenly: bool = False) -> Bounds:
    """Returns what the two steps take on `NUM_DEVICES`, each with its wires; the batch may grow with the GPUs."""
    return Bounds(
        *(
            [predict(step, num, joined, num if grows else 1, evenly) for num in NUM_DEVICES]
            for step, joined in zip(steps, wires, strict=True)
        )
    )


def efficiencies(taken: Sequence[Taken], grows: bool = False) -> list[float]:
    """Returns what part of each device's time is put to use, beside the first row, which is one device alone.

    Args:
        taken: Of rising numbers of devices.
        grows: Whether the batch grows with them.
    """
    alone = taken[0].secs
    return [alone / each.secs / (1 if grows else each.num_devices) for each in taken]


def pays_up_to(taken: Sequence[Taken], least: float = 0.5, grows: bool = False) -> int:
    """Returns the number of devices up to which each row is at least so efficient; arguments as of `efficiencies`."""
    last = taken[0].num_devices
    for each, efficiency in zip(taken, efficiencies(taken, grows), strict=True):
        if efficiency < least:
            break
        last = each.num_devices
    return last
