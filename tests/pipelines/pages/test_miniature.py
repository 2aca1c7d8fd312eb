"""Miniatures: each hit in the place of its drum and its sixteenth."""

import re

import numpy as np
import pytest

from pipelines.pages import miniature, notes
from tests import midi_files


def read(tmp_path, hits, **options):
    return notes.read(midi_files.write(tmp_path / "a.mid", hits, **options))


def test_loudness_is_the_mean_of_the_bars(tmp_path):
    loudness = miniature.average(read(tmp_path, [(0, 36, 127), (16, 36, 127), (20.3, 38, 127)]))
    assert loudness.shape == (9, 16)
    assert loudness[0, 0] == 1
    assert loudness[1, 4] == 0.5
    assert np.count_nonzero(loudness) == 2


def test_early_hits_belong_to_their_sixteenth(tmp_path):
    loudness = miniature.average(read(tmp_path, [(3.6, 36, 127), (15.7, 38, 127), (17, 38, 127)]))
    assert np.argwhere(loudness).tolist() == [[0, 4], [1, 0], [1, 1]]


def test_marks_are_where_their_hits_are(tmp_path):
    made = miniature.make(read(tmp_path, [(0, 36, 127), (5, 51, 30)]))
    assert (made.width, made.height) == (16, 9)
    assert set(made.paths) == {"soft", "loud"}
    places = {level: [float(x) for x in re.findall(r"M(\S+) (\S+?)h", d)[0]] for level, d in made.paths.items()}
    assert places["loud"] == pytest.approx([0.08, 8.08])  # The kick is the lowest row.
    assert places["soft"] == pytest.approx([5.08, 0.08])


@pytest.mark.parametrize("hits", [[], [(0, 36, 1)]])
def test_what_has_next_to_nothing_in_it_is_no_error(tmp_path, hits):
    assert len(miniature.make(read(tmp_path, hits)).paths) == len(hits)


def test_bars_of_another_metre_have_their_sixteenths(tmp_path):
    assert miniature.make(read(tmp_path, [(0, 36, 100), (13, 36, 100)], metre=(6, 8))).width == 12
