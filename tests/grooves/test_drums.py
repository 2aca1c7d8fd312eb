"""The nine drums: two kits, which one was played, what cannot be used."""

from __future__ import annotations

import pickle

import note_seq
import numpy as np
import pytest
from magenta.models.music_vae import data

from grooves import drums
from tests import midi_files


def hits(sequence):
    """Returns (start in sixteenths at 120 qpm, pitch, velocity) of all notes."""
    return [(round(note.start_time * 8, 6), note.pitch, note.velocity) for note in sequence.notes]


def with_piano(sequence):
    """Returns `sequence` with another note, which is no drum's."""
    sequence.notes.add(pitch=36, velocity=90, start_time=0, end_time=1)
    return sequence


@pytest.mark.parametrize(
    ("sequence", "reason"),
    [
        (midi_files.sequence(midi_files.groove(1)), ""),
        (with_piano(midi_files.sequence(midi_files.groove(1))), ""),
        (note_seq.NoteSequence(), "no notes"),
        (midi_files.sequence(midi_files.groove(1), is_drum=False), "no drums: nothing on MIDI channel 10"),
        (midi_files.sequence(midi_files.groove(1), metre=(3, 4)), "not in 4/4: 3/4"),
        (midi_files.sequence(midi_files.groove(1), metre=(6, 8)), "not in 4/4: 6/8"),
        (midi_files.sequence(midi_files.groove(1), metre=(2, 2)), "not in 4/4: 2/2"),
    ],
)
def test_reason_to_skip(sequence, reason):
    assert drums.reason_to_skip(sequence) == reason


def test_all_metres_are_named_once_and_four_four_among_them_is_enough():
    sequence = midi_files.sequence(midi_files.groove(1), metre=(3, 4))
    sequence.time_signatures.add(time=2, numerator=5, denominator=4)
    sequence.time_signatures.add(time=4, numerator=3, denominator=4)
    assert drums.reason_to_skip(sequence) == "not in 4/4: 3/4, 5/4"
    sequence.time_signatures.add(time=6, numerator=4, denominator=4)
    assert drums.reason_to_skip(sequence) == ""


def test_no_metre_counts_as_four_four():
    sequence = midi_files.sequence(midi_files.groove(1))
    del sequence.time_signatures[:]
    assert drums.reason_to_skip(sequence) == ""


@pytest.mark.parametrize("pitch", [p for pitches in data.ROLAND_DRUM_PITCH_CLASSES for p in pitches])
def test_on_kit_leaves_the_kits_own_pitches_alone(pitch):
    (note,) = drums.on_kit(midi_files.sequence([(0, pitch, 90)]), drums.ROLAND).notes
    assert note.pitch == pitch


@pytest.mark.parametrize(
    ("given", "expected"),
    [(35, 36), (41, 43), (29, 43), (60, 47), (62, 50), (39, 38), (54, 42), (70, 42), (67, 46), (82, 51)],
)
def test_on_kit_moves_what_the_kit_lacks_to_the_same_class(given, expected):
    (note,) = drums.on_kit(midi_files.sequence([(2, given, 90)]), drums.ROLAND).notes
    assert (note.pitch, note.velocity, note.start_time) == (expected, 90, 0.25)


def test_on_kit_knows_every_pitch_of_magentas_classes():
    for pitch in {p for pitches in data.REDUCED_DRUM_PITCH_CLASSES for p in pitches}:
        assert len(drums.on_kit(midi_files.sequence([(0, pitch, 90)]), drums.ROLAND).notes) == 1


def test_on_kit_drops_what_is_no_drum_and_changes_nothing_in_place():
    sequence = midi_files.sequence([(0, 35, 90), (1, 100, 90), (2, 36, 90)])
    sequence.notes[2].is_drum = False
    before = sequence.SerializeToString()
    kit = drums.on_kit(sequence, drums.ROLAND)
    assert hits(kit) == [(0, 36, 90)]
    assert kit.tempos[0].qpm == 120
    assert sequence.SerializeToString() == before


