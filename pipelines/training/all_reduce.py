"""How the GPUs of this machine add up gradients the fastest: all-reduced by NVIDIA's NCCL, or copied.

Both are tried before a run, with towers and messages as a training step has them, in a process of its own: on some
machines NCCL waits for ever, where the GPUs cannot reach each other's memory and the driver says that they can
(https://github.com/NVIDIA/nccl/issues/199).
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time

from models import magenta
from models.magenta import tf
from pipelines.training import gradients, placement
from pipelines.training.placement import COPY, NCCL, RING, Placement

WITHIN_SECS = 60  # TensorFlow's import and that of CUDA are in it.
_SIZES = (2**20, 2**18, 2**16, 2**12) * 5  # Of the gradients, in numbers: 27 MB, as much as the larger configs have.
_WARM_UP, _TIMES = 3, 10
_GPUS, _CPU = "gpus", "cpu"  # What the process is told to try.
_ROOT = pathlib.Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True)
class Trial:
    """What came of trying an algorithm beside copies."""

    secs: dict[str, float]  # By algorithm, the median time of adding up; empty if the trial failed.
    failure: str = ""  # Why it did.

    @property
    def fastest(self) -> str:
        """The algorithm to use."""
        return min(self.secs, key=self.secs.get) if self.secs else COPY

    def __str__(self) -> str:
        if self.failure:
            return self.failure
        return ", ".join(f"{name} {1000 * secs:.2g} ms" for name, secs in self.secs.items())


def tried(where: Placement, within_secs: float = WITHIN_SECS) -> Trial:
    """Tries a placement's algorithm on its devices, in a process of its own that is ended if it takes too long."""
    command = [sys.executable, "-m", __name__, _GPUS if where.num_gpus else _CPU, str(len(where.devices))]
    process = subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        out, err = process.communicate(timeout=within_secs)
    except subprocess.TimeoutExpired:
        return Trial({}, f"no answer within {within_secs:g} s")
    finally:
        process.kill()
        process.wait()
    if process.returncode:
        return Trial({}, _last_line(err) or f"status {process.returncode}")
    return Trial(**json.loads(out.splitlines()[-1]))


def measure(where: Placement) -> Trial:
    """Adds up numbers on the devices of a placement, by its algorithm and by copies, in this process."""
    num = len(where.devices)
    towers = where.towers(num)
    settings = magenta.session_config(where.num_gpus, 1 if where.num_gpus else num)
    settings.graph_options.rewrite_options.disable_meta_optimizer = True  # Else sums that nobody reads are left out.
    secs = {}
    with tf.Graph().as_default(), tf.Session(config=settings) as session:
        parts = [_drawn(number, tower.device) for number, tower in enumerate(towers)]
        holders = [parts[number % num][number] for number in range(len(_SIZES))]
        session.run(tf.global_variables_initializer())
        for algorithm in (where.all_reduce, COPY):
            sums = gradients.total(parts, towers, holders, algorithm)
            wrong = [tf.reduce_max(abs(each - _expected(num, size))) for each, size in zip(sums, _SIZES, strict=True)]
            if max(session.run(wrong)):
                return Trial({}, f"{algorithm} adds up wrongly")
            secs[algorithm] = _timed(session, tf.group(*sums))
    return Trial(secs)


def _drawn(number: int, device: str) -> list[tf.Variable]:
    """Returns what a tower has to add, whole numbers, so that there is one right sum."""
    with tf.device(device):
        return [
            tf.get_variable(f"of_{number}_{place}", initializer=_numbers(size) + number)
            for place, size in enumerate(_SIZES)
        ]


def _expected(num: int, size: int) -> tf.Tensor:
    return num * _numbers(size) + num * (num - 1) // 2


def _numbers(size: int) -> tf.Tensor:
    return tf.to_float(tf.range(size) % 1024)


def _timed(session: tf.Session, operation: tf.Operation) -> float:
    secs = []
    for _ in range(_WARM_UP + _TIMES):
        begun = time.perf_counter()
        session.run(operation)
        secs.append(time.perf_counter() - begun)
    return statistics.median(secs[_WARM_UP:])


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def _answer(kind: str, num: int) -> None:
    """Tries NCCL on GPUs, or a ring on devices of the CPU, and prints what came of it as JSON."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Its parent ends it.
    where = placement.of_gpus(num, NCCL) if kind == _GPUS else placement.of_cpu_devices(num, RING)
    if where.num_gpus > len(magenta.gpus()):
        sys.exit(f"TensorFlow finds {len(magenta.gpus())} GPUs, not {where.num_gpus}")
    try:
        found = measure(where)
    except tf.errors.OpError as error:
        sys.exit(error.message.strip().splitlines()[0])
    print(json.dumps(dataclasses.asdict(found)), flush=True)
    os._exit(0)  # Closing a GPU takes a second, and can hang as well.


if __name__ == "__main__":
    _answer(sys.argv[1], int(sys.argv[2]))
