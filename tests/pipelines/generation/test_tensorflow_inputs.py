"""Bars: laid on a constant tempo, counted, cut out."""

from __future__ import annotations

import note_seq
import numpy as np
import pytest

from grooves import timing
from pipelines.dataset.formats import midi
from pipelines.generation import tensorflow_inputs as inputs
from pipelines.runs import resolution
from pipelines.runs.run_folder import RunFolder
from tests import midi_files


def hits(sequence):
    """Returns (start in sixteenths at 120 qpm, pitch, velocity) of all notes."""
    return [(round(note.start_time * 8, 6), note.pitch, note.velocity) for note in sequence.notes]


def test_read_at_constant_tempo_lays_hits_on_their_beats(tmp_path):
    played = midi_files.groove(3)
    path = midi_files.write(tmp_path / "a.mid", played, tempos=[(0, 90), (16, 180), (20, 60)])
    sequence = inputs.read_at_constant_tempo(path.read_bytes())
    assert [tempo.qpm for tempo in sequence.tempos] == [timing.QPM]
    assert sorted(hits(sequence)) == played
    assert sequence.total_time == pytest.approx((played[-1][0] + 0.5) / 8)


def test_read_at_constant_tempo_leaves_one_tempo_as_it_is(tmp_path):
    path = midi_files.write(tmp_path / "a.mid", midi_files.groove(1), tempos=[(0, 90)])
    assert inputs.read_at_constant_tempo(path.read_bytes()) == midi.read_midi(path.read_bytes())


@pytest.mark.parametrize(
    ("last_step", "expected"), [(0, 1), (15, 1), (15.4, 1), (15.6, 2), (16, 2), (63, 4), (63.6, 5), (1600, 101)]
)
def test_num_bars_counts_to_the_bar_of_the_last_hit(last_step, expected):
    for qpm in (60, 120, 133):
        assert inputs.count_bars(midi_files.sequence([(0, 36, 90), (last_step, 38, 90)], qpm=qpm)) == expected


def test_num_bars_of_nothing_is_one():
    assert inputs.count_bars(note_seq.NoteSequence()) == 1


def test_cut_bars_moves_the_bars_to_the_front():
    played = midi_files.groove(6)
    cut = inputs.cut_bars(midi_files.sequence(played), first_bar=3, bars=2)
    assert hits(cut) == [(step - 32, pitch, velocity) for step, pitch, velocity in played if 32 <= step < 64]


def test_cut_bars_keeps_offsets_and_the_tempo():
    sequence = midi_files.sequence([(0, 36, 9), (16.3, 38, 10), (20.75, 42, 11), (31.4, 42, 12)], qpm=90)
    cut = inputs.cut_bars(sequence, first_bar=2, bars=1)
    secs_per_step = 15 / 90
    assert [note.start_time / secs_per_step for note in cut.notes] == pytest.approx([0.3, 4.75, 15.4])
    assert cut.tempos[0].qpm == 90


def test_a_hit_a_little_before_the_bar_line_opens_the_bar():
    sequence = midi_files.sequence([(0, 36, 1), (15.7, 49, 2), (16, 36, 3), (31.7, 51, 4)])
    assert [note.velocity for note in inputs.cut_bars(sequence, 1, 1).notes] == [1]
    second = inputs.cut_bars(sequence, 2, 1)
    assert hits(second) == [(0, 49, 2), (0, 36, 3)]  # There is no time before 0 to be early in.
    assert [note.velocity for note in inputs.cut_bars(sequence, 1, 2).notes] == [1, 2, 3]


def test_cut_bars_after_the_end_are_empty():
    cut = inputs.cut_bars(midi_files.sequence(midi_files.groove(1)), first_bar=9, bars=4)
    assert (len(cut.notes), cut.total_time) == (0, 0)


def test_cut_bars_refuses_other_metres():
    sequence = midi_files.sequence(midi_files.groove(1), metre=(3, 4))
    sequence.time_signatures.add(time=3, numerator=4, denominator=4)
    with pytest.raises(ValueError, match=r"^in 3/4, 4/4; four bars of 4/4 are needed$"):
        inputs.cut_bars(sequence, 1, 4)


def test_start_bar_chooses_the_bars(tiny_runs, tmp_path):
    """A kick on every quarter from bar 1, a snare only in bar 3."""
    sequence = note_seq.NoteSequence()
    sequence.tempos.add(qpm=120)
    for quarter in range(4 * 7):
        sequence.notes.add(
            pitch=36, is_drum=True, instrument=9, velocity=90, start_time=quarter / 2, end_time=quarter / 2 + 0.1
        )
    sequence.notes.add(pitch=38, is_drum=True, instrument=9, velocity=90, start_time=4, end_time=4.1)
    sequence.total_time = 14
    path = tmp_path / "kicks.mid"
    note_seq.sequence_proto_to_midi_file(sequence, str(path))
    _, config = resolution.resolve_config(RunFolder(tiny_runs["hier-drums_4bar_small"]), None, "")
    for start_bar, snare_step in ((None, 32), (1, 32), (2, 16), (3, 0)):
        roll = inputs.read_example(config, str(path), start_bar).inputs[0]
        np.testing.assert_array_equal(np.flatnonzero(roll[:, 0]), np.arange(0, 64, 4))
        np.testing.assert_array_equal(np.flatnonzero(roll[:, 1]), [snare_step])
    with pytest.raises(ValueError, match=r"kicks.mid: no drums throughout bars 5 to 8 of its 7; 4 bars"):
        inputs.read_example(config, str(path), 5)


def midi_of(tmp_path, *, is_drum=True, metre=(4, 4), quarters=20):
    sequence = note_seq.NoteSequence()
    sequence.tempos.add(qpm=120)
    sequence.time_signatures.add(numerator=metre[0], denominator=metre[1])
    for quarter in range(quarters):
        sequence.notes.add(
            pitch=36, is_drum=is_drum, instrument=9 if is_drum else 0, velocity=90,
            start_time=quarter / 2, end_time=quarter / 2 + 0.1,
        )  # fmt: skip
    path = tmp_path / "given.mid"
    note_seq.sequence_proto_to_midi_file(sequence, str(path))
    return path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"is_drum": False}, "no drums: nothing on MIDI channel 10"),
        ({"metre": (3, 4)}, "not in 4/4: 3/4"),
        ({"quarters": 8}, "no drums throughout any 4 bars in a row of its 2"),
        ({"quarters": 0}, "no notes"),
    ],
)
def test_midi_that_cannot_be_encoded_says_why(tiny_runs, tmp_path, options, message):
    _, config = resolution.resolve_config(RunFolder(tiny_runs["hier-drums_4bar_small"]), None, "")
    with pytest.raises(ValueError, match=message):
        inputs.read_example(config, str(midi_of(tmp_path, **options)), None)


def test_corrupt_midi_says_so(tiny_runs, tmp_path):
    (tmp_path / "broken.mid").write_bytes(b"MThd not really")
    _, config = resolution.resolve_config(RunFolder(tiny_runs["hier-drums_4bar_small"]), None, "")
    with pytest.raises(ValueError, match=r"broken.mid: unreadable MIDI"):
        inputs.read_example(config, str(tmp_path / "broken.mid"), None)
