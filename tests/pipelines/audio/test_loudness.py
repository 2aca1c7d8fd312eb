"""Loudness in LUFS: what the standard says of tones, and what comes out of `even`."""

import numpy as np
import pyloudnorm
import pytest

from pipelines.audio import loudness

RATE = 48_000


def tone(secs, dbfs, *, hz=1000, rate=RATE, channels=(1, 1)):
    wave = 10 ** (dbfs / 20) * np.sin(2 * np.pi * hz * np.arange(round(secs * rate)) / rate)
    return (wave[:, None] * channels).astype(np.float32)


def silence(secs):
    return np.zeros([round(secs * RATE), 2], np.float32)


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_full_scale_on_one_side_is_what_the_standard_says(rate):
    """ITU-R BS.1770-4, annex 1: 0 dBFS at 997 Hz on one channel reads -3.01 LKFS."""
    measured = loudness.measure(tone(10, 0, hz=997, rate=rate, channels=(1, 0)), rate)
    assert measured == pytest.approx(-3.01, abs=0.05)


@pytest.mark.parametrize(
    ("parts", "lufs"),
    [
        ((tone(20, -23),), -23.0),  # EBU Tech 3341, cases 1 to 4.
        ((tone(20, -33),), -33.0),
        ((tone(10, -36), tone(60, -23), tone(10, -36)), -23.0),
        ((tone(10, -72), tone(10, -36), tone(60, -23), tone(10, -36), tone(10, -72)), -23.0),
    ],
)
def test_tones_of_the_ebu_read_what_it_says(parts, lufs):
    measured = loudness.measure(np.concatenate(parts), RATE)
    assert measured == pytest.approx(lufs, abs=0.1)


def test_filters_in_one_measure_as_pyloudnorms_own():
    noise = np.random.default_rng(0).normal(0, 0.1, [3 * RATE, 2]).astype(np.float32)
    theirs = pyloudnorm.Meter(RATE, filter_class="DeMan").integrated_loudness(noise.astype(float))
    assert loudness.measure(noise, RATE) == pytest.approx(theirs, abs=1e-4)


def test_a_sound_shorter_than_a_block_counts_with_silence_after_it():
    short = tone(0.1, -10)
    measured = loudness.measure(short, RATE)
    assert measured == pytest.approx(loudness.measure(np.concatenate([short, silence(0.3)]), RATE))
    assert measured == pytest.approx(-10 - 10 * np.log10(4), abs=0.2)  # A quarter of the block's power.


def test_silence_has_no_loudness():
    assert loudness.measure(silence(1), RATE) == -np.inf


@pytest.mark.parametrize("dbfs", [-80, -20, 6])
@pytest.mark.parametrize("lufs", [-23, -35.5])
def test_sounds_end_at_the_loudness_that_was_asked_for(dbfs, lufs):
    sound = tone(2, dbfs)
    level = loudness.even(sound, RATE, lufs)
    assert level.lufs == pytest.approx(lufs, abs=0.01)
    assert pyloudnorm.Meter(RATE).integrated_loudness(sound) == pytest.approx(lufs, abs=0.1)
    assert level.peak_dbfs == pytest.approx(20 * np.log10(np.abs(sound).max()), abs=1e-3)


def test_a_peak_in_the_way_leaves_a_sound_softer():
    sound = np.concatenate([tone(2, -40), tone(0.001, 0), tone(2, -40)])
    shape = sound / np.abs(sound).max()
    level = loudness.even(sound, RATE, -23)
    assert level.peak_dbfs == pytest.approx(loudness.CEILING_DBFS, abs=1e-4)
    assert level.lufs < -26
    assert sound == pytest.approx(shape * loudness.CEILING, abs=1e-6)  # One gain for all of it.


def test_what_falls_below_the_gate_on_the_way_counts_no_more():
    """The quiet part lowers the relative gate, until it is itself too quiet to count."""
    sound = np.concatenate([tone(1, 0), tone(1, -18), tone(30, -60)])
    before = loudness.measure(sound, RATE)
    level = loudness.even(sound, RATE, -40)
    assert level.lufs == pytest.approx(-40, abs=0.01)
    assert loudness.measure(sound, RATE) == pytest.approx(-40, abs=0.01)
    after = loudness.measure(sound[: 2 * RATE], RATE)
    assert after == pytest.approx(-40, abs=0.2)
    assert (
        before - (20 * np.log10(1 / np.abs(sound).max())) < -41
    )  # With the first measurement alone, it would be wrong.


def test_a_missing_library_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(OSError, match="pip install pyloudnorm"):
        loudness.check()
