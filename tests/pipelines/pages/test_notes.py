"""Notes as pictures need them: in their rows, on a grid of true times."""

import numpy as np
import pytest

from pipelines.pages import notes
from tests import midi_files

STEP_SECS = 0.125  # A sixteenth at 120 qpm.


def test_grid_is_whole_bars_at_true_times(tmp_path):
    score = notes.read(midi_files.write(tmp_path / "a.mid", [(0, 36, 100), (63.4, 38, 50)]))
    assert score.num_bars == 4
    np.testing.assert_allclose(score.bar_secs, [0, 2, 4, 6, 8])
    np.testing.assert_allclose(score.beat_secs, np.arange(16) * 0.5)
    np.testing.assert_allclose(score.step_secs, np.arange(64) * STEP_SECS)


def test_bars_follow_the_metre(tmp_path):
    score = notes.read(midi_files.write(tmp_path / "a.mid", [(0, 36, 100), (13, 36, 100)], metre=(6, 8)))
    np.testing.assert_allclose(score.bar_secs, [0, 1.5, 3])
    assert len(score.beat_secs) == 12


def test_rows_are_the_kit_then_other_drums(tmp_path):
    path = midi_files.write(tmp_path / "a.mid", [(0, 36, 100), (1, 39, 100), (2, 27, 100), (3, 22, 9)])
    score = notes.read(path)
    labels = notes.rows(score)
    assert labels[:9] == [
        *("kick", "snare", "closed hi-hat", "open hi-hat", "low tom", "mid tom", "high tom", "crash", "ride")
    ]
    assert labels[9:] == ["drum 27", "hand clap"]
    assert [notes.row_of(note) for note in score.notes] == ["kick", "hand clap", "drum 27", "closed hi-hat"]


def test_rows_of_a_melody_are_its_pitches(tmp_path):
    score = notes.read(midi_files.write(tmp_path / "a.mid", [(0, 60, 100), (4, 63, 100)], channel=0))
    assert notes.rows(score) == ["C4", "C#4", "D4", "D#4"]


def test_a_score_can_have_more_bars_than_its_hits_need(tmp_path):
    path = midi_files.write(tmp_path / "a.mid", [(0, 36, 100)])
    assert [notes.read(path, min_bars).num_bars for min_bars in (1, 4)] == [1, 4]
    assert notes.read(path, 4).secs == pytest.approx(8)


def test_what_is_no_midi_is_an_error_that_names_it(tmp_path):
    (tmp_path / "bad.mid").write_bytes(b"no MIDI")
    with pytest.raises(ValueError, match=r"bad\.mid: cannot be read as MIDI"):
        notes.read(tmp_path / "bad.mid")
