"""Samples to onsets: when taps begin, how loud they are, and what is no tap."""

import numpy as np
import pytest

from pipelines.audio import onsets, recording
from tests import tappings

RATE_HZ = recording.SAMPLE_RATE_HZ


def resampled(samples):
    """Returns float32 samples at the rate that onsets are detected at, of those at twice the rate."""
    import librosa

    return librosa.resample(samples.astype(np.float32), orig_sr=tappings.SAMPLE_RATE_HZ, target_sr=RATE_HZ)


def tapped(secs, velocities, sound="knock", seed=0):
    tapping = tappings.Tapping(np.asarray(secs, float), np.asarray(velocities, float), 120.0)
    return resampled(tappings.with_numpy(tapping, (sound,), np.random.default_rng(seed)))


@pytest.mark.parametrize("sound", list(tappings.SOUNDS))
def test_taps_are_where_they_were_played(sound):
    secs = np.arange(12) * 0.31 + np.random.default_rng(0).uniform(0.2, 0.3, 12)
    found = onsets.detect(tapped(secs, np.full(12, 0.8), sound))
    np.testing.assert_allclose(found.secs, secs, atol=0.012)


def test_levels_are_those_of_the_taps_below_the_loudest():
    velocities = np.array([1.0, 0.5, 0.25, 0.7, 1.0, 0.35])
    found = onsets.detect(tapped(0.3 + 0.6 * np.arange(6), velocities))
    np.testing.assert_allclose(found.levels_db, 40 * np.log10(velocities), atol=1.5)


def test_a_recording_that_begins_with_a_tap_loses_none():
    samples = tapped([0.5, 1.0, 1.5], [0.8, 0.8, 0.8])[RATE_HZ // 2 :]
    np.testing.assert_allclose(onsets.detect(samples).secs, [0, 0.5, 1.0], atol=0.01)


def test_double_strokes_are_two_taps_and_the_bursts_of_a_clap_are_one():
    found = onsets.detect(tapped([0.5, 0.56, 1.0, 1.03, 1.5], np.full(5, 0.8), "burst"))
    np.testing.assert_allclose(found.secs, [0.5, 0.56, 1.0, 1.5], atol=0.01)


def test_ghost_taps_are_heard_and_echoes_are_not():
    ghost, echo = 10 ** (-22 / 40), 10 ** (-34 / 40)
    found = onsets.detect(tapped([0.5, 0.7, 1.5, 1.62, 2.5], [1, ghost, 1, echo, 1], "burst"))
    np.testing.assert_allclose(found.secs, [0.5, 0.7, 1.5, 2.5], atol=0.01)


def test_what_is_far_below_the_loudest_is_no_tap():
    found = onsets.detect(tapped([0.5, 1.5, 3.0], [1.0, 0.09, 1.0]))
    np.testing.assert_allclose(found.secs, [0.5, 3.0], atol=0.01)


def test_an_offset_hum_clipping_and_noise_change_little():
    rng = np.random.default_rng(1)
    secs = 0.4 + 0.35 * np.arange(16)
    clean = tappings.with_numpy(
        tappings.Tapping(secs, np.tile([1, 0.4], 8), 120.0), ("knock",), np.random.default_rng(0)
    )
    noisy = np.clip(tappings.with_noise(2 * clean, -50, rng) + 0.1, -0.99, 0.99)
    np.testing.assert_allclose(onsets.detect(resampled(noisy)).secs, secs, atol=0.012)


@pytest.mark.parametrize("dbfs", [-50, -20])
def test_noise_tones_and_silence_have_no_taps(dbfs):
    rng = np.random.default_rng(0)
    secs = np.arange(6 * RATE_HZ) / RATE_HZ
    gain = 10 ** (dbfs / 20)
    for samples in (rng.normal(0, gain, len(secs)), gain * np.sin(2 * np.pi * 50 * secs), 0 * secs):
        assert len(onsets.detect(samples.astype(np.float32)).secs) == 0


@pytest.mark.parametrize("num_samples", [1, 100, 511, 512, 2000])
def test_very_short_recordings_do_no_harm(num_samples):
    assert len(onsets.detect(np.full(num_samples, 0.1, np.float32)).secs) <= 1


def test_long_recordings_are_the_same_as_short_ones():
    """The spectrogram is computed 24 s at a time."""
    secs = np.arange(0.5, 60, 0.4975)
    found = onsets.detect(tapped(secs, np.full(len(secs), 0.8)))
    np.testing.assert_allclose(found.secs, secs, atol=0.01)