def test_the_classes_are_magentas():
    assert [list(pitches) for pitches in drums.ROLAND_CLASSES] == data.ROLAND_DRUM_PITCH_CLASSES
    assert [list(pitches) for pitches in drums.GM_CLASSES] == data.REDUCED_DRUM_PITCH_CLASSES


@pytest.mark.parametrize(
    ("pitch", "roland", "gm"), [(45, 45, 43), (48, 48, 47), (58, 58, 49), (50, 50, 50), (22, 22, 22), (36, 36, 36)]
)
def test_the_two_maps_differ_in_three_pitches(pitch, roland, gm):
    for drum_map, expected in ((drums.ROLAND, roland), (drums.GM, gm)):
        (note,) = drums.on_kit(midi_files.sequence([(0, pitch, 90)]), drum_map).notes
        assert note.pitch == expected
    differing = drums.ROLAND.table != drums.GM.table
    assert differing.nonzero()[0].tolist() == [45, 48, 58]


@pytest.mark.parametrize(
    ("pitches", "expected"),
    [
        ([36, 38, 42, 22], drums.ROLAND),
        ([36, 38, 42, 26, 48], drums.ROLAND),
        ([35, 38, 42, 45], drums.GM),
        ([36, 38, 54, 70, 22], drums.GM),
        ([36, 38, 42, 46, 48, 51], None),
        ([], None),
    ],
)
def test_what_only_one_kit_has_tells_which_was_played(pitches, expected):
    assert drums.evidence(pitches) == expected
    sequence = midi_files.sequence([(step, pitch, 90) for step, pitch in enumerate(pitches)])
    sequence.notes.add(pitch=60, velocity=90, end_time=1)  # A piano's, which speaks for nothing.
    assert drums.choose_map(sequence, otherwise=drums.GM) == (expected or drums.GM)


OWN = drums.DrumMap.of("mine.txt", {60: 0, 38: 1, 61: 2, 36: 8})  # A kick on 60, a ride on the usual kick's pitch.


def test_a_map_of_ones_own_puts_hits_on_the_kit_and_leaves_out_what_it_does_not_name():
    sequence = midi_files.sequence([(0, 60, 90), (1, 38, 80), (2, 61, 70), (3, 36, 60), (4, 42, 50)])
    assert hits(drums.on_kit(sequence, OWN)) == [(0, 36, 90), (1, 38, 80), (2, 42, 70), (3, 51, 60)]


def test_a_map_is_a_table_of_128_classes():
    assert OWN.table.dtype == np.int8
    assert OWN.table.shape == (128,)
    assert np.flatnonzero(OWN.table >= 0).tolist() == [36, 38, 60, 61]
    assert OWN.table[[36, 38, 60, 61]].tolist() == [8, 1, 0, 2]
    for drum_map, classes in ((drums.ROLAND, drums.ROLAND_CLASSES), (drums.GM, drums.GM_CLASSES)):
        assert all(drum_map.table[pitch] == number for number, pitches in enumerate(classes) for pitch in pitches)
    assert drums.ROLAND.table[35] == 0  # The Roland kit lacks it: it counts as in General MIDI.


def test_a_map_that_has_travelled_to_another_process_is_the_same_one():
    for drum_map in (OWN, *drums.DRUM_MAPS):
        assert drum_map.pitch_on_kit
        there = pickle.loads(pickle.dumps(drum_map))
        assert there == drum_map
        assert hash(there) == hash(drum_map)
        assert there.label == drum_map.label


def test_labels_tell_maps_apart_by_what_they_say():
    other = drums.DrumMap.of("mine.txt", {60: 0, 38: 1})
    assert (drums.ROLAND.label, drums.GM.label) == ("roland", "gm")
    assert OWN.label.startswith("mine.txt (content ")
    assert len({OWN.label, other.label, drums.DrumMap.of("roland", {60: 0}).label, "roland"}) == 4
