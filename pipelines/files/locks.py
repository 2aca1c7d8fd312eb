"""One process at a time: locks on files and folders, which the system gives back however their owner ends."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pathlib
import time
from collections.abc import Callable, Iterator

LOCK_SECS = 2.0  # A process that was killed while it started another one holds its locks until that one runs.


@contextlib.contextmanager
def held(path: pathlib.Path, refusal: Callable[[], str]) -> Iterator[int]:
    """Holds the lock of a folder or file, and yields its descriptor; a file is made when missing, and may be deleted.

    Raises:
        BlockingIOError: another process still holds it after `LOCK_SECS`; says what `refusal` returns.
        OSError: there is no such folder, or the file cannot be made.
    """
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    give_up = time.monotonic() + LOCK_SECS
    while True:
        descriptor = os.open(path, flags, 0o666)
        try:
            if _try_lock(descriptor) and _is_still(path, descriptor):
                yield descriptor
                return
        finally:
            os.close(descriptor)
        if time.monotonic() > give_up:
            raise BlockingIOError(refusal())
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
    """Whether the locked one is at `path`: its last owner may have deleted it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
