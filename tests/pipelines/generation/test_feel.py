"""Feel changes when notes are hit and how loud, and nothing else: none is added, none is lost."""

from __future__ import annotations

import collections
import dataclasses

import numpy as np
import pytest

from grooves.groove import Groove
from pipelines.generation import feel, outputs, song
from pipelines.generation.piece import Piece
from tests import songs
from tests.midi_files import CLOSED_HAT, KICK, SNARE

PEDAL_HAT = 44  # Another pitch of the closed hi-hat's class.
COWBELL = 3  # A pitch of no class.


def played_by(seed: int, num_bars: int) -> Groove:
    """Returns a groove with every cell hit at random."""
    random = np.random.default_rng(seed)
    steps = num_bars * 16
    return Groove(np.ones([steps, 9]), random.random([steps, 9]), random.uniform(-1, 1, [steps, 9]))


def hard_song(tmp_path, ppq: int = 480) -> song.Song:
    """Returns three bars: flams, two pitches of a class in a cell, triplets, early and late notes, no drums."""
    random = np.random.default_rng(ppq)
    third = 1 / 3
    notes = [
        *((0 + third * n, CLOSED_HAT, 60 + n) for n in range(6)),
        (2, SNARE, 100), (2.03, SNARE, 40), (2.05, SNARE, 70),
        (3, CLOSED_HAT, 50), (3, PEDAL_HAT, 90),
        (3.75, COWBELL, 77), (4.1, COWBELL, 78),
        *((quarter + late, int(pitch), int(velocity)) for quarter, late, pitch, velocity in zip(
            np.arange(4, 11.8, 0.13), random.uniform(-0.04, 0.04, 60), random.choice([36, 38, 42, 46, 49, 51, 3], 60),
            random.integers(1, 128, 60), strict=True)),
    ]  # fmt: skip
    return song.read(songs.write_beat(tmp_path / f"hard{ppq}.mid", notes, ppq))


def by_pitch(path) -> list[tuple[int, int, int]]:
    """Returns pitch, tick and velocity of the notes of a file."""
    return sorted((pitch, tick, velocity) for tick, pitch, velocity in songs.hits(path))


def count(notes: song.Notes) -> collections.Counter:
    return collections.Counter(notes.pitches.tolist())


@pytest.mark.parametrize("amounts", [(0, 0), (1, 1), (0.3, 0.7), (1, 0), (0, 1)])
def test_no_note_is_added_and_none_is_lost(tmp_path, amounts):
    hard = hard_song(tmp_path)
    notes = feel.apply(hard, played_by(1, 3), *amounts)
    assert count(notes) == count(hard.notes)
    assert (notes.velocities >= 1).all() and (notes.velocities <= 127).all()
    assert (np.diff(notes.quarters) >= 0).all()
    np.testing.assert_array_equal(np.sort(notes.lengths), np.sort(hard.notes.lengths))


@pytest.mark.parametrize("ppq", [24, 96, 97, 480, 1001, 9600])
def test_amounts_of_0_give_back_the_notes_to_the_tick(tmp_path, ppq):
    hard = hard_song(tmp_path, ppq)
    notes = feel.apply(hard, played_by(1, 3), 0, 0)
    np.testing.assert_array_equal(notes.quarters, hard.notes.quarters)
    np.testing.assert_array_equal(notes.velocities, hard.notes.velocities)
    outputs.write(Piece("a", notes, hard.tempos, 3), tmp_path / "out.mid")
    for before, after in zip(*(by_pitch(tmp_path / name) for name in (f"hard{ppq}.mid", "out.mid")), strict=True):
        assert before[2:] == after[2:]
        assert abs(before[1] / ppq - after[1] / 960) <= 1 / 960


def test_one_note_in_a_cell_gets_what_is_played_there(tmp_path):
    """A note's velocity and place are the groove's at 1, and on the way to them in between."""
    beat = song.read(songs.write_beat(tmp_path / "a.mid", songs.beat(2), 960))
    played = played_by(2, 2)
    cells = beat.notes.steps, beat.classes
    where = beat.notes.steps / 4 - played.offsets[cells] / 8
    loud = played.velocities[cells] * 127
    for amount in (0, 0.25, 0.5, 1):
        notes = feel.apply(beat, played, amount, amount)
        expected = (1 - amount) * beat.notes.quarters + amount * where
        order = np.lexsort((beat.notes.pitches, expected))
        np.testing.assert_allclose(notes.quarters, expected[order], atol=1e-12)
        velocities = np.clip(np.round((1 - amount) * beat.notes.velocities + amount * loud), 1, 127)
        np.testing.assert_array_equal(notes.velocities, velocities[order])


def test_timing_and_dynamics_are_apart(tmp_path):
    beat = song.read(songs.write_beat(tmp_path / "a.mid", songs.beat(2), 960))
    played = played_by(3, 2)
    assert sorted(feel.apply(beat, played, 0, 1).quarters) == sorted(beat.notes.quarters)
    of_pitch = {KICK: [], SNARE: [], CLOSED_HAT: []}
    for pitch in of_pitch:
        before = beat.notes.velocities[beat.notes.pitches == pitch]
        notes = feel.apply(beat, played, 1, 0)
        assert notes.velocities[notes.pitches == pitch].tolist() == before.tolist()


