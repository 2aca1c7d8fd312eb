"""Soundfonts that stay loaded: what they play afterwards, in several threads, and what does not lie there."""

import concurrent.futures

import mido
import numpy as np
import pytest

from pipelines.audio import libfluidsynth
from pipelines.audio.shelf import Shelf
from pipelines.audio.synthesizer import CLICK_CHANNEL, Synthesizer
from tests.sounds import needs_library, without_kits

pytestmark = needs_library
DRUMS = (36, 38, 42, 46, 49, 51)


def drums(font, shelf=None, channels=(9,)):
    """Returns a second of a kit that goes on sounding, `[samples, 2]`."""
    samples = np.zeros([44160, 2], np.float32)
    with Synthesizer(font, 44100, channels, shelf=shelf) as synth:
        for key in DRUMS:
            synth.send(mido.Message("note_on", channel=9, note=key, velocity=100))
        synth.write(samples)
    return samples


@pytest.fixture
def loads(monkeypatch):
    """The paths that soundfonts were loaded from."""
    found, load = [], libfluidsynth.library().Synth.sfload

    def counted(synth, path, *others):
        found.append(path)
        return load(synth, path, *others)

    monkeypatch.setattr(libfluidsynth.library().Synth, "sfload", counted)
    return found


def test_one_after_the_other_loads_once_and_plays_the_same(font, loads):
    expected = drums(font)
    loads.clear()
    with Shelf() as shelf:
        for channels in ((9,), (9, CLICK_CHANNEL), (0, 9), (9,)):
            assert np.array_equal(drums(font, shelf, channels), expected)
    assert loads == [str(font)]


def test_several_at_once_load_one_each_and_play_the_same(font, loads):
    expected = drums(font)
    loads.clear()
    with Shelf() as shelf, concurrent.futures.ThreadPoolExecutor(3) as pool:
        assert all(np.array_equal(played, expected) for played in pool.map(lambda _: drums(font, shelf), range(24)))
    assert 1 <= len(loads) <= 3


def test_a_compressed_one_does_not_lie_there(loads, tmp_path, font):
    """FluidSynth tells by what is in a file, not by its name, whether it is compressed: it loads either."""
    named = tmp_path / "a.SF3"
    named.write_bytes(font.read_bytes())
    with Shelf() as shelf:
        first, second = drums(named, shelf), drums(named, shelf)
    assert np.array_equal(first, second) and np.abs(first).max() > 0.01
    assert len(loads) == 2


def test_nor_does_any_of_an_old_library(font, loads, monkeypatch):
    monkeypatch.setattr(libfluidsynth, "version", lambda: (1, 1, 11))
    with Shelf() as shelf:
        assert np.array_equal(drums(font, shelf), drums(font, shelf))
    assert len(loads) == 2


def test_one_that_cannot_click_is_said_each_time(tmp_path, loads):
    font = without_kits(tmp_path / "no kits.sf2")
    with Shelf() as shelf:
        for _ in range(2):
            with pytest.raises(ValueError, match="has no drum kit to click with"):
                Synthesizer(font, 44100, (CLICK_CHANNEL,), shelf=shelf)
    assert len(loads) == 1


def test_one_that_cannot_be_loaded_is_no_matter_for_the_shelf(tmp_path, font):
    (tmp_path / "a.sf2").write_bytes(b"RIFF\4\0\0\0sfbk")
    with Shelf() as shelf:
        with pytest.raises(ValueError, match="cannot load this soundfont"):
            Synthesizer(tmp_path / "a.sf2", 44100, shelf=shelf)
        assert np.abs(drums(font, shelf)).max() > 0.01
