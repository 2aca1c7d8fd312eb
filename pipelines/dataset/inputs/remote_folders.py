"""Folders of Apache Beam's file systems: gs://, hdfs://, s3:// and others. What has "://" in its name is one.

What each needs besides apache_beam (for gs:// `apache-beam[gcp]`) and which of Beam's flags it takes is Beam's matter.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import secrets
from collections.abc import Iterator
from typing import BinaryIO

from pipelines.dataset.inputs.names import Names
from pipelines.dataset.inputs.source import Files, is_wanted, read_at_most
from pipelines.files.midi_files import is_hidden

try:
    from apache_beam.io.filesystem import CompressionTypes
    from apache_beam.io.filesystems import FileSystems
except ModuleNotFoundError as missing:
    raise ValueError(
        'a name with "://" needs Apache Beam, which is not installed:'
        " python -m pip install --no-deps -r requirements-beam.txt"
    ) from missing


def is_remote(path: str | os.PathLike[str]) -> bool:
    """Whether this is no path on a disk."""
    return "://" in str(path)


@dataclasses.dataclass(frozen=True)
class InFileSystem:
    """A file of one of Beam's file systems."""

    path: str

    def read(self, max_bytes: int) -> bytes:
        """Returns its bytes; raises as `source.Location.read` does."""
        with FileSystems.open(self.path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
            return read_at_most(file, max_bytes)


def list_files(folder: str) -> Files:
    """Lists the files to convert, and their tables, of the folder at a URL and of all folders below it.

    Raises:
        ValueError: no file system of this kind is installed.
        OSError: it cannot be listed.
    """
    root = folder.rstrip("/")
    names = (path.removeprefix(f"{root}/") for path in walk(root))
    wanted = [name for name in names if is_wanted(name.rsplit("/", 1)[-1]) and not any(map(is_hidden, name.split("/")))]
    return Files(Names(sorted(wanted)), lambda name: InFileSystem(f"{root}/{name}"), {})


def walk(folder: str) -> Iterator[str]:
    """Yields the URLs of all files below a folder, which need not exist; raises as `list_files` does."""
    system = FileSystems.get_filesystem(folder)
    if system.has_dirs() and not system.exists(folder):
        return
    (found,) = system.match([f"{folder}/**"])
    for file in found.metadata_list:
        is_file = file.size_in_bytes or not system.has_dirs()
        yield from [file.path] if is_file else _below(file.path) or [file.path]


def _below(path: str) -> list[str]:
    """Returns the files below what may be a folder: HDFS lists those as files without content."""
    try:
        return list(walk(path))
    except OSError:  # It is a file.
        return []


def names(folder: str) -> list[str]:
    """Returns the names of the files in a folder, on a disk or not; without those below it."""
    if not is_remote(folder):
        return [path.name for path in pathlib.Path(folder).iterdir()]
    root = folder.rstrip("/")
    if not FileSystems.exists(root) and FileSystems.get_filesystem(root).has_dirs():
        return []
    (found,) = FileSystems.match([f"{root}/*"])
    return [file.path.rsplit("/", 1)[-1] for file in found.metadata_list]


def read(path: str) -> bytes:
    """Returns the content of a file, on a disk or not."""
    with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
        return file.read()


@contextlib.contextmanager
def writing(path: str) -> Iterator[BinaryIO]:
    """Yields a file to write to, on a disk or not; it gets its name when it is whole.

    Two workers may do the same work, because one of them was slow; what the first has written stays.
    """
    partial = f"{path}.{secrets.token_hex(4)}"
    with FileSystems.create(partial, compression_type=CompressionTypes.UNCOMPRESSED) as file:
        yield file
    if FileSystems.exists(path):
        FileSystems.delete([partial])
    else:
        FileSystems.rename([partial], [path])
