"""Where a training step is computed: the devices of its towers, and who holds the variables.

A tower is a copy of the model that computes some examples of the batch, on a device of its own, with the variables of
all. Whatever the towers are, a step computes the same: what is drawn for an example depends on its place in the batch,
and each tower's loss counts as much as it has examples. Without TensorFlow.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable

from models.devices import HOST

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


@dataclasses.dataclass(frozen=True)
class Placement:
    """The devices of a training step; the defaults are one tower, wherever TensorFlow computes."""

    devices: tuple[str, ...] = ("",)  # Of the towers.
    holders: tuple[str, ...] = ()  # Of the variables, which are shared out evenly; none is as TensorFlow chooses.
    host: str = HOST  # The CPU of the process that reads the examples and writes checkpoints.

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


def of_gpus(num: int) -> Placement:
    """Returns the placement on the first `num` GPUs of a machine; without any, on its CPU."""
    if num < 2:
        return HERE
    gpus = tuple(f"/device:GPU:{number}" for number in range(num))
    return Placement(gpus, gpus)


def of_cpu_devices(num: int) -> Placement:
    """Returns the placement on `num` logical devices that share a machine's CPU: what several GPUs do, to be tried."""
    if num < 2:
        return HERE
    parts = tuple(f"/device:CPU:{number}" for number in range(num))
    return Placement(parts, parts)
