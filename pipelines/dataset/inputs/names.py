"""Many names in little memory: a few bytes each, where sorted paths begin alike."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable, Iterator

_BLOCK_NAMES = 1024


class Names:
    """Names in the order that they are given in, packed block by block; they are gone through as often as one likes."""

    def __init__(self, names: Iterable[str]) -> None:
        self._blocks: list[bytes] = []
        self._size = 0
        remaining = iter(names)
        while block := list(itertools.islice(remaining, _BLOCK_NAMES)):
            text = "\0".join(block)  # No file system has it in a name; a zip's directory ends a name there.
            self._blocks.append(zlib.compress(text.encode("utf-8", "surrogatepass"), 1))
            self._size += len(block)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[str]:
        for block in self._blocks:
            yield from zlib.decompress(block).decode("utf-8", "surrogatepass").split("\0")
