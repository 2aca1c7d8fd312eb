"""Converted files and tallies of them for the tests, number by number."""

from __future__ import annotations

import numpy as np

from pipelines.dataset.performance import Converted
from pipelines.dataset.report import tally
from pipelines.dataset.report.facts import Facts

KICK, SNARE = 0, 1


def facts(**changes) -> Facts:
    """Returns the facts of a bar with a kick on the first sixteenth and a snare on the fifth, changed."""
    onsets = np.zeros([16, 9], np.uint32)
    onsets[0, KICK] = onsets[4, SNARE] = 1
    given = {
        "drum_map": "roland",
        "style": "funk/groove1",
        "bpm": 120.0,
        "metres": ("4/4",),
        "num_hits": 2,
        "unmapped": {},
        "onsets": onsets,
        "num_steps": 16,
        "tokens": np.array([], np.uint16),
        "grid_digest": b"one bar.",
        "window_digests": np.array([], np.uint64),
    }
    return Facts(**{**given, **changes})


def kept(name: str, split: str = "train", collection: str = "groove", **changes) -> Converted:
    return Converted(name, collection, split, record=b"a NoteSequence", facts=facts(**changes))


def skipped(name: str, reason: str, collection: str = "groove") -> Converted:
    return Converted(name, collection, "train", skipped=reason)


def windows(*digests: int) -> np.ndarray:
    return np.array(digests, np.uint64)


def busy() -> np.ndarray:
    """Returns onsets of three kicks on the first sixteenth, of three bars, and a snare on the last one."""
    onsets = np.zeros([16, 9], np.uint32)
    onsets[0, KICK], onsets[15, SNARE] = 3, 1
    return onsets


FILES = (
    kept(
        "a.mid",
        num_hits=9,  # Two of them are in no class, three fall on another.
        unmapped={54: 1, 90: 1},
        onsets=busy(),
        num_steps=96,
        tokens=np.array([0, 1, 3], np.uint16),
        grid_digest=b"grid  a.",
        window_digests=windows(1, 2, 3),
    ),
    kept("b.mid", style="funk", bpm=99.9, unmapped={54: 2}, num_hits=4, grid_digest=b"grid  b."),
    kept(
        "c.mid",
        "validation",
        style="",
        bpm=60,
        num_steps=64,
        tokens=np.array([3, 511], np.uint16),
        window_digests=windows(3, 2**64 - 1),
    ),
    kept(
        "d.mid",
        "test",
        collection="mine",
        drum_map="gm",
        style="jazz",
        metres=("4/4", "3/4"),
        num_hits=7,  # Five more than on the grid.
        window_digests=windows(3, 3, 4),
    ),
    skipped("w.mid", "not in 4/4: 3/4"),
    skipped("x.mid", "unreadable MIDI: the file ends too early"),
    skipped("y.mid", "no drums: nothing on MIDI channel 10"),
    skipped("z.mid", "not selected: style"),
    skipped("s.mid", "no notes"),
    skipped("t.mid", "not in 4/4: 6/8"),
)


def count(files) -> tally.Tally:
    counts = tally.Tally()
    for file in files:
        counts.add(file)
    return counts


def report_of(*files: Converted) -> dict:
    return count(files).report("in", {})
