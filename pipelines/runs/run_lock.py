"""One process at a time trains in a run's folder; others may read there meanwhile."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pathlib
import time
from collections.abc import Iterator

LOCK_NAME = ".lock"  # Holds the id of the process; gone again when that ends, or free to take if it was killed.
LOCK_SECS = 2.0  # A process that was killed while it started another one holds its locks until that one runs.


@contextlib.contextmanager
def held(run_dir: str | os.PathLike[str]) -> Iterator[None]:
    """Keeps other processes from training in `run_dir`, which is made when missing.

    Raises:
        BlockingIOError: another process trains there; names its id.
        OSError: the folder cannot be written to.
    """
    run_dir = pathlib.Path(run_dir)
    run_dir.mkdir(parents=True, exist_ok=True)
    path = run_dir / LOCK_NAME
    descriptor = _acquire(path)
    try:
        with contextlib.suppress(OSError):  # On a full disk the lock holds without the id.
            os.ftruncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)
        with contextlib.suppress(OSError):
            run_dir.rmdir()  # Made for nothing, if nothing else is in it.


def _acquire(path: pathlib.Path) -> int:
    """Returns the descriptor of the locked file."""
    give_up = time.monotonic() + LOCK_SECS
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if _try_lock(descriptor) and _is_still(path, descriptor):
                return descriptor
            if time.monotonic() > give_up:
                raise BlockingIOError(
                    f"{path.parent}: another process trains in this folder (process {_owner(path)});"
                    " wait until it has ended, or give another --run_dir"
                )
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        time.sleep(LOCK_SECS / 20)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # Some network folders have no locks; there it is up to the user.
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL):
            raise
    return True


def _is_still(path: pathlib.Path, descriptor: int) -> bool:
    """Whether the locked file is the one at `path`: its last owner deletes it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _owner(path: pathlib.Path) -> str:
    try:
        return path.read_text() or "unknown"
    except OSError:
        return "unknown"
