"""Checkpoints are found by folder, prefix or tar. Needs no TensorFlow."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import sys
import tarfile
import tempfile
from collections.abc import Iterator

from models import checkpoint_files, tensor_bundle

AVERAGE = "ExponentialMovingAverage"  # What TensorFlow calls a variable's average, behind its name.
_COPIED_BYTES = 1 << 18  # At once, out of a tar: with tarfile's own 16 KiB a compressed one takes a third longer.


def newest(train_dir: str | os.PathLike[str]) -> str | None:
    """Returns the prefix of the newest checkpoint in a folder that can be read, `…/model.ckpt-N`, or None.

    One that cannot be read, as after a disk's fault, is named on stderr, and the one before it counts.

    Raises:
        ValueError: there are checkpoints, and none can be read.
    """
    unreadable = []
    for prefix in checkpoint_files.newest_first(train_dir):
        problem = _problem(prefix)
        if problem and not checkpoint_files.is_complete(prefix):
            continue  # Deleted meanwhile, by a process that trains there and keeps only so many.
        if not problem:
            going_back = f"going back to {pathlib.Path(prefix).name}"
            for other, its_problem in unreadable:
                print(f"{other}: cannot be read ({its_problem}); {going_back}", file=sys.stderr)
            return prefix
        unreadable.append((prefix, problem))
    if unreadable:
        raise ValueError(
            f"{train_dir}: none of its {len(unreadable)} checkpoints can be read"
            f" ({pathlib.Path(unreadable[0][0]).name}: {unreadable[0][1]}); delete them, or give another folder"
        )
    return None


def _problem(prefix: str) -> str:
    """Returns why a checkpoint cannot be read; empty if it can. Reading compares checksums."""
    try:
        modified_ns = tuple(path.stat().st_mtime_ns for path in checkpoint_files.files_of(prefix))
        return _problem_of_files(prefix, modified_ns)
    except OSError as error:
        return type(error).__name__


@functools.lru_cache(maxsize=4)
def _problem_of_files(prefix: str, _modified_ns: tuple[int, ...]) -> str:
    try:
        tensor_bundle.read(prefix)
    except ValueError as error:
        return str(error).removeprefix(f"{prefix}: the checkpoint cannot be read (").removesuffix(")")
    return ""


@contextlib.contextmanager
def unpacked(path: str | os.PathLike[str]) -> Iterator[str]:
    """Yields the prefix of the checkpoint at `path`.

    Args:
        path: A folder of checkpoints (the newest counts), a prefix, one of its files, or a tar as Magenta publishes.

    Raises:
        FileNotFoundError: there is none.
        ValueError: the tar is damaged or has no checkpoint in it.
    """
    path = pathlib.Path(path).expanduser()
    if path.is_dir():
        prefix = newest(path) or newest(path / "train")
        if not prefix:
            raise FileNotFoundError(f"{path}: no checkpoint in this folder")
        yield prefix
    elif path.is_file() and tarfile.is_tarfile(path):
        with tempfile.TemporaryDirectory() as folder:
            yield _unpack(path, folder)
    else:
        prefix = str(path)
        for ending in (".index", ".meta", ".data-00000-of-00001"):
            prefix = prefix.removesuffix(ending)
        if not checkpoint_files.is_complete(prefix):
            raise FileNotFoundError(f"{path}: no such checkpoint (give a prefix such as model.ckpt-1000, or a .tar)")
        yield prefix


def _unpack(path: pathlib.Path, folder: str) -> str:
    try:
        with tarfile.open(path, copybufsize=_COPIED_BYTES) as tar:
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise ValueError(f"{path}: cannot be unpacked ({error}); download it again") from error
    indices = sorted(pathlib.Path(folder).rglob("*.index"))
    if not indices:
        raise ValueError(f"{path}: has no checkpoint in it (no *.index)")
    return str(indices[0].with_suffix(""))


def step_in(path: str) -> int:
    """Returns the step that is written in a checkpoint; its name need not have it."""
    return int(tensor_bundle.read(path)["global_step"])
