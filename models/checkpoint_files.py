"""Which checkpoints are complete and which is the newest, by the names of their files. Needs no TensorFlow.

A checkpoint is a prefix, `…/model.ckpt-N`, of the files `model.ckpt-N.index` and `model.ckpt-N.data-00000-of-00001`.
The file `checkpoint` beside them, which TensorFlow reads too, names the newest one.
"""

from __future__ import annotations

import functools
import glob
import os
import pathlib
import re
import shutil
import tempfile

INDEX_NAME = "checkpoint"
_WILDCARDS = re.compile(r"[*?\[\\]")


def step_of(path: str) -> int:
    """Returns the step in a checkpoint's name, or 0 where the name has none."""
    number = pathlib.Path(path).name.rpartition("-")[2]
    return int(number) if number.isdigit() else 0


def is_complete(prefix: str) -> bool:
    """Whether a checkpoint's index and all of its data files are there."""
    data = _data_files(prefix)
    return pathlib.Path(f"{prefix}.index").is_file() and bool(data) and len(data) == int(data[0].name[-5:])


def files_of(prefix: str) -> list[pathlib.Path]:
    """Returns a checkpoint's files, the index last: where it is, all of them are."""
    return [*_data_files(prefix), pathlib.Path(f"{prefix}.index")]


def all_complete(folder: str | os.PathLike[str]) -> list[str]:
    """Returns the prefixes of all complete checkpoints in a folder, by step."""
    prefixes = [str(index.with_suffix("")) for index in pathlib.Path(folder).glob("model.ckpt-*.index")]
    return sorted(filter(is_complete, prefixes), key=step_of)


def newest_first(folder: str | os.PathLike[str]) -> list[str]:
    """Returns the prefixes of all complete checkpoints in a folder, in the order in which to try them.

    The one that the file `checkpoint` names comes first. Only those come before it that were written later, by a
    process that was killed before it could name them there. Where that file is damaged, empty, lost or names none that
    is there, they are sorted by step.
    """
    folder = pathlib.Path(folder)
    by_step = all_complete(folder)[::-1]
    indexed = _indexed(folder)
    if not indexed or not is_complete(indexed):
        return by_step
    index_ns = _modified_ns(folder / INDEX_NAME)
    later = [
        prefix
        for prefix in by_step
        if step_of(prefix) > step_of(indexed) and _modified_ns(pathlib.Path(f"{prefix}.index")) > index_ns
    ]
    return list(dict.fromkeys([*later, indexed, *by_step]))


def without_wildcards(path: str | os.PathLike[str]) -> str:
    """Returns a path of a checkpoint or a folder that TensorFlow finds.

    It takes a path with `[`, `*` or `?` for a pattern. The folder with such a name gets another one, a link that lasts
    as long as this process.
    """
    absolute = pathlib.Path(path).absolute()
    if not _WILDCARDS.search(str(absolute.parent)):
        return os.fspath(path)
    return str(_link_to(absolute.parent) / absolute.name)


def sweep(train_dir: str | os.PathLike[str]) -> None:
    """Deletes the parts of checkpoints that killed processes have left in a folder.

    No other process may be writing there.
    """
    folder = pathlib.Path(train_dir)
    for pattern in ("model.ckpt-*.tempstate*", "model.ckpt-*_temp*", "checkpoint.tmp*"):
        for path in folder.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    for path in folder.glob("model.ckpt-*.data-*-of-*"):
        if not path.with_name(f"{path.name.partition('.data-')[0]}.index").exists():
            path.unlink(missing_ok=True)


def write_index(folder: str | os.PathLike[str], name: str) -> None:
    """Writes the file `checkpoint`, which names the newest checkpoint; it appears whole or not at all."""
    path = pathlib.Path(folder) / INDEX_NAME
    partial = path.with_name(f"{INDEX_NAME}.tmp{os.getpid()}")
    try:
        partial.write_text(f'model_checkpoint_path: "{name}"\nall_model_checkpoint_paths: "{name}"\n')
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@functools.cache
def _link_to(folder: pathlib.Path) -> pathlib.Path:
    link = pathlib.Path(_links().name) / str(_link_to.cache_info().misses)
    link.symlink_to(folder, target_is_directory=True)
    return link


@functools.cache
def _links() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory()


def _data_files(prefix: str) -> list[pathlib.Path]:
    path = pathlib.Path(prefix)
    return sorted(path.parent.glob(f"{glob.escape(path.name)}.data-*-of-*[0-9]"))


def _indexed(folder: pathlib.Path) -> str | None:
    """Returns the prefix that the index file names, in this folder: it may have been moved with all that is in it."""
    try:
        content = (folder / INDEX_NAME).read_bytes()
    except OSError:
        return None
    match = re.search(rb'^model_checkpoint_path: "([^"]*)"', content, re.MULTILINE)
    return str(folder / pathlib.Path(os.fsdecode(match[1])).name) if match else None


def _modified_ns(path: pathlib.Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:  # Its writer keeps only so many.
        return 0
