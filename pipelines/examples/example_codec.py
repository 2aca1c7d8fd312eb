"""Sequences of examples as small arrays, and back.

Sequences of ones and zeros become one small number a step, the row of a table of the distinct steps; other sequences
become the cells that are not zero.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

_MAX_TABLE_CELLS = 2**24  # A larger table of distinct steps (64 MB as float32) stays packed.


@dataclasses.dataclass(frozen=True)
class Field:
    """One of the sequences that make an example.

    Attributes:
        name: "inputs", "outputs" or "controls".
        depth: Values a step.
        is_binary: Whether every value is 0 or 1.
    """

    name: str
    depth: int
    is_binary: bool


def encode(field: Field, sequences: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Encodes `[steps, depth]` sequences.

    Returns:
        For a binary field `table` [distinct, depth / 8] uint8, the distinct steps as bits, in order of appearance, and
        `index` [all steps] uint32 into it. For others `counts` [sequences] uint32, how many cells of each flattened
        sequence are not zero, `cells` uint32, where they are, and `values` float32.
    """
    if field.is_binary:
        bits = np.packbits(np.concatenate(sequences).astype(bool, copy=False), axis=1)
        _, firsts, index = np.unique(as_voids(bits), return_index=True, return_inverse=True)
        order = np.argsort(firsts)
        rank = np.empty(len(order), np.uint32)
        rank[order] = np.arange(len(order))
        return {"table": bits[firsts[order]], "index": rank[index.ravel()]}
    flat = [np.ascontiguousarray(sequence, np.float32).ravel() for sequence in sequences]
    cells = [np.flatnonzero(values.view(np.uint32)).astype(np.uint32) for values in flat]  # -0.0 has a bit set.
    return {
        "counts": np.array([len(where) for where in cells], np.uint32),
        "cells": np.concatenate(cells),
        "values": np.concatenate([values[where] for values, where in zip(flat, cells, strict=True)]),
    }


@dataclasses.dataclass(frozen=True)
class Steps:
    """A binary field, read: `index` [all steps] into `table` [distinct, depth / 8]; row 0 is silence and padding."""

    index: np.ndarray
    table: np.ndarray
    starts: np.ndarray
    num_steps: int
    depth: int
    is_one_hot: bool

    def dense(self, rows: np.ndarray) -> np.ndarray:
        """Returns `[rows, num_steps, depth]` float32, zeros behind shorter sequences."""
        if len(self.table) * self.depth > _MAX_TABLE_CELLS:
            bits = np.take(self.table, self._index(rows), axis=0)
            return np.unpackbits(bits, axis=-1, count=self.depth).astype(np.float32)
        table = np.unpackbits(self.table, axis=-1, count=self.depth).astype(np.float32)
        return np.take(table, self._index(rows), axis=0)

    def tokens(self, rows: np.ndarray) -> np.ndarray:
        """Returns `[rows, num_steps]` int32, where each step's one is, -1 behind shorter sequences."""
        tokens = np.unpackbits(self.table, axis=-1, count=self.depth).argmax(axis=-1).astype(np.int32)
        tokens[0] = -1
        return tokens[self._index(rows)]

    def _index(self, rows: np.ndarray) -> np.ndarray:
        steps = np.arange(self.num_steps)
        starts = self.starts[rows][:, np.newaxis]
        inside = steps < self.starts[np.asarray(rows) + 1][:, np.newaxis] - starts
        if inside.all():
            return self.index[starts + steps]
        return np.where(inside, self.index[np.where(inside, starts + steps, 0)], 0)


@dataclasses.dataclass(frozen=True)
class Cells:
    """Any other field, read: sequence i has the `values` from `starts[i]` to `starts[i + 1]`, and zeros elsewhere.

    `cells` says where in the flattened sequence each value belongs.
    """

    starts: np.ndarray
    cells: np.ndarray
    values: np.ndarray
    num_steps: int
    depth: int
    is_one_hot: bool = False

    def dense(self, rows: np.ndarray) -> np.ndarray:
        """Returns `[rows, num_steps, depth]` float32, zeros behind shorter sequences."""
        counts = self.starts[np.asarray(rows) + 1] - self.starts[rows]
        ends = np.cumsum(counts)
        where = np.arange(ends[-1] if len(ends) else 0) + np.repeat(self.starts[rows] - ends + counts, counts)
        size = self.num_steps * self.depth
        dense = np.zeros(len(rows) * size, np.float32)
        dense[np.repeat(np.arange(len(rows)) * size, counts) + self.cells[where]] = self.values[where]
        return dense.reshape(len(rows), self.num_steps, self.depth)


def as_bytes(rows: np.ndarray) -> list[bytes]:
    """`[k, bytes]` uint8 to k byte strings."""
    return as_voids(rows).tolist()


def as_voids(rows: np.ndarray) -> np.ndarray:
    """`[k, bytes]` uint8 to `[k]`, each row one value that can be sorted."""
    return np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1]))).ravel()


def as_table(numbers: dict[bytes, int], num_bytes: int) -> np.ndarray:
    return np.frombuffer(b"".join(numbers), np.uint8).reshape(-1, num_bytes)
