"""Disks that are soon full."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import subprocess
from collections.abc import Iterator

import pytest


@contextlib.contextmanager
def small(folder: pathlib.Path, kib: int) -> Iterator[pathlib.Path]:
    """Yields a folder on a file system of its own, of `kib` KiB; skips the test where that cannot be made."""
    folder.mkdir()
    mount = shutil.which("mount")
    options = ["-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder)]
    if not mount or os.geteuid() != 0 or subprocess.run([mount, *options], capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
