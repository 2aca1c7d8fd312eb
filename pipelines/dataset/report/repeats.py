"""What occurs more than once, within a split and across splits: windows and whole performances, by their digests.

Digests that do not fit into a little memory go to a temporary file, apart by their last bits, and are compared one of
these parts at a time: memory stays flat, however many there are.
"""

from __future__ import annotations

import array
import collections
import heapq
import itertools
import pickle
import tempfile
import weakref
from collections.abc import Iterator, Mapping

import numpy as np

from grooves import metadata

MAX_GROUPS_NAMED, MAX_NAMES_IN_A_GROUP = 50, 8
NUM_PARTS = 64  # Of a million files' windows, one has two megabytes.
MAX_BYTES = 2**21  # In memory; above, they go to the file.
_NAME_BYTES = 128  # What a performance takes there, about.

Windows = dict[str, np.ndarray]  # By split, `[k]` uint64.
Performances = dict[str, list[tuple[bytes, str]]]  # By split, a digest and a name for each.


class Repeats:
    """Digests of windows and performances. It can be pickled; `add` and `merge` in any order count the same."""

    def __init__(self) -> None:
        self._windows = {split: array.array("Q") for split in metadata.SPLITS}
        self._performances: Performances = {split: [] for split in metadata.SPLITS}
        self._num_bytes = 0
        self._file: _Parts | None = None

    def add(self, split: str, name: str, grid_digest: bytes | None, window_digests: np.ndarray) -> None:
        """Adds a performance.

        Args:
            split: Its split.
            name: Its name.
            grid_digest: Eight bytes; None for silence, which is no duplicate of silence.
            window_digests: `[num_windows]` uint64.
        """
        self._windows[split].frombytes(window_digests.tobytes())
        if grid_digest is not None:
            self._performances[split].append((grid_digest, name))
        self._grow(window_digests.nbytes + _NAME_BYTES)

    def merge(self, other: Repeats) -> None:
        """Adds all that another one has, which stays as it is."""
        for windows, performances in other._parts():
            for split in metadata.SPLITS:
                self._windows[split].frombytes(windows[split].tobytes())
                self._performances[split] += performances[split]
                self._grow(windows[split].nbytes + _NAME_BYTES * len(performances[split]))

    def count(self) -> dict:
        """Returns the report's "duplicates": how many there are within and across splits, and which performances."""
        windows, performances, groups = _WindowCounts(), collections.Counter(), _FirstGroups()
        for of_windows, of_performances in self._parts():
            windows.add(of_windows)
            names = {split: _by_digest(of_performances[split]) for split in metadata.SPLITS}
            performances.update({split: sum(map(len, alike.values())) - len(alike) for split, alike in names.items()})
            groups.add(names)
        return {
            "performances": {
                "within": {split: performances[split] for split in metadata.SPLITS},
                "across": {"groups": groups.number, "named": groups.first},
            },
            "windows": windows.counts(),
        }

    def __getstate__(self) -> tuple[Windows, Performances]:
        windows, performances = zip(*self._parts(), strict=True)
        return (
            {split: np.concatenate([part[split] for part in windows]) for split in metadata.SPLITS},
            {split: [pair for part in performances for pair in part[split]] for split in metadata.SPLITS},
        )

    def __setstate__(self, state: tuple[Windows, Performances]) -> None:
        self.__init__()
        windows, self._performances = state
        for split, digests in windows.items():
            self._windows[split].frombytes(digests.tobytes())
        self._grow(sum(digests.nbytes for digests in windows.values()))

    def _grow(self, num_bytes: int) -> None:
        self._num_bytes += num_bytes
        if self._num_bytes > MAX_BYTES:
            self._file = self._file or _Parts()
            self._file.append(*self._in_memory())
            self._windows = {split: array.array("Q") for split in metadata.SPLITS}
            self._performances = {split: [] for split in metadata.SPLITS}
            self._num_bytes = 0

    def _in_memory(self) -> tuple[Windows, Performances]:
        return {split: np.array(digests, np.uint64) for split, digests in self._windows.items()}, self._performances

    def _parts(self) -> Iterator[tuple[Windows, Performances]]:
        """Yields everything, part by part: digests that are the same are in the same one."""
        if self._file is None:
            yield self._in_memory()
            return
        in_memory = _split(*self._in_memory())
        for part in range(NUM_PARTS):
            yield _join([*self._file.read(part), in_memory[part]])


