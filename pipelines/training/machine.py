"""The devices of this machine: which of them compute a step, what is said of them, and a session with them."""

from __future__ import annotations

import dataclasses

from models import magenta
from models.magenta import tf
from pipelines.training import all_reduce, options, placement
from pipelines.training.placement import AUTO, COPY, NCCL, RING, Placement
from pipelines.training.replicas import Replica

_WAYS = {NCCL: "all-reduced by NCCL", RING: "all-reduced in a ring", COPY: "copied to where their variable lies"}


def placement_of(devices: options.Devices, replica: Replica) -> Placement:
    """Returns where this process computes a step: on all of its GPUs, or as many as are asked for, or on its CPU.

    Workers of Magenta's kind compute on one device each. How several GPUs add up gradients is tried, unless it is asked
    for.

    Raises:
        ValueError: NCCL was asked for, and there are devices on the CPU.
    """
    if replica.master:
        return placement.HERE
    num_gpus = len(magenta.gpus()) if devices.num_gpus is None else min(devices.num_gpus, len(magenta.gpus()))
    if num_gpus:
        where = placement.of_gpus(num_gpus, devices.all_reduce)
    else:
        where = placement.of_cpu_devices(devices.num_cpu_devices, devices.all_reduce)
        if where.all_reduce == NCCL:
            raise ValueError("--all_reduce_alg=nccl: NCCL adds up on GPUs; =ring does on the CPU")
    if where.all_reduce != AUTO:
        return where
    return dataclasses.replace(where, all_reduce=_fastest(num_gpus) if num_gpus else COPY)


def describe(where: Placement, batch_size: int, lines: list[str]) -> list[str]:
    """Returns lines that say what computes a step; `lines` say what the machine has, or the machines."""
    if len(where.devices) == 1:
        return lines
    sizes = sorted({tower.size for tower in where.towers(batch_size)})
    shares = " or ".join(map(str, sizes))
    return [*lines, f"{len(where.towers(batch_size))} towers of {shares} examples, gradients {_WAYS[where.all_reduce]}"]


def session_settings(where: Placement) -> tf.ConfigProto:
    """Returns the settings of a session with the devices of a placement."""
    is_on_cpu = bool(where.devices[0]) and not where.num_gpus
    return magenta.session_config(0 if is_on_cpu else max(1, where.num_gpus), len(where.devices) if is_on_cpu else 1)


def _fastest(num_gpus: int) -> str:
    """Returns how so many GPUs add up gradients the fastest, as tried; says what came of it."""
    print(f"NCCL      is tried on {num_gpus} GPUs", flush=True)
    trial = all_reduce.tried(placement.of_gpus(num_gpus, NCCL))
    print(f"          {trial}{'; gradients are copied' if trial.failure else ''}", flush=True)
    return trial.fastest
