"""Bars: laid on a constant tempo, counted, cut out."""

from __future__ import annotations

import note_seq
import pytest

from grooves import timing
from pipelines.dataset.formats import midi
from pipelines.generation import bars
from tests import midi_files


def hits(sequence):
    """Returns (start in sixteenths at 120 qpm, pitch, velocity) of all notes."""
    return [(round(note.start_time * 8, 6), note.pitch, note.velocity) for note in sequence.notes]


def test_read_at_constant_tempo_lays_hits_on_their_beats(tmp_path):
    played = midi_files.groove(3)
    path = midi_files.write(tmp_path / "a.mid", played, tempos=[(0, 90), (16, 180), (20, 60)])
    sequence = bars.read_at_constant_tempo(path.read_bytes())
    assert [tempo.qpm for tempo in sequence.tempos] == [timing.QPM]
    assert sorted(hits(sequence)) == played
    assert sequence.total_time == pytest.approx((played[-1][0] + 0.5) / 8)


def test_read_at_constant_tempo_leaves_one_tempo_as_it_is(tmp_path):
    path = midi_files.write(tmp_path / "a.mid", midi_files.groove(1), tempos=[(0, 90)])
    assert bars.read_at_constant_tempo(path.read_bytes()) == midi.read_midi(path.read_bytes())


@pytest.mark.parametrize(
    ("last_step", "expected"), [(0, 1), (15, 1), (15.4, 1), (15.6, 2), (16, 2), (63, 4), (63.6, 5), (1600, 101)]
)
def test_num_bars_counts_to_the_bar_of_the_last_hit(last_step, expected):
    for qpm in (60, 120, 133):
        assert bars.num_bars(midi_files.sequence([(0, 36, 90), (last_step, 38, 90)], qpm=qpm)) == expected


def test_num_bars_of_nothing_is_one():
    assert bars.num_bars(note_seq.NoteSequence()) == 1


def test_cut_bars_moves_the_bars_to_the_front():
    played = midi_files.groove(6)
    cut = bars.cut_bars(midi_files.sequence(played), first_bar=3, bars=2)
    assert hits(cut) == [(step - 32, pitch, velocity) for step, pitch, velocity in played if 32 <= step < 64]


def test_cut_bars_keeps_offsets_and_the_tempo():
    sequence = midi_files.sequence([(0, 36, 9), (16.3, 38, 10), (20.75, 42, 11), (31.4, 42, 12)], qpm=90)
    cut = bars.cut_bars(sequence, first_bar=2, bars=1)
    secs_per_step = 15 / 90
    assert [note.start_time / secs_per_step for note in cut.notes] == pytest.approx([0.3, 4.75, 15.4])
    assert cut.tempos[0].qpm == 90


def test_a_hit_a_little_before_the_bar_line_opens_the_bar():
    sequence = midi_files.sequence([(0, 36, 1), (15.7, 49, 2), (16, 36, 3), (31.7, 51, 4)])
    assert [note.velocity for note in bars.cut_bars(sequence, 1, 1).notes] == [1]
    second = bars.cut_bars(sequence, 2, 1)
    assert hits(second) == [(0, 49, 2), (0, 36, 3)]  # There is no time before 0 to be early in.
    assert [note.velocity for note in bars.cut_bars(sequence, 1, 2).notes] == [1, 2, 3]


def test_cut_bars_after_the_end_are_empty():
    cut = bars.cut_bars(midi_files.sequence(midi_files.groove(1)), first_bar=9, bars=4)
    assert (len(cut.notes), cut.total_time) == (0, 0)


def test_cut_bars_refuses_other_metres():
    sequence = midi_files.sequence(midi_files.groove(1), metre=(3, 4))
    sequence.time_signatures.add(time=3, numerator=4, denominator=4)
    with pytest.raises(ValueError, match=r"^in 3/4, 4/4; four bars of 4/4 are needed$"):
        bars.cut_bars(sequence, 1, 4)
