"""Pictures: what is drawn where."""

import numpy as np
import pytest
from PIL import Image

from pipelines.pages import pianoroll
from tests import midi_files

STEP_SECS = 0.125  # A sixteenth at 120 qpm.


def test_grid_is_whole_bars_at_true_times(tmp_path):
    score = pianoroll.read(midi_files.write(tmp_path / "a.mid", [(0, 36, 100), (63.4, 38, 50)]))
    assert score.num_bars == 4
    np.testing.assert_allclose(score.bar_secs, [0, 2, 4, 6, 8])
    np.testing.assert_allclose(score.beat_secs, np.arange(16) * 0.5)
    np.testing.assert_allclose(score.step_secs, np.arange(64) * STEP_SECS)


def test_bars_follow_the_metre(tmp_path):
    score = pianoroll.read(midi_files.write(tmp_path / "a.mid", [(0, 36, 100), (13, 36, 100)], metre=(6, 8)))
    np.testing.assert_allclose(score.bar_secs, [0, 1.5, 3])
    assert len(score.beat_secs) == 12


def test_rows_are_the_kit_then_other_drums(tmp_path):
    path = midi_files.write(tmp_path / "a.mid", [(0, 36, 100), (1, 39, 100), (2, 27, 100), (3, 22, 9)])
    score = pianoroll.read(path)
    labels = pianoroll.rows(score)
    assert labels[:9] == [
        *("kick", "snare", "closed hi-hat", "open hi-hat", "low tom", "mid tom", "high tom", "crash", "ride")
    ]
    assert labels[9:] == ["drum 27", "hand clap"]
    assert [pianoroll.row_of(note) for note in score.notes] == [
        "kick",
        "hand clap",
        "drum 27",
        "closed hi-hat",
    ]


def test_rows_of_a_melody_are_its_pitches(tmp_path):
    score = pianoroll.read(midi_files.write(tmp_path / "a.mid", [(0, 60, 100), (4, 63, 100)], channel=0))
    assert pianoroll.rows(score) == ["C4", "C#4", "D4", "D#4"]


def test_marks_begin_at_the_hit_and_grow_with_velocity(tmp_path):
    score = pianoroll.read(midi_files.write(tmp_path / "a.mid", [(0, 36, 20), (4.2, 38, 120)]))
    soft, loud = pianoroll.marks(score, pianoroll.rows(score))
    assert soft[0][0] == 0
    assert loud[0][0] == pytest.approx(4.2 * STEP_SECS, abs=0.002)
    assert soft[:, 1].mean() == 0
    assert loud[:, 1].mean() == 1
    assert np.ptp(loud[:, 1]) > 2 * np.ptp(soft[:, 1])


def test_picture_shows_the_hits_where_they_are(tmp_path):
    score = pianoroll.read(midi_files.write(tmp_path / "a.mid", [(6, 36, 127), (32.5, 51, 127)]))
    left, right = pianoroll.draw(score, tmp_path / "a.png")
    image = np.array(Image.open(tmp_path / "a.png").convert("RGB")).astype(int)
    height, width, _ = image.shape
    columns = np.flatnonzero(((image[:, :, 0] - image[:, :, 2]) > 60).any(axis=0))  # Warm, unlike grid and text.
    starts = [columns[0], *columns[1:][np.diff(columns) > 1]]
    expected = [(left + (right - left) * step / 48) * width for step in (6, 32.5)]
    np.testing.assert_allclose(starts, expected, atol=2)
    rows_of_first = np.flatnonzero(image[:, starts[0] + 3, 0] - image[:, starts[0] + 3, 2] > 60)
    rows_of_second = np.flatnonzero(image[:, starts[1] + 3, 0] - image[:, starts[1] + 3, 2] > 60)
    assert rows_of_first.min() > height / 2 > rows_of_second.max()  # The kick is the lowest row, the ride the highest.


@pytest.mark.parametrize("hits", [[], [(0, 36, 1)], [(n, 30 + n % 60, 100) for n in range(1600)]])
def test_empty_and_long_scores_can_be_drawn(tmp_path, hits):
    score = pianoroll.read(midi_files.write(tmp_path / "a.mid", hits))
    pianoroll.draw(score, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.width < 8000


def test_a_score_can_have_more_bars_than_its_hits_need(tmp_path):
    path = midi_files.write(tmp_path / "a.mid", [(0, 36, 100)])
    assert [pianoroll.read(path, min_bars).num_bars for min_bars in (1, 4)] == [1, 4]
    assert pianoroll.read(path, 4).bar_secs[-1] == pytest.approx(8)


def test_signs_are_drawn_where_hits_are_or_would_be(tmp_path):
    score = pianoroll.read(midi_files.write(tmp_path / "a.mid", [(0, 36, 100)]))
    signs = [
        pianoroll.Sign(pianoroll.BOX, 6 * STEP_SECS, "ride"),
        pianoroll.Sign(pianoroll.CROSS, 9 * STEP_SECS, "kick"),
    ]
    pianoroll.draw(score, tmp_path / "plain.png")
    left, right = pianoroll.draw(score, tmp_path / "signed.png", signs)
    plain, signed = (
        np.array(Image.open(tmp_path / f"{name}.png").convert("RGB")).astype(int) for name in ("plain", "signed")
    )
    height, width, _ = signed.shape
    is_blue = signed[:, :, 2] - signed[:, :, 0] > 60
    assert not (plain[:, :, 2] - plain[:, :, 0] > 60).any()
    for rows, step in ((slice(0, height // 2), 6), (slice(height // 2, height), 9)):
        columns = np.flatnonzero(is_blue[rows].any(axis=0))
        middle = (left + (right - left) * (step + 0.25) / 16) * width
        assert (columns.min() + columns.max()) / 2 == pytest.approx(middle, abs=2)