def test_a_flam_moves_as_one(tmp_path):
    """Grace notes keep their distance to the note they lead to, and their share of its loudness."""
    notes = [(0.97, SNARE, 40), (1.0, SNARE, 100), (1.02, SNARE, 20)]
    flam = song.read(songs.write_beat(tmp_path / "a.mid", notes, 1000))
    played = played_by(4, 1)
    played.velocities[4, 1], played.offsets[4, 1] = 64 / 127, 0.4
    moved = feel.apply(flam, played)
    np.testing.assert_allclose(moved.quarters, np.array([0.97, 1, 1.02]) - 0.05, atol=1e-9)
    assert moved.velocities.tolist() == [26, 64, 13]


def test_two_pitches_of_one_class_in_a_cell_stay_two_notes(tmp_path):
    hats = song.read(songs.write_beat(tmp_path / "a.mid", [(1, CLOSED_HAT, 50), (1, PEDAL_HAT, 100)]))
    played = played_by(4, 1)
    played.velocities[4, 2], played.offsets[4, 2] = 1, -1
    moved = feel.apply(hats, played)
    assert moved.pitches.tolist() == [CLOSED_HAT, PEDAL_HAT]
    assert moved.velocities.tolist() == [64, 127]
    np.testing.assert_allclose(moved.quarters, 1.125)


def test_triplets_stay_triplets(tmp_path):
    """They are played around where they stand, not around the sixteenth that they are nearest to."""
    triplets = [(n / 3, SNARE, 80) for n in range(12)] + [(2 + n / 6, CLOSED_HAT, 80) for n in range(12)]
    found = song.read(songs.write_beat(tmp_path / "a.mid", triplets, 480))
    straight = Groove(np.ones([16, 9]), np.full([16, 9], 0.5), np.zeros([16, 9]))
    moved = feel.apply(found, straight)
    np.testing.assert_allclose(moved.quarters, found.notes.quarters, atol=0.002)
    early = dataclasses.replace(straight, offsets=np.full([16, 9], 0.2))
    np.testing.assert_allclose(feel.apply(found, early).quarters, found.notes.quarters - 0.025, atol=0.002)


@pytest.mark.parametrize(
    ("quarter", "expected"),
    [(0, 0), (0.02, 0), (0.26, 0.25), (1 / 3, 1 / 3), (0.334, 1 / 3), (0.35, 0.25), (1 / 6, 1 / 6), (0.18, 0.25),
     (0.124, 0), (0.125, 0.25), (7.9999, 8), (2 + 2 / 3, 2 + 2 / 3)],
)  # fmt: skip
def test_a_note_stands_at_a_sixteenth_or_exactly_at_a_triplet(tmp_path, quarter, expected):
    path = songs.write_beat(tmp_path / "a.mid", [*songs.beat(2), (quarter, 49, 90)], 9600)
    found = song.read(path)
    assert feel.places(found)[found.notes.pitches == 49] == pytest.approx([expected])


def test_in_a_played_song_nothing_is_a_triplet(tmp_path):
    """What lies on one by chance is a late sixteenth."""
    random = np.random.default_rng(1)
    played = [(max(0, quarter + random.normal(0, 0.02)), *rest) for quarter, *rest in songs.beat(4)]
    found = song.read(songs.write_beat(tmp_path / "a.mid", [*played, (4 + 1 / 12, 49, 90)], 960))
    np.testing.assert_allclose(feel.places(found) * 4, found.notes.steps)


@pytest.mark.parametrize("ppq", [24, 25, 97, 100, 960, 9600])
def test_triplets_are_triplets_at_any_resolution(tmp_path, ppq):
    triplets = [(n / 3, SNARE, 80) for n in range(12)]
    found = song.read(songs.write_beat(tmp_path / "a.mid", triplets, ppq))
    np.testing.assert_allclose(feel.places(found), [quarter for quarter, *_ in triplets], atol=1e-9)


def test_notes_of_no_class_stay_as_they_are(tmp_path):
    hard = hard_song(tmp_path)
    moved = feel.apply(hard, played_by(5, 3))
    for part in ("quarters", "velocities"):
        before, after = getattr(hard.notes, part), getattr(moved, part)
        np.testing.assert_array_equal(before[hard.notes.pitches == COWBELL], after[moved.pitches == COWBELL])


def test_silence_of_a_hit_is_the_quietest_that_midi_has(tmp_path):
    beat = song.read(songs.write_beat(tmp_path / "a.mid", songs.beat(1)))
    silent = Groove(np.ones([16, 9]), np.zeros([16, 9]), np.zeros([16, 9]))
    assert set(feel.apply(beat, silent).velocities) == {1}


def test_a_song_of_no_drums_is_left_alone(tmp_path):
    bells = song.read(songs.write_beat(tmp_path / "a.mid", [(0.3, COWBELL, 5)]))
    assert feel.apply(bells, played_by(1, 1)).quarters.tolist() == [0.3]
