"""What this machine takes for what the scaling model predicts: TensorFlow's messages, and trainings in two processes.

Each process has a core of its own. Other work on the machine is seen in the seconds of a step, hardly in those of the
processor's time; both are measured.
"""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from benchmarks import command, contenders, scaling_model
from benchmarks.scaling_work import FLOAT_BYTES
from models.magenta import tf
from pipelines.runs import metrics_log

BIG_BYTES, NUM_SMALL, TIMES = 2**24, 64, 40
FIRST_STEP, NUM_STEPS = 1, 10  # What is timed lies between.
_POLL_SECS, _LIMIT_SECS = 0.05, 300


@dataclasses.dataclass(frozen=True)
class Pace:
    """A training's step: its seconds, and those of processor time that each process has spent on it."""

    secs: float
    cpu_secs: tuple[float, ...]


def loopback(cores: tuple[int, int]) -> scaling_model.Link:
    """Measures tensors that two processes fetch from each other at once over 127.0.0.1, each on its core.

    A step that fetches a single number each way, one that fetches 64, and one of 16 MiB in one tensor; medians.
    """
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    other = multiprocessing.get_context("spawn").Process(target=_serve, args=(addresses, 1, cores[1]), daemon=True)
    other.start()
    try:
        with _on_core(cores[0]):
            server = tf.train.Server({"worker": addresses}, job_name="worker", task_index=0)
            one, many, big = (_fetch_secs(server.target, *shape) for shape in ((1, 1), (NUM_SMALL, 1), (1, BIG_BYTES)))
    finally:
        other.kill()
        other.join()
    return scaling_model.Link(BIG_BYTES / (big - one), (many - one) / (NUM_SMALL - 1), one)


def train(task: contenders.Task, cores: Sequence[int], folder: pathlib.Path) -> Pace:
    """Trains for some steps, a process a core, and returns a step's time.

    Raises:
        ValueError: a process failed; the message says which one, and where it says why.
    """
    folder.mkdir(parents=True)
    line = [
        *(sys.executable, "-m", "pipelines.train", f"--run_dir={folder / 'run'}", *task.flags()),
        *(f"--num_steps={2 * NUM_STEPS}", "--seed=1", "--precision=fp32", "--save_checkpoints_secs=3600"),
    ]
    hosts = ",".join(f"127.0.0.1:{port}" for port in free_ports(len(cores)))
    processes = []
    try:
        for number, core in reversed(list(enumerate(cores))):  # The chief last.
            more = [f"--worker_hosts={hosts}", f"--task={number}"] if len(cores) > 1 else []
            processes.append(_start([*line, *more], core, folder / f"process{number}.txt"))
        return _watch(processes, folder / "run")
    finally:
        for process in processes:
            process.kill()
            process.wait()


def median(paces: Sequence[Pace], of_processor: bool) -> float:
    """Returns the median seconds of a step; of the processor's time that of the process with the most."""
    return statistics.median(max(pace.cpu_secs) if of_processor else pace.secs for pace in paces)


def split(whole_secs: float, half_secs: float, variables: Sequence[int]) -> scaling_model.Step:
    """Returns a step as what stays and what grows with the batch, from a step of the batch and of half of it."""
    arithmetic = 2 * (whole_secs - half_secs)
    return scaling_model.Step(whole_secs - arithmetic, arithmetic, tuple(variables))


def _start(line: list[str], core: int, log_path: pathlib.Path) -> subprocess.Popen:
    environment = os.environ | command.VARIABLES | {"OMP_NUM_THREADS": "1"}
    with log_path.open("wb") as log, _on_core(core):  # What is started inherits it.
        return subprocess.Popen(line, stdout=log, stderr=subprocess.STDOUT, env=environment)


def _watch(processes: list[subprocess.Popen], run_dir: pathlib.Path) -> Pace:
    """Returns the pace from the row of `FIRST_STEP` to that of `NUM_STEPS`."""
    seen: dict[int, tuple[float, list[float]]] = {}
    until = time.monotonic() + _LIMIT_SECS
    while NUM_STEPS not in seen:
        if time.monotonic() > until or any(process.poll() for process in processes):
            raise ValueError(f"a training failed or took over {_LIMIT_SECS} s; {run_dir.parent} has what it said")
        for row in metrics_log.read(run_dir):
            if row["step"] not in seen:
                seen[row["step"]] = row["secs"], [_cpu_secs(process.pid) for process in processes]
        time.sleep(_POLL_SECS)
    (begun, cpu_begun), (done, cpu_done) = seen[FIRST_STEP], seen[NUM_STEPS]
    num = NUM_STEPS - FIRST_STEP
    return Pace((done - begun) / num, tuple((b - a) / num for a, b in zip(cpu_begun, cpu_done, strict=True)))


def _cpu_secs(pid: int) -> float:
    """Returns the processor's time that a process has spent, all of its threads; 0 where it has ended."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _fetch_secs(target: str, num_tensors: int, size: int) -> float:
    """Returns the median seconds of a step in which each task fetches so many tensors of `size` bytes of the other."""
    tasks = ("/job:worker/task:0/cpu:0", "/job:worker/task:1/cpu:0")
    fetches = []
    with tf.Graph().as_default():
        for source, fetcher in (tasks, tasks[::-1]):
            with tf.device(source):
                shape = [-(-size // FLOAT_BYTES)]
                names = [f"of_task_{tasks.index(source)}_{number}" for number in range(num_tensors)]
                variables = [tf.get_variable(name, shape, trainable=False) for name in names]
            with tf.device(fetcher):
                fetches.append(tf.stack([tf.identity(variable)[0] for variable in variables]).op)
        settings = tf.ConfigProto(isolate_session_state=True)
        settings.graph_options.rewrite_options.disable_meta_optimizer = True  # Else the first number alone is sent.
        with tf.Session(target, config=settings) as session:
            session.run(tf.global_variables_initializer())
            secs = []
            for _ in range(TIMES):
                started = time.perf_counter()
                session.run(fetches)
                secs.append(time.perf_counter() - started)
    return statistics.median(secs)


def _serve(addresses: list[str], task: int, core: int) -> None:
    os.sched_setaffinity(0, {core})
    tf.train.Server({"worker": addresses}, job_name="worker", task_index=task).join()


@contextlib.contextmanager
def _on_core(core: int) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_ports(num_ports: int) -> list[int]:
    """Returns ports of this machine that nothing listens on."""
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(num_ports)]
        return [each.getsockname()[1] for each in opened]


def middle(links: Sequence[scaling_model.Link]) -> scaling_model.Link:
    """Returns the median of each of the links' figures."""
    return scaling_model.Link(*(statistics.median(each) for each in zip(*map(dataclasses.astuple, links), strict=True)))
