"""Sources: their kinds, and the splits that follow from their names."""

from __future__ import annotations

import collections

import pytest

from pipelines.dataset.inputs.source import MIDI, MUSICXML, kind_of, split_by_hash


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("a.mid", "train"),
        ("b.mid", "train"),
        ("j.mid", "test"),
        ("k.mid", "validation"),
        ("groove/x.midi", "validation"),
        ("größe/é.MID", "validation"),
        ("drummer1/session1/1_rock_96_beat_4-4.mid", "train"),
    ],
)
def test_split_by_hash_never_changes(name, split):
    assert split_by_hash(name) == split


def test_split_by_hash_is_80_10_10():
    names = [f"drummer{number % 10}/session{number % 7}/{number}.mid" for number in range(1000)]
    counts = collections.Counter(map(split_by_hash, names))
    assert counts == {"train": 804, "validation": 98, "test": 98}


@pytest.mark.parametrize(
    ("name", "kind"), [("a/b.MID", MIDI), ("b.midi", MIDI), ("c.mxl", MUSICXML), ("a.xml", MUSICXML), ("mid", None)]
)
def test_kinds_follow_from_endings(name, kind):
    assert kind_of(name) == kind
