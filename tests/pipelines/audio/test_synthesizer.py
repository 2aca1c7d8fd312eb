"""FluidSynth: which settings leave the sound as it is, and what is said of soundfonts that cannot be used."""

import mido
import numpy as np
import pytest

from pipelines.audio import synthesizer
from pipelines.audio.synthesizer import CLICK_CHANNEL, Synthesizer
from tests.sounds import needs_library, without_kits

DRUMS = (36, 38, 42, 46, 49, 51)


def drums(font, channels=(9,), *, chorus=False, clicks=()):
    """Returns two seconds of a kit, as `[samples, 2]`."""
    samples = np.zeros([44160 * 2, 2], np.float32)
    with Synthesizer(font, 44100, channels, chorus=chorus) as synth:
        for key in clicks:
            synth.click(key, 100)
        for key in DRUMS:
            synth.send(mido.Message("note_on", channel=9, note=key, velocity=100))
        synth.write(samples)
    return samples


@needs_library
def test_drums_have_no_chorus_to_lose(font):
    assert np.array_equal(drums(font), drums(font, chorus=True))


@needs_library
def test_clicks_have_a_channel_of_their_own(font):
    """A closed hi-hat that clicks cuts off no open one that plays; nor does its channel change how drums sound."""
    assert np.array_equal(drums(font), drums(font, (9, CLICK_CHANNEL)))
    heard = drums(font, (9, CLICK_CHANNEL), clicks=[37]) - drums(font)
    assert np.abs(heard).max() > 0.01


@needs_library
def test_the_same_synthesizer_made_anew_plays_the_same(font):
    assert np.array_equal(drums(font), drums(font))


@needs_library
def test_a_soundfont_without_drums_cannot_click(font, tmp_path):
    with pytest.raises(
        ValueError, match=r"no kits\.sf2: has no drum kit to click with; choose another with --soundfont"
    ):
        Synthesizer(without_kits(tmp_path / "no kits.sf2"), 44100, (CLICK_CHANNEL,))


@needs_library
def test_a_soundfont_that_cannot_be_loaded_is_named(tmp_path):
    (tmp_path / "a.sf2").write_bytes(b"RIFF\4\0\0\0sfbk")
    with pytest.raises(ValueError, match=r"a\.sf2: FluidSynth [0-9.]+ cannot load this soundfont"):
        Synthesizer(tmp_path / "a.sf2", 44100)


@pytest.mark.parametrize("sample_rate_hz", [0, 7999, 96001])
def test_sample_rate_outside_fluidsynths_range_is_an_error(sample_rate_hz):
    with pytest.raises(ValueError, match=f"--sample_rate={sample_rate_hz}: .* 8000 to 96000 Hz"):
        synthesizer.check_sample_rate(sample_rate_hz)


def test_blocks_are_the_nearest():
    assert [synthesizer.block_start(samples / 44100, 44100) for samples in (0, 31, 33, 64, 100)] == [0, 0, 64, 64, 128]
