"""Sources: their kinds, the splits that follow from their names, the places of their bytes."""

from __future__ import annotations

import collections
import pickle

import pytest

from pipelines.dataset.inputs.source import MIDI, MUSICXML, InFolder, Inline, Unreadable, kind_of, split_by_hash


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


def test_a_file_is_read_up_to_its_limit(tmp_path):
    (tmp_path / "a.mid").write_bytes(b"MThd")
    place = pickle.loads(pickle.dumps(InFolder(str(tmp_path / "a.mid"))))
    assert place.read(4) == b"MThd"
    with pytest.raises(ValueError, match="larger than 0 MiB"):
        place.read(3)
    with pytest.raises(FileNotFoundError):
        InFolder(str(tmp_path / "gone.mid")).read(4)


def test_bytes_that_are_here_are_given_and_a_reason_is_raised():
    assert Inline(b"MThd").read(1) == b"MThd"
    with pytest.raises(ValueError, match=r"^the folder cannot be read$"):
        Unreadable("the folder cannot be read").read(1)