class _Parts:
    """A temporary file with the parts of what was added to it, which goes with this object."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        self._places: list[list[tuple[int, int]]] = [[] for _ in range(NUM_PARTS)]  # Offset and size of each piece.
        weakref.finalize(self, self._file.close)

    def append(self, windows: Windows, performances: Performances) -> None:
        at = self._file.seek(0, 2)
        for part, piece in enumerate(_split(windows, performances)):
            content = pickle.dumps(piece)
            self._file.write(content)
            self._places[part].append((at, len(content)))
            at += len(content)

    def read(self, part: int) -> list[tuple[Windows, Performances]]:
        pieces = []
        for at, size in self._places[part]:
            self._file.seek(at)
            pieces.append(pickle.loads(self._file.read(size)))
        return pieces


class _WindowCounts:
    """How many windows occur more than once in a split, and how many distinct ones two splits share."""

    def __init__(self) -> None:
        self._distinct, self._within, self._across = (collections.Counter() for _ in range(3))

    def add(self, windows: Windows) -> None:
        distinct = {split: np.unique(digests) for split, digests in windows.items()}
        for split, digests in distinct.items():
            self._distinct[split] += len(digests)
            self._within[split] += len(windows[split]) - len(digests)
        for one, other in itertools.combinations(metadata.SPLITS, 2):
            shared = np.intersect1d(distinct[one], distinct[other], assume_unique=True)
            self._across[f"{one}/{other}"] += len(shared)

    def counts(self) -> dict[str, dict[str, int]]:
        return {"distinct": dict(self._distinct), "within": dict(self._within), "across": dict(self._across)}


class _FirstGroups:
    """Groups of performances that are the same in several splits: their number, and the first ones by their names."""

    def __init__(self) -> None:
        self.number = 0
        self.first: list[dict] = []

    def add(self, names: Mapping[str, Mapping[bytes, list[str]]]) -> None:
        num_splits = collections.Counter(itertools.chain.from_iterable(names.values()))
        across = [digest for digest, number in num_splits.items() if number > 1]
        self.number += len(across)
        groups = (_group(digest, names) for digest in across)
        self.first = heapq.nsmallest(MAX_GROUPS_NAMED, [*self.first, *groups], key=_group_order)


def _group(digest: bytes, names: Mapping[str, Mapping[bytes, list[str]]]) -> dict:
    alike = {split: of_split[digest] for split, of_split in names.items() if digest in of_split}
    first = {split: heapq.nsmallest(MAX_NAMES_IN_A_GROUP, names) for split, names in alike.items()}
    return {"files": sum(map(len, alike.values())), "names": first}


def _group_order(group: dict) -> tuple:
    return list(group["names"].items()), group["files"]


def _by_digest(performances: list[tuple[bytes, str]]) -> dict[bytes, list[str]]:
    names = collections.defaultdict(list)
    for digest, name in performances:
        names[digest].append(name)
    return names


def _split(windows: Windows, performances: Performances) -> list[tuple[Windows, Performances]]:
    """Returns the parts: which one a digest is in depends on nothing but the digest."""
    parts = [({}, {split: [] for split in metadata.SPLITS}) for _ in range(NUM_PARTS)]
    for split, digests in windows.items():
        part_of = digests % np.uint64(NUM_PARTS)
        in_order = digests[np.argsort(part_of, kind="stable")]
        ends = np.cumsum(np.bincount(part_of.astype(np.int64), minlength=NUM_PARTS))
        for part, piece in enumerate(np.split(in_order, ends[:-1])):
            parts[part][0][split] = piece
    for split, pairs in performances.items():
        for digest, name in pairs:
            parts[digest[-1] % NUM_PARTS][1][split].append((digest, name))
    return parts


def _join(parts: list[tuple[Windows, Performances]]) -> tuple[Windows, Performances]:
    return (
        {split: np.concatenate([windows[split] for windows, _ in parts]) for split in metadata.SPLITS},
        {split: [pair for _, pairs in parts for pair in pairs[split]] for split in metadata.SPLITS},
    )
