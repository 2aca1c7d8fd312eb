"""Drums in NoteSequences: what cannot be used, the nine classes, constant tempo, cutting bars."""

from __future__ import annotations

import midi_files
import note_seq
import pytest
from magenta.models.music_vae import data

from pipelines import drums


def hits(sequence):
    """Returns (start in sixteenths at 120 qpm, pitch, velocity) of all notes."""
    return [(round(note.start_time * 8, 6), note.pitch, note.velocity) for note in sequence.notes]


def with_piano(sequence):
    """Returns `sequence` with another note, which is no drum's."""
    sequence.notes.add(pitch=36, velocity=90, start_time=0, end_time=1)
    return sequence


def test_one_golden_file_through_and_back(tmp_path):
    """Hits late and early by ticks, three velocities, a tempo that is no divisor: all come back."""
    played = [(0, 36, 127), (0.25, 42, 1), (3.75, 38, 64), (4, 22, 80), (16.025, 51, 99), (63.9, 49, 110)]
    path = midi_files.write(tmp_path / "golden.mid", played, tempos=[(0, 97)])
    sequence = drums.read_midi(path.read_bytes())
    assert sequence.tempos[0].qpm == pytest.approx(97, abs=1e-3)
    assert [(m.numerator, m.denominator) for m in sequence.time_signatures] == [(4, 4)]
    assert all(note.is_drum for note in sequence.notes)

    written = tmp_path / "back.mid"
    note_seq.sequence_proto_to_midi_file(sequence, str(written))
    again = drums.read_midi(written.read_bytes())
    for step, pitch, velocity in played:
        (note,) = [note for note in again.notes if note.pitch == pitch]
        assert note.velocity == velocity
        assert note.start_time * 97 / 15 == pytest.approx(step, abs=1 / 120)  # A tick.


