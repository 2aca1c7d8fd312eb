"""Files by a glob: a path that is there is meant as it stands, whatever its name looks like."""

from __future__ import annotations

import glob
import pathlib


def matching(given: str) -> list[str]:
    """Returns the path itself if something is there, else what matches it as a glob, sorted."""
    path = pathlib.Path(given).expanduser()
    if path.exists():
        return [str(path)]
    return sorted(glob.glob(str(path)))  # noqa: PTH207  A pattern can be absolute, which Path.glob does not take.


def beside(given: str, name: str) -> str:
    """Returns a glob of `name`, one itself, in the folder of a path or a glob."""
    folder = pathlib.Path(given).expanduser().parent
    return f"{glob.escape(str(folder)) if folder.is_dir() else folder}/{name}"
