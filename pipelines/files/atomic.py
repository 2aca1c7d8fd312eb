"""Outputs that appear whole or not at all: written beside their place, then renamed into it."""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator

from pipelines.files import locks

STAGING_NAME = ".partial"  # New files of a folder, being written.
COMPLETE_NAME = ".complete"  # The same, all written: what is in it belongs into the folder around it.
_MANIFEST_NAME = ".manifest"


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """Yields a path to write to; on a clean exit it becomes `path`, on an error it is deleted.

    Args:
        path: The file to write. Its folder is made when missing.

    Raises:
        OSError: the folder cannot be made or written to, or the disk is full.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The ending stays last, because some writers choose the format by it.
    partial = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.partial{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_all(folder: str | os.PathLike[str], is_ours: Callable[[str], bool]) -> Iterator[pathlib.Path]:
    """Yields an empty folder to write to; on a clean exit its files replace those of `folder`, all at once.

    The moment is a rename: what is cut off before it leaves the old files, what is cut off after it is finished by
    `finish`, which everything that reads such a folder calls first.

    Args:
        folder: Where the files belong. It is made when missing; one process at a time can replace it.
        is_ours: Whether an older file of this name is to go, where no new one takes its place.

    Raises:
        BlockingIOError: another process is replacing the files of this folder.
        OSError: the folder cannot be made or written to, or the disk is full.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with locks.held(folder, lambda: f"{folder}: another process is writing to it; wait until it has ended"):
        finish(folder)
        staging = folder / STAGING_NAME
        shutil.rmtree(staging, ignore_errors=True)  # Of a process that was killed.
        staging.mkdir()
        try:
            yield staging
            old = {path.name for path in folder.iterdir() if is_ours(path.name)}
            obsolete = old - {path.name for path in staging.iterdir()}
            (staging / _MANIFEST_NAME).write_text("\n".join(sorted(obsolete)), encoding="utf-8")
            for path in staging.iterdir():
                sync(path)
            staging.rename(folder / COMPLETE_NAME)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            with contextlib.suppress(OSError):
                folder.rmdir()  # Made for nothing, if nothing else is in it.
            raise
        finish(folder)


def finish(folder: str | os.PathLike[str]) -> None:
    """Moves files into their places that a process which was killed in `replacing_all` had only made ready."""
    folder = pathlib.Path(folder)
    complete = folder / COMPLETE_NAME
    if not complete.is_dir():
        return
    manifest = complete / _MANIFEST_NAME
    if manifest.exists():  # It goes last; without it, everything is in its place.
        for name in manifest.read_text(encoding="utf-8").splitlines():
            (folder / name).unlink(missing_ok=True)
        for path in complete.iterdir():
            if path != manifest:
                path.replace(folder / path.name)
    shutil.rmtree(complete)


def sync(path: pathlib.Path) -> None:
    """Has the system write a file or folder to its disk before this returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_folder(folder: str | os.PathLike[str]) -> None:
    """Checks, before long work, that files can be made in `folder`, which need not exist yet; leaves nothing behind.

    Raises:
        OSError: they cannot; names `folder`.
    """
    folder = pathlib.Path(folder)
    nearest = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno), str(folder)) from error


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes `text` as UTF-8 to `path`, whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
