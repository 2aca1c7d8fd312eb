"""Places that a file's bytes are read from: small, so that other processes are sent the place instead of the bytes."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from typing import Protocol


class Location(Protocol):
    """A place of bytes; can be pickled."""

    def read(self, max_bytes: int) -> bytes:
        """Returns the bytes.

        Raises:
            OSError: they cannot be read.
            ValueError: there are more than `max_bytes`, or they are damaged.
        """


@dataclasses.dataclass(frozen=True)
class InFolder:
    """A file on disk."""

    path: str

    def read(self, max_bytes: int) -> bytes:
        with pathlib.Path(self.path).open("rb") as file:
            content = file.read(max_bytes + 1)
        if len(content) > max_bytes:
            raise ValueError(f"larger than {max_bytes >> 20} MiB")
        return content


@dataclasses.dataclass(frozen=True)
class Inline:
    """Bytes that are here already, such as a record of TFDS."""

    content: bytes

    def read(self, max_bytes: int) -> bytes:
        return self.content


@dataclasses.dataclass(frozen=True)
class Unreadable:
    """A place that nothing can be read from, with the reason."""

    reason: str

    def read(self, max_bytes: int) -> bytes:
        raise ValueError(self.reason)


@dataclasses.dataclass(frozen=True)
class Files:
    """What a folder or a zip holds.

    Attributes:
        names: Paths inside of it with forward slashes, sorted.
        locate: Returns the place of a name.
        repeated: What was left out because it is there already, by name, each with what it repeats.
    """

    names: tuple[str, ...]
    locate: Callable[[str], Location]
    repeated: Mapping[str, str]
