"""One process at a time trains in a run's folder; others may read there meanwhile."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterator

from pipelines.files import locks

LOCK_NAME = ".lock"  # Holds the id of the process; gone again when that ends, or free to take if it was killed.


@contextlib.contextmanager
def held(run_dir: str | os.PathLike[str]) -> Iterator[None]:
    """Keeps other processes from training in `run_dir`, which is made when missing.

    Raises:
        BlockingIOError: another process trains there; names its id.
        OSError: the folder cannot be written to.
    """
    run_dir = pathlib.Path(run_dir)
    path = run_dir / LOCK_NAME

    def refusal() -> str:
        return (
            f"{run_dir}: another process trains in this folder (process {_owner(path)});"
            " wait until it has ended, or give another --run_dir"
        )

    run_dir.mkdir(parents=True, exist_ok=True)
    with locks.held(path, refusal) as descriptor:
        try:
            with contextlib.suppress(OSError):  # On a full disk the lock holds without the id.
                os.ftruncate(descriptor, 0)
                os.write(descriptor, str(os.getpid()).encode())
            yield
        finally:
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                run_dir.rmdir()  # Made for nothing, if nothing else is in it.


def _owner(path: pathlib.Path) -> str:
    try:
        return path.read_text() or "unknown"
    except OSError:
        return "unknown"
