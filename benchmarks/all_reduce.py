"""How long the devices of this machine take to add up gradients: all-reduced in one message, and copied.

    python -m benchmarks.all_reduce --num_gpus=2            # by NCCL
    python -m benchmarks.all_reduce --num_cpu_devices=2     # in a ring, by TensorFlow itself

It is what `pipelines.train` does before it trains on several GPUs.
"""

from __future__ import annotations

from absl import flags

from pipelines import cli
from pipelines.training import all_reduce, placement


def define_flags() -> None:
    flags.DEFINE_integer("num_gpus", 0, "So many GPUs.", lower_bound=0)
    flags.DEFINE_integer("num_cpu_devices", 0, "So many devices that share the CPU.", lower_bound=0)


def main() -> None:
    args = flags.FLAGS
    where = placement.of_cpu_devices(args.num_cpu_devices, placement.RING)
    if args.num_gpus:
        where = placement.of_gpus(args.num_gpus, placement.NCCL)
    if len(where.devices) < 2:
        raise ValueError("--num_gpus=N or --num_cpu_devices=N, of two at least")
    trial = all_reduce.tried(where)
    if trial.failure:
        raise ValueError(trial.failure)
    print(trial)


if __name__ == "__main__":
    cli.run(main, define_flags)
