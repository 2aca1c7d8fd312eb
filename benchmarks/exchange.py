"""Two ways to exchange gradients over machines, in processes of this one: which is faster, and what if one is lost.

    python -m benchmarks.exchange --config=hier-drums_4bar_small --num_processes=2

What is sent in a step is that of the config's training step, without its arithmetic. `copy` is what training does:
each variable lies on one machine, which gets the gradients and sends the variable. `ring` is TensorFlow's
`CollectiveReduce`: each machine has all variables, and one message of all gradients goes around. At the end one process
is killed in the middle of a step.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import statistics
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection

from absl import flags

from benchmarks import scaling_measure, scaling_work
from models.magenta import session_config, tf
from pipelines import cli
from pipelines.training import gradients
from pipelines.training.placement import COPY, RING, Placement, Tower

WAYS = (COPY, RING)
RATE = 1e-3
WARM_UP = 5
LOST_LIMIT_SECS = 60
_LEADER = "/job:worker/replica:0/task:0"  # Who tells the members of a ring of each other.


@dataclasses.dataclass(frozen=True)
class Exchange:
    """What came of a way.

    Attributes:
        secs: Of a step, the median.
        range: The fastest and the slowest step.
        lost_secs: From the death of a process to the end of the step; None where it has none within `LOST_LIMIT_SECS`.
    """

    secs: float
    range: tuple[float, float]
    lost_secs: float | None


def measure(way: str, variables: Sequence[int], num_processes: int, num_steps: int) -> Exchange:
    """Exchanges variables of so many bytes between new processes, and kills one of them.

    Raises:
        ValueError: the exchange failed.
    """
    context = multiprocessing.get_context("spawn")
    addresses = [f"127.0.0.1:{port}" for port in scaling_measure.free_ports(num_processes)]
    ours, theirs = context.Pipe()
    others = [context.Process(target=_serve, args=(addresses, task), daemon=True) for task in range(1, num_processes)]
    chief = context.Process(target=_lead, args=(addresses, way, variables, num_steps, theirs), daemon=True)
    try:
        for process in (*others, chief):
            process.start()
        theirs.close()  # Else the end of the chief would not be seen.
        secs = ours.recv()
        others[-1].kill()
        started = time.monotonic()
        is_over = ours.poll(LOST_LIMIT_SECS)
        lost_secs = time.monotonic() - started if is_over else None
    except EOFError as error:
        raise ValueError(f"{way}: the exchange failed") from error
    finally:
        for process in (*others, chief):
            process.kill()
            process.join()
    return Exchange(statistics.median(secs), (min(secs), max(secs)), lost_secs)


def _serve(addresses: list[str], task: int) -> None:
    _server(addresses, task).join()


def _server(addresses: list[str], task: int) -> tf.train.Server:
    return tf.train.Server({"worker": addresses}, job_name="worker", task_index=task, config=_settings())


def _settings() -> tf.ConfigProto:
    settings = session_config()
    settings.experimental.collective_group_leader = _LEADER
    settings.graph_options.rewrite_options.disable_meta_optimizer = True  # Else what nobody reads is not sent.
    return settings


def _lead(addresses: list[str], way: str, variables: Sequence[int], num_steps: int, results: Connection) -> None:
    """Sends the seconds of each step, and, when a step fails after that, a text."""
    server = _server(addresses, 0)
    devices = tuple(f"/job:worker/task:{task}/device:CPU:0" for task in range(len(addresses)))
    with tf.Graph().as_default(), tf.Session(server.target, config=_settings()) as session:
        step = {COPY: _by_copies, RING: _in_a_ring}[way](devices, variables)
        session.run(tf.global_variables_initializer())
        secs = []
        for _ in range(WARM_UP + num_steps):
            started = time.perf_counter()
            session.run(step)
            secs.append(time.perf_counter() - started)
        results.send(secs[WARM_UP:])
        try:
            while True:
                session.run(step)
        except tf.errors.OpError as error:
            results.send(error.message)
        os._exit(0)  # Closing a session over a machine that is gone can take long.


def _by_copies(devices: tuple[str, ...], variables: Sequence[int]) -> tf.Operation:
    """Returns the step of variables that are shared out over the devices."""
    towers = [Tower(device, number, 1) for number, device in enumerate(devices)]
    with tf.device(Placement(devices, devices).with_variables("")):
        held = [tf.get_variable(f"variable_{number}", [_floats(size)]) for number, size in enumerate(variables)]
    of_towers = []
    for tower in towers:
        with tf.device(tower.device):
            here = [tf.identity(variable) for variable in held]
            of_towers.append(_gradients(tower.device, here, variables))
    summed = gradients.total(of_towers, towers, held)
    updates = []
    for variable, gradient in zip(held, summed, strict=True):
        with tf.device(variable.device):
            updates.append(tf.assign_sub(variable, RATE * gradient).op)
    return tf.group(*updates)


def _in_a_ring(devices: tuple[str, ...], variables: Sequence[int]) -> tf.Operation:
    """Returns the step of variables that each device has, all as one."""
    updates = []
    for number, device in enumerate(devices):
        with tf.device(device):
            held = tf.get_variable(f"copy_{number}", [_floats(sum(variables))])
            message = tf.concat(_gradients(device, [held], variables), axis=0)
            total = tf.raw_ops.CollectiveReduce(
                input=message,
                group_size=len(devices),
                group_key=1,
                instance_key=1,
                merge_op="Add",
                final_op="Id",
                subdiv_offsets=[0],
                communication_hint=RING,
            )
            updates.append(tf.assign_sub(held, RATE * total).op)
    return tf.group(*updates)


def _gradients(device: str, read: Sequence[tf.Tensor], variables: Sequence[int]) -> list[tf.Tensor]:
    """Returns what a device has computed once it has read the variables: numbers that it has had before."""
    name = device.translate(str.maketrans("/:", "__"))
    made = [
        tf.get_variable(f"gradient{name}_{number}", [_floats(size)], trainable=False)
        for number, size in enumerate(variables)
    ]
    with tf.control_dependencies([tensor.op for tensor in read]):
        return [tf.identity(gradient) for gradient in made]


def _floats(size: int) -> int:
    return size // scaling_work.FLOAT_BYTES


def define_flags() -> None:
    flags.DEFINE_string("config", "hier-drums_4bar_small", "One of this project's configs.")
    flags.DEFINE_integer("num_processes", 2, "That exchange.", lower_bound=2)
    flags.DEFINE_integer("num_steps", 40, "That are timed, in each run.", lower_bound=1)
    flags.DEFINE_integer("runs", 3, "Of each way, in turn; their medians count.", lower_bound=1)


def main() -> None:
    args = flags.FLAGS
    work = scaling_work.of_config(args.config)
    print(f"{args.config}: {len(work.sizes)} variables, {sum(work.sizes) / 1e6:.1f} MB; {args.num_processes} processes")
    print("| | ms a step | fastest, slowest | a process killed: the step ends after |")
    print("| --- | --- | --- | --- |")
    found: dict[str, list[Exchange]] = {way: [] for way in WAYS}
    for _ in range(args.runs):
        for way in WAYS:
            found[way].append(measure(way, work.sizes, args.num_processes, args.num_steps))
    for way, runs in found.items():
        ms = statistics.median(each.secs for each in runs) * 1e3
        fastest, slowest = (pick(each.range[end] for each in runs) * 1e3 for end, pick in ((0, min), (1, max)))
        print(f"| {way} | {ms:.1f} | {fastest:.1f}, {slowest:.1f} | {_ends(runs)} |", flush=True)


def _ends(runs: Sequence[Exchange]) -> str:
    lost = [each.lost_secs for each in runs]
    if None in lost:
        return f"not within {LOST_LIMIT_SECS} s ({lost.count(None)} of {len(lost)} runs)"
    return f"{statistics.median(lost):.1f} s"


if __name__ == "__main__":
    cli.run(main, define_flags)
