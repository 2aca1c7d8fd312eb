"""A groove becomes notes, and is the same groove when these are read again."""

from __future__ import annotations

import numpy as np
import pytest

from grooves import drums
from grooves.groove import Groove
from pipelines.generation import piece
from tests import songs
from tests.midi_files import PITCHES


def test_each_hit_is_a_note_of_a_sixteenth_on_its_drum():
    hits = np.zeros([32, 9])
    hits[[0, 0, 5, 31], [0, 7, 1, 8]] = 1
    notes = piece.notes_of(Groove(hits, hits * 0.5, hits * [0] * 9))
    assert notes.quarters.tolist() == [0, 0, 1.25, 7.75]
    assert notes.pitches.tolist() == [36, 49, 38, 51]
    assert notes.velocities.tolist() == [64] * 4
    assert notes.lengths.tolist() == [0.25] * 4


def test_offsets_are_halves_of_a_sixteenth_early_where_positive():
    hits = np.zeros([16, 9])
    hits[[0, 4, 8], 1] = 1
    offsets = np.zeros([16, 9])
    offsets[[0, 4, 8], 1] = 1, -0.5, 0.25
    notes = piece.notes_of(Groove(hits, hits, offsets))
    assert notes.quarters.tolist() == [-0.125, 1.0625, 2 - 0.03125]


def test_silent_hits_are_as_quiet_as_midi_can_be_and_none_is_too_loud():
    hits = np.ones([1, 9])
    velocities = np.linspace(0, 1.2, 9)[np.newaxis]
    found = piece.notes_of(Groove(hits, velocities, np.zeros([1, 9]))).velocities
    assert (found.min(), found.max()) == (1, 127)


@pytest.mark.parametrize("kit", [drums.ROLAND.name, drums.GM.name])
def test_each_class_is_played_on_a_pitch_that_is_read_as_it(kit):
    everything = Groove(np.ones([1, 9]), np.ones([1, 9]), np.zeros([1, 9]))
    song = piece.song_of(everything, 100, "all", kit)
    assert sorted(song.classes.tolist()) == list(range(9))
    if kit == drums.ROLAND.name:
        assert sorted(song.notes.pitches.tolist()) == sorted(PITCHES)


@pytest.mark.parametrize("seed", range(5))
def test_a_groove_comes_back_from_its_song(seed):
    played = songs.groove(seed)
    song = piece.song_of(played, 93, "some")
    assert (song.label, song.qpm, song.num_bars) == ("some", 93, 4)
    again = song.groove()
    np.testing.assert_array_equal(again.hits, played.hits)
    np.testing.assert_allclose(again.velocities, played.velocities, atol=1e-6)
    np.testing.assert_allclose(again.offsets, played.offsets, atol=1e-6)


def test_a_silent_groove_has_no_notes():
    assert len(piece.notes_of(Groove(*np.zeros([3, 64, 9])))) == 0
