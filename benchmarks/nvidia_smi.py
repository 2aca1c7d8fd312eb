"""What `nvidia-smi` says of the first GPU: name, driver, memory in use, how busy it is. Needs no TensorFlow."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import subprocess
import threading
from collections.abc import Iterator

PROGRAM = "nvidia-smi"
NOT_THERE = f"{PROGRAM} is not there"
SAMPLE_EVERY_SECS = 0.5
TIMEOUT_SECS = 10
CARD = ("name", "driver_version", "compute_cap", "memory.total", "power.limit")


@dataclasses.dataclass
class Usage:
    """What was seen of the card while something ran; None where nothing could be seen.

    Attributes:
        peak_mib: The most memory in use, of all processes.
        busy_percent: The mean of what the driver calls utilization.
    """

    peak_mib: float | None = None
    busy_percent: float | None = None


def card() -> dict[str, str]:
    """Returns what CARD names of the first GPU.

    Raises:
        OSError: `nvidia-smi` is not there, or fails.
    """
    return dict(zip(CARD, query(*CARD), strict=True))


def query(*names: str) -> list[str]:
    """Returns values of the first GPU by `nvidia-smi`'s names, without their units.

    Raises:
        OSError: `nvidia-smi` is not there, or fails.
    """
    lines = _ask(f"--query-gpu={','.join(names)}")
    if not lines:
        raise OSError(f"{PROGRAM} names no GPU")
    return lines[0].split(", ")


def memory_by_process() -> dict[int, float]:
    """Returns the MiB that each process computing on a GPU holds, by its number; within a container often none.

    Raises:
        OSError: `nvidia-smi` is not there, or fails.
    """
    rows = [line.split(", ") for line in _ask("--query-compute-apps=pid,used_memory")]
    return {int(process): float(mib) for process, mib in rows if mib.replace(".", "").isdigit()}


@contextlib.contextmanager
def watched() -> Iterator[Usage]:
    """Yields what is filled with the card's usage within, once that has ended."""
    usage, ended, seen = Usage(), threading.Event(), []

    def watch() -> None:
        while True:
            try:
                seen.append([float(value) for value in query("memory.used", "utilization.gpu")])
            except (OSError, ValueError):
                return
            if ended.wait(SAMPLE_EVERY_SECS):
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield usage
    finally:
        ended.set()
        thread.join(TIMEOUT_SECS)
        if seen:
            usage.peak_mib = max(memory for memory, _ in seen)
            usage.busy_percent = round(sum(busy for _, busy in seen) / len(seen), 1)


def _ask(question: str) -> list[str]:
    if shutil.which(PROGRAM) is None:
        raise FileNotFoundError(NOT_THERE)
    command = [PROGRAM, question, "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECS, check=False)
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{PROGRAM} does not answer") from error
    if done.returncode:
        raise OSError(f"{PROGRAM} failed: {(done.stdout + done.stderr).strip() or 'it said nothing'}")
    return [line for line in done.stdout.splitlines() if line.strip()]
