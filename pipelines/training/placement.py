"""Where a training step is computed: the devices of its towers, and who holds the variables.

A tower is a copy of the model that computes some examples of the batch, on a device of its own, with the variables of
all. Whatever the towers are, a step computes the same: what is drawn for an example depends on its place in the batch,
and each tower's loss counts as much as it has examples. Without TensorFlow.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Callable, Sequence

from models.devices import HOST

# How the devices of a machine add up their gradients: copied to where the variable lies; or all-reduced in one message,
# by NVIDIA's NCCL, or around a ring by TensorFlow itself. auto is NCCL where it is found to work.
ALGORITHMS = AUTO, NCCL, RING, COPY = "auto", "nccl", "ring", "copy"
_VARIABLES = ("Variable", "VariableV2", "VarHandleOp")  # Types of operations.


@dataclasses.dataclass(frozen=True)
class Tower:
    """A part of the batch and where it is computed."""

    device: str  # TensorFlow's name; empty is wherever TensorFlow computes.
    first: int  # The number of its first example in the batch.
    size: int  # How many examples it has.

    @property
    def machine(self) -> str:
        """The part of the device's name that is its process's; empty without a cluster."""
        found = re.match(r"/job:[^/]+/task:\d+", self.device)
        return found.group() if found else ""


def by_machine(towers: Sequence[Tower]) -> list[list[Tower]]:
    """Returns the towers of each machine."""
    return [list(group) for _, group in itertools.groupby(towers, lambda tower: tower.machine)]


def leader(of_machine: Sequence[Tower], number: int, holder: str) -> Tower:
    """Returns which of a machine's towers sends and gets what belongs to a variable for all of them.

    Args:
        of_machine: The towers.
        number: The variable's, by which they take turns.
        holder: The device that it lies on; a tower there is its leader.
    """
    there = (tower for tower in of_machine if tower.device == holder)
    return next(there, of_machine[number % len(of_machine)])


@dataclasses.dataclass(frozen=True)
class Placement:
    """The devices of a training step; the defaults are one tower, wherever TensorFlow computes."""

    devices: tuple[str, ...] = ("",)  # Of the towers.
    holders: tuple[str, ...] = ()  # Of the variables, which are shared out evenly; none is as TensorFlow chooses.
    host: str = HOST  # The CPU of the process that reads the examples and writes checkpoints.
    all_reduce: str = COPY  # How gradients are added up, of `ALGORITHMS` but auto.

    @property
    def num_gpus(self) -> int:
        """How many of the devices are GPUs."""
        return sum("GPU" in device for device in self.devices)

    def towers(self, batch_size: int) -> list[Tower]:
        """Cuts a batch into parts that differ by one example at most; no tower is without any."""
        num = min(len(self.devices), batch_size)
        cuts = [batch_size * number // num for number in range(num + 1)]
        return [
            Tower(device, first, end - first)
            for device, first, end in zip(self.devices, cuts, cuts[1:], strict=False)  # Devices may be left over.
        ]

    def with_variables(self, device: str) -> Callable | str:
        """Returns what to give to `tf.device` where a graph makes variables: others than these go to `device`.

        Each variable goes to the holder that has the fewest bytes until then. What is made in a scope of a device
        within goes there, as with TensorFlow's own names of devices.
        """
        if not self.holders:
            return device
        loads = dict.fromkeys(self.holders, 0)

        def choose(operation) -> str:
            if operation.type not in _VARIABLES:
                return _merged(operation.device, device)
            if operation.name == "global_step":
                return self.host
            holder = min(loads, key=loads.get)
            dimensions = operation.get_attr("shape").dim
            loads[holder] += math.prod(dimension.size for dimension in dimensions)
            return holder

        return choose


def _merged(inner: str, outer: str) -> str:
    """Returns the device that a scope within another one means; what the inner one leaves open is the outer one's."""
    fields = {}
    for field in (*inner.split("/"), *outer.split("/")):
        if field:
            fields.setdefault(field.partition(":")[0], field)
    return "".join(f"/{field}" for field in fields.values())


HERE = Placement()


def of_gpus(num: int, all_reduce: str = COPY) -> Placement:
    """Returns the placement on the first `num` GPUs of a machine; without any, on its CPU."""
    return _of_devices("GPU", num, all_reduce)


def of_cpu_devices(num: int, all_reduce: str = COPY) -> Placement:
    """Returns the placement on `num` logical devices that share a machine's CPU: what several GPUs do, to be tried."""
    return _of_devices("CPU", num, all_reduce)


def _of_devices(kind: str, num: int, all_reduce: str) -> Placement:
    if num < 2:
        return HERE
    names = tuple(f"/device:{kind}:{number}" for number in range(num))
    return Placement(names, names, all_reduce=all_reduce)
