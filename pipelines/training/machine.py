"""The devices of this machine: which of them compute a step, what is said of them, and a session with them."""

from __future__ import annotations

from models import magenta
from models.magenta import tf
from pipelines.training import options, placement
from pipelines.training.placement import Placement
from pipelines.training.replicas import Replica


def placement_of(devices: options.Devices, replica: Replica) -> Placement:
    """Returns where this process computes a step: on all of its GPUs, or as many as are asked for, or on its CPU.

    Workers of Magenta's kind compute on one device each.
    """
    if replica.master:
        return placement.HERE
    num_gpus = len(magenta.gpus()) if devices.num_gpus is None else min(devices.num_gpus, len(magenta.gpus()))
    if num_gpus:
        return placement.of_gpus(num_gpus)
    return placement.of_cpu_devices(devices.num_cpu_devices)


def describe(where: Placement, batch_size: int, lines: list[str]) -> list[str]:
    """Returns lines that say what computes a step; `lines` say what the machine has, or the machines."""
    if len(where.devices) == 1:
        return lines
    sizes = sorted({tower.size for tower in where.towers(batch_size)})
    shares = " or ".join(map(str, sizes))
    return [*lines, f"{len(where.towers(batch_size))} towers of {shares} examples"]


def session_settings(where: Placement) -> tf.ConfigProto:
    """Returns the settings of a session with the devices of a placement."""
    num_gpus = sum("GPU" in device for device in where.devices)
    is_on_cpu = bool(where.devices[0]) and not num_gpus
    return magenta.session_config(0 if is_on_cpu else max(1, num_gpus), len(where.devices) if is_on_cpu else 1)