@pytest.mark.parametrize(
    ("midi", "expected"),
    [
        (b"", "the file ends too early"),
        (b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\0\0\xff\xff\0\x90", "the file ends too early"),
        (b"no MIDI at all", "MThd not found. Probably not a MIDI file"),
    ],
)
def test_damaged_midi_is_one_line(midi, expected):
    with pytest.raises(ValueError, match="unreadable MIDI") as caught:
        drums.read_midi(midi)
    assert str(caught.value) == f"unreadable MIDI: {expected}"


def test_ctrl_c_is_not_taken_for_a_damaged_file(monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(drums.pretty_midi, "PrettyMIDI", interrupted)
    with pytest.raises(KeyboardInterrupt):
        drums.read_midi(b"")


def test_midi_cut_off_anywhere_is_read_or_refused_but_never_worse(tmp_path):
    midi = midi_files.write(tmp_path / "a.mid", midi_files.groove(1)).read_bytes()
    for length in range(len(midi)):
        try:
            drums.read_midi(midi[:length])
        except ValueError as error:
            assert str(error).startswith("unreadable MIDI: ")


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
def test_on_roland_kit_leaves_the_kits_own_pitches_alone(pitch):
    (note,) = drums.on_roland_kit(midi_files.sequence([(0, pitch, 90)])).notes
    assert note.pitch == pitch


@pytest.mark.parametrize(
    ("given", "expected"),
    [(35, 36), (41, 43), (29, 43), (60, 47), (62, 50), (39, 38), (54, 42), (70, 42), (67, 46), (82, 51)],
)
def test_on_roland_kit_moves_what_the_kit_lacks_to_the_same_class(given, expected):
    (note,) = drums.on_roland_kit(midi_files.sequence([(2, given, 90)])).notes
    assert (note.pitch, note.velocity, note.start_time) == (expected, 90, 0.25)


def test_on_roland_kit_knows_every_pitch_of_magentas_classes():
    for pitch in {p for pitches in data.REDUCED_DRUM_PITCH_CLASSES for p in pitches}:
        assert len(drums.on_roland_kit(midi_files.sequence([(0, pitch, 90)])).notes) == 1


def test_on_roland_kit_drops_what_is_no_drum_and_changes_nothing_in_place():
    sequence = midi_files.sequence([(0, 35, 90), (1, 100, 90), (2, 36, 90)])
    sequence.notes[2].is_drum = False
    before = sequence.SerializeToString()
    kit = drums.on_roland_kit(sequence)
    assert hits(kit) == [(0, 36, 90)]
    assert kit.tempos[0].qpm == 120
    assert sequence.SerializeToString() == before


def test_read_at_constant_tempo_lays_hits_on_their_beats(tmp_path):
    played = midi_files.groove(3)
    path = midi_files.write(tmp_path / "a.mid", played, tempos=[(0, 90), (16, 180), (20, 60)])
    sequence = drums.read_at_constant_tempo(path.read_bytes())
    assert [tempo.qpm for tempo in sequence.tempos] == [drums.QPM]
    assert sorted(hits(sequence)) == played
    assert sequence.total_time == pytest.approx((played[-1][0] + 0.5) / 8)


def test_read_at_constant_tempo_leaves_one_tempo_as_it_is(tmp_path):
    path = midi_files.write(tmp_path / "a.mid", midi_files.groove(1), tempos=[(0, 90)])
    assert drums.read_at_constant_tempo(path.read_bytes()) == drums.read_midi(path.read_bytes())


@pytest.mark.parametrize(
    ("last_step", "bars"), [(0, 1), (15, 1), (15.4, 1), (15.6, 2), (16, 2), (63, 4), (63.6, 5), (1600, 101)]
)
def test_num_bars_counts_to_the_bar_of_the_last_hit(last_step, bars):
    for qpm in (60, 120, 133):
        assert drums.num_bars(midi_files.sequence([(0, 36, 90), (last_step, 38, 90)], qpm=qpm)) == bars


def test_num_bars_of_nothing_is_one():
    assert drums.num_bars(note_seq.NoteSequence()) == 1


def test_cut_bars_moves_the_bars_to_the_front():
    played = midi_files.groove(6)
    cut = drums.cut_bars(midi_files.sequence(played), first_bar=3, bars=2)
    assert hits(cut) == [(step - 32, pitch, velocity) for step, pitch, velocity in played if 32 <= step < 64]


def test_cut_bars_keeps_offsets_and_the_tempo():
    sequence = midi_files.sequence([(0, 36, 9), (16.3, 38, 10), (20.75, 42, 11), (31.4, 42, 12)], qpm=90)
    cut = drums.cut_bars(sequence, first_bar=2, bars=1)
    secs_per_step = 15 / 90
    assert [note.start_time / secs_per_step for note in cut.notes] == pytest.approx([0.3, 4.75, 15.4])
    assert cut.tempos[0].qpm == 90


def test_a_hit_a_little_before_the_bar_line_opens_the_bar():
    sequence = midi_files.sequence([(0, 36, 1), (15.7, 49, 2), (16, 36, 3), (31.7, 51, 4)])
    assert [note.velocity for note in drums.cut_bars(sequence, 1, 1).notes] == [1]
    second = drums.cut_bars(sequence, 2, 1)
    assert hits(second) == [(0, 49, 2), (0, 36, 3)]  # There is no time before 0 to be early in.
    assert [note.velocity for note in drums.cut_bars(sequence, 1, 2).notes] == [1, 2, 3]


def test_cut_bars_after_the_end_are_empty():
    cut = drums.cut_bars(midi_files.sequence(midi_files.groove(1)), first_bar=9, bars=4)
    assert (len(cut.notes), cut.total_time) == (0, 0)


def test_cut_bars_refuses_other_metres():
    sequence = midi_files.sequence(midi_files.groove(1), metre=(3, 4))
    sequence.time_signatures.add(time=3, numerator=4, denominator=4)
    with pytest.raises(ValueError, match=r"^in 3/4, 4/4; four bars of 4/4 are needed$"):
        drums.cut_bars(sequence, 1, 4)
