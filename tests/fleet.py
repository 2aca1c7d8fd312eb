"""Real processes that train one run together, as machines would: started, stopped, killed and read."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

ROOT = pathlib.Path(__file__).parents[1]
TINY = "--hparams=batch_size=6,enc_rnn_size=[8],dec_rnn_size=[6,6],z_size=4"


class Process:
    """One process of a fleet and what it prints."""

    def __init__(self, command: list[str], log_path: pathlib.Path, environment: dict[str, str]) -> None:
        self.log_path = log_path
        with log_path.open("w") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=os.environ | environment, stdout=log, stderr=subprocess.STDOUT
            )

    @property
    def text(self) -> str:
        return self.log_path.read_text()

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def send(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self, secs: float) -> int:
        """Returns the exit status; fails with what was printed if it has none in time."""
        try:
            return self._process.wait(secs)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.log_path.name} has not ended within {secs} s:\n{self.text}") from None

    def wait_for(self, text: str, secs: float = 60) -> None:
        """Waits until a text has been printed."""
        until = time.monotonic() + secs
        while text not in self.text:
            if time.monotonic() > until or not self.is_running:
                raise AssertionError(f"{self.log_path.name} has not said {text!r}:\n{self.text}")
            time.sleep(0.1)


class Fleet:
    """Processes on addresses of this machine that train one run."""

    def __init__(self, folder: pathlib.Path, records: pathlib.Path, num_workers: int, num_servers: int = 0) -> None:
        self.folder, self.run_dir, self._records = folder, folder / "run", records
        addresses = [f"127.0.0.1:{port}" for port in free_ports(num_workers + num_servers)]
        self.workers, self.servers = addresses[:num_workers], addresses[num_workers:]
        self._started: list[Process] = []

    def start(self, task: int, *flags: str, job: str = "worker", **environment: str) -> Process:
        """Starts the process of a number; `environment` is added to this one's."""
        command = [
            *(sys.executable, "-m", "pipelines.train", "--config=groovae_4bar", f"--run_dir={self.run_dir}"),
            *(f"--examples_path={self._records}/train.tfrecord", TINY, "--seed=3", "--precision=fp32"),
            *(f"--worker_hosts={','.join(self.workers)}", f"--task={task}", f"--job={job}"),
            *([f"--ps_hosts={','.join(self.servers)}"] if self.servers else []),
            *flags,
        ]
        log_path = self.folder / f"{job}{task}-{len(self._started)}.log"
        self._started.append(Process(command, log_path, {"OMP_NUM_THREADS": "1"} | environment))
        return self._started[-1]

    def start_all(self, *flags: str) -> list[Process]:
        """Starts all of them, the chief last; returns them with the chief first."""
        servers = [self.start(task, *flags, job="ps") for task in range(len(self.servers))]
        workers = [self.start(task, *flags) for task in reversed(range(len(self.workers)))]
        return [*reversed(workers), *servers]

    def end(self) -> None:
        for process in self._started:
            if process.is_running:
                process.send(signal.SIGKILL)


@contextlib.contextmanager
def of(folder: pathlib.Path, records: pathlib.Path, num_workers: int, num_servers: int = 0) -> Iterator[Fleet]:
    """Yields a fleet, none of which is left afterwards."""
    fleet = Fleet(folder, records, num_workers, num_servers)
    try:
        yield fleet
    finally:
        fleet.end()


def free_ports(num_ports: int) -> list[int]:
    opened = [socket.create_server(("127.0.0.1", 0)) for _ in range(num_ports)]
    ports = [each.getsockname()[1] for each in opened]
    for each in opened:
        each.close()
    return ports


def until(is_so: Callable[[], bool], secs: float = 10) -> None:
    """Waits until something is so; fails if it is not in time."""
    end = time.monotonic() + secs
    while not is_so():
        if time.monotonic() > end:
            raise AssertionError(f"not within {secs} s")
        time.sleep(0.05)
