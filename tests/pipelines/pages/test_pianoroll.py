"""Pictures: what is drawn where, and that its colours can be told apart."""

import matplotlib.colors
import numpy as np
import pytest
from PIL import Image

from pipelines.pages import notes, pianoroll
from tests import midi_files

STEP_SECS = 0.125  # A sixteenth at 120 qpm.

# What linear RGB becomes for those who lack one kind of cone: severity 1.0 in the tables of Machado, Oliveira and
# Fernandes, A Physiologically-based Model for Simulation of Color Vision Deficiency, IEEE TVCG 15(6), 2009.
COLOUR_VISION = {
    "all cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
# IEC 61966-2-1: linear sRGB to XYZ, of D65.
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def cielab_as_seen(colours, vision):
    """Returns `[n, 3]` CIELAB of colours `[n, 3]` in sRGB: distances of 2.3 can just be seen."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    xyz = np.clip(linear @ np.array(COLOUR_VISION[vision]).T, 0, 1) @ XYZ.T / XYZ.sum(axis=1)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=-1)


def rgb(*names):
    return np.array([matplotlib.colors.to_rgb(name) for name in names])


def draw(tmp_path, hits, *, signs=(), background=pianoroll.LIGHT):
    """Draws a MIDI file of hits; returns the picture `[height, width, 3]` and what is known of it."""
    score = notes.read(midi_files.write(tmp_path / "a.mid", hits))
    roll = pianoroll.draw(score, tmp_path / "a.png", signs, background)
    return np.array(Image.open(tmp_path / "a.png").convert("RGB")).astype(int), roll


def is_warm(image):
    return image[:, :, 0] - image[:, :, 2] > 60  # Unlike grid and text.


def test_marks_begin_at_the_hit_and_grow_with_velocity(tmp_path):
    score = notes.read(midi_files.write(tmp_path / "a.mid", [(0, 36, 20), (4.2, 38, 120)]))
    soft, loud = pianoroll.marks(score, notes.rows(score))
    assert soft[0][0] == 0
    assert loud[0][0] == pytest.approx(4.2 * STEP_SECS, abs=0.002)
    assert soft[:, 1].mean() == 0
    assert loud[:, 1].mean() == 1
    assert np.ptp(loud[:, 1]) > 2 * np.ptp(soft[:, 1])


def test_picture_shows_the_hits_where_they_are(tmp_path):
    image, roll = draw(tmp_path, [(6, 36, 127), (32.5, 51, 127)])
    height, width, _ = image.shape
    columns = np.flatnonzero(is_warm(image).any(axis=0))
    starts = [columns[0], *columns[1:][np.diff(columns) > 1]]
    expected = [(roll.left + (roll.right - roll.left) * step / 48) * width for step in (6, 32.5)]
    np.testing.assert_allclose(starts, expected, atol=2)
    first, second = (np.flatnonzero(is_warm(image)[:, start + 4]) for start in starts)
    assert first.min() > height / 2 > second.max()  # The kick is the lowest row, the ride the highest.


def test_an_early_hit_lies_across_its_line_and_a_late_one_leaves_it(tmp_path):
    """The line is seen in the mark, and the mark's dark edge as far from it as the hit is."""
    early = 0.25
    image, roll = draw(tmp_path, [(4 - early, 36, 64), (8 + early, 36, 64)])
    width = image.shape[1]
    row = image[np.flatnonzero(is_warm(image).any(axis=1)).mean().astype(int)]
    line, late_line = (int((roll.left + (roll.right - roll.left) * step / 16) * width) for step in (4, 8))
    step_width = (roll.right - roll.left) * width / 16
    in_early = row[int(line - early * step_width) - 2 : line + int(0.25 * step_width)]
    assert (in_early.min(axis=1)[-int(0.25 * step_width) - 3 : -int(0.25 * step_width) + 4] > 180).any()  # The line.
    assert (in_early.max(axis=1)[:6] < 110).any()  # The edge.
    between = row[late_line + 3 : late_line + int(early * step_width) - 3]
    assert (between.min(axis=1) > 220).all()  # Nothing is drawn between the line and a late hit.


def test_bars_and_beats_are_numbered(tmp_path):
    score = notes.read(midi_files.write(tmp_path / "a.mid", [(0, 36, 100), (17, 36, 100)]))
    names = pianoroll.beat_names(score)
    assert [name for _, name in names] == ["1.2", "1.3", "1.4", "2.2", "2.3", "2.4"]
    assert [secs for secs, _ in names] == pytest.approx([0.5, 1, 1.5, 2.5, 3, 3.5])


@pytest.mark.parametrize("hits", [[], [(0, 36, 1)], [(n, 30 + n % 60, 100) for n in range(1600)]])
def test_empty_and_long_scores_can_be_drawn(tmp_path, hits):
    image, roll = draw(tmp_path, hits)
    assert image.shape[1] < 8000
    assert roll.aspect == pytest.approx(image.shape[1] / image.shape[0], rel=0.01)


def test_signs_are_drawn_where_hits_are_or_would_be(tmp_path):
    signs = [
        pianoroll.Sign(pianoroll.BOX, 6 * STEP_SECS, "ride"),
        pianoroll.Sign(pianoroll.CROSS, 9 * STEP_SECS, "kick"),
    ]
    plain, _ = draw(tmp_path, [(0, 36, 100)])
    signed, roll = draw(tmp_path, [(0, 36, 100)], signs=signs)
    height, width, _ = signed.shape
    is_blue = signed[:, :, 2] - signed[:, :, 0] > 60
    assert not (plain[:, :, 2] - plain[:, :, 0] > 60).any()
    for rows, step in ((slice(0, height // 2), 6), (slice(height // 2, height), 9)):
        columns = np.flatnonzero(is_blue[rows].any(axis=0))
        middle = (roll.left + (roll.right - roll.left) * (step + 0.25) / 16) * width
        assert (columns.min() + columns.max()) / 2 == pytest.approx(middle, abs=2)


def test_the_background_is_the_one_asked_for(tmp_path):
    for background, palette in pianoroll.BACKGROUNDS.items():
        image, roll = draw(tmp_path, [(0, 36, 100)], background=background)
        assert roll.background == background
        np.testing.assert_allclose(image[0, 0] / 255, rgb(palette.background)[0], atol=0.01)
    assert set(pianoroll.BACKGROUNDS) == {"light", "dark"}


@pytest.mark.parametrize("vision", COLOUR_VISION)
@pytest.mark.parametrize("background", pianoroll.BACKGROUNDS)
def test_colours_are_told_apart_with_any_colour_vision(background, vision):
    palette = pianoroll.BACKGROUNDS[background]
    shades = cielab_as_seen(palette.shade(np.arange(1, 128) / 127)[:, :3], vision)
    behind, band, sign = cielab_as_seen(rgb(palette.background, palette.band, palette.sign), vision)
    from_background = np.abs(shades[:, 0] - behind[0])
    assert (np.diff(from_background) > 0).all()  # Louder is further from the background in lightness alone.
    assert np.linalg.norm(shades - behind, axis=1).min() > 20
    assert np.linalg.norm(shades - band, axis=1).min() > 15
    assert np.linalg.norm(shades - sign, axis=1).min() > 50
    assert np.linalg.norm(sign - behind) > 50
