"""Repeats: the same counts whether digests are in memory or in a file, and however they came together."""

from __future__ import annotations

import gc
import hashlib
import pickle
import random
import warnings

import numpy as np
import pytest

from grooves import metadata
from pipelines.dataset.report import repeats

Given = tuple[str, str, bytes | None, np.ndarray]


def performances(number: int) -> list[Given]:
    """Returns performances of which some are alike, in one split and in several, with windows that occur again."""
    rng = np.random.default_rng(0)
    digests = [hashlib.blake2b(bytes([n % 256, n // 256]), digest_size=8).digest() for n in range(number // 2)]
    windows = rng.integers(0, 2**63, number, np.uint64)
    return [
        (
            metadata.SPLITS[rng.integers(3)],
            f"{n}.mid",
            digests[rng.integers(len(digests))] if n % 10 else None,
            windows[rng.integers(0, number, rng.integers(6))],
        )
        for n in range(number)
    ]


def expected(given: list[Given]) -> dict:
    """Counts as one would with all of it in memory."""
    names = {split: {} for split in metadata.SPLITS}
    windows = {split: [] for split in metadata.SPLITS}
    for split, name, digest, of_windows in given:
        windows[split] += of_windows.tolist()
        if digest is not None:
            names[split].setdefault(digest, []).append(name)
    groups = []
    for digest in set().union(*names.values()):
        alike = {split: sorted(of_split[digest]) for split, of_split in names.items() if digest in of_split}
        if len(alike) > 1:
            first = {split: of_split[:8] for split, of_split in alike.items()}
            groups.append({"files": sum(map(len, alike.values())), "names": first})
    groups.sort(key=lambda group: list(group["names"].items()))
    pairs = [("train", "validation"), ("train", "test"), ("validation", "test")]
    return {
        "performances": {
            "within": {split: sum(len(n) - 1 for n in names[split].values()) for split in metadata.SPLITS},
            "across": {"groups": len(groups), "named": groups[:50]},
        },
        "windows": {
            "distinct": {split: len(set(windows[split])) for split in metadata.SPLITS},
            "within": {split: len(windows[split]) - len(set(windows[split])) for split in metadata.SPLITS},
            "across": {f"{one}/{other}": len({*windows[one]} & {*windows[other]}) for one, other in pairs},
        },
    }


def added(given: list[Given]) -> repeats.Repeats:
    found = repeats.Repeats()
    for performance in given:
        found.add(*performance)
    return found


@pytest.mark.parametrize("max_bytes", [0, 5000, 2**21])
def test_counts_are_exact_in_memory_and_in_a_file(monkeypatch, max_bytes):
    monkeypatch.setattr(repeats, "MAX_BYTES", max_bytes)
    given = performances(1000)
    found = added(given)
    assert (found._file is None) == (max_bytes == 2**21)
    assert found.count() == found.count() == expected(given)
    assert expected(given)["performances"]["across"]["groups"] > 50
    assert min(expected(given)["windows"]["across"].values()) > 10


@pytest.mark.parametrize("max_bytes", [0, 5000, 2**21])
def test_parts_in_any_order_count_the_same(monkeypatch, max_bytes):
    monkeypatch.setattr(repeats, "MAX_BYTES", max_bytes)
    given = performances(300)
    parts = [added(given[first : first + 60]) for first in range(0, 300, 60)]
    random.Random(1).shuffle(parts)
    merged = repeats.Repeats()
    for part in parts:
        merged.merge(pickle.loads(pickle.dumps(part)))
    assert merged.count() == pickle.loads(pickle.dumps(merged)).count() == expected(given)


def test_what_is_merged_stays_as_it_is(monkeypatch):
    monkeypatch.setattr(repeats, "MAX_BYTES", 5000)
    one, other = added(performances(100)), added(performances(200))
    before = other.count()
    one.merge(other)
    assert other.count() == before


def test_nothing_repeats_in_nothing():
    assert repeats.Repeats().count() == expected([])


def test_memory_is_flat(monkeypatch):
    monkeypatch.setattr(repeats, "MAX_BYTES", 10_000)
    found = added(performances(2000))
    held = sum(len(digests) * 8 for digests in found._windows.values())
    held += sum(map(len, found._performances.values())) * repeats._NAME_BYTES
    assert held <= found._num_bytes <= 10_000
    assert sum(map(len, found._file._places)) > 1000  # The others are in the file.


def test_the_file_goes_without_a_word(monkeypatch):
    monkeypatch.setattr(repeats, "MAX_BYTES", 0)
    found = added(performances(10))
    file = found._file._file
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del found
        gc.collect()
    assert file.closed
