"""Recordings of taps to taps: how many are heard, how exactly, how loud, and at which tempo."""

from __future__ import annotations

import collections

import numpy as np
import pytest
import soundfile

from pipelines.audio import onsets, recording, taps
from tests import tappings
from tests.sounds import needs_library

NEAR_SECS = 0.03
DRUMS = {
    "clap": (tappings.CLAP,),
    "kick": (tappings.KICK,),
    "snare": (tappings.SNARE,),
    "hat": (tappings.CLOSED_HAT,),
    "stick": (tappings.SIDE_STICK,),
    "kit": tappings.KIT,
}
OTHER_SOUNDS = {
    "burst": ("burst",),
    "knock": ("knock",),
    "beatbox": tappings.BEATBOX,
    "mouth hat": ("mouth hat",),
    "mouth snare": ("mouth snare",),
}
SOUNDS = [*DRUMS, *OTHER_SOUNDS]
TEMPOS_QPM = (70, 76, 84, 90, 96, 100, 108, 112, 120, 126, 132, 140, 148, 160, 172, 180)


def take(index, tmp_path, font):
    """Records take `index` of a set in which sounds, rhythms, tempos, lengths, jitter and noise are mixed evenly."""
    rng = np.random.default_rng(index)
    sound = SOUNDS[index % len(SOUNDS)]
    rhythm = list(tappings.RHYTHMS.values())[(index * 3 + index // len(SOUNDS)) % len(tappings.RHYTHMS)]
    qpm = TEMPOS_QPM[index * 5 % len(TEMPOS_QPM)]
    tapping = tappings.play(rhythm, qpm, (2, 4, 4, 8)[index % 4], rng, (0, 0.010, 0.015)[index % 3])
    if index % 6 == 5 and sound != "clap":  # A hand clap is as long as a double stroke.
        tapping = tappings.doubled(tapping, every=5)
    if sound in DRUMS:
        samples = tappings.with_fluidsynth(tapping, DRUMS[sound], tmp_path / "take.mid", font)
    else:
        samples = tappings.with_numpy(tapping, OTHER_SOUNDS[sound], rng)
    noise_dbfs = (None, -60, -50)[index // 2 % 3]
    if noise_dbfs:
        samples = tappings.with_noise(samples, noise_dbfs, rng)
    return sound, tapping, tappings.write(tmp_path / "take.wav", samples)


def pairs_of(heard_secs, true_secs):
    """Returns which tap that was heard is which that was played, `[n, 2]`; each is in one pair at most."""
    pairs, used = [], set()
    for index, secs in enumerate(true_secs):
        nearest = int(np.abs(heard_secs - secs).argmin())
        if abs(heard_secs[nearest] - secs) <= NEAR_SECS and nearest not in used:
            used.add(nearest)
            pairs.append((nearest, index))
    return np.array(pairs)


def octave_of(qpm, true_qpm):
    named = {"right": 1.0, "half": 0.5, "double": 2.0}
    return next((name for name, ratio in named.items() if abs(qpm / true_qpm / ratio - 1) < 0.02), "wrong")


def measure(indices, tmp_path, font):
    """Returns the figures of some takes, by sound and of all, as the table of the docs has them."""
    rows = collections.defaultdict(list)
    for index in indices:
        sound, tapping, path = take(index, tmp_path, font)
        heard = taps.read(path)
        secs = onsets.detect(recording.read(path)).secs
        pairs = pairs_of(secs, tapping.secs)
        row = {
            "found": len(pairs),
            "heard": len(secs),
            "played": len(tapping.secs),
            "errors_ms": 1000 * (secs[pairs[:, 0]] - tapping.secs[pairs[:, 1]]),
            "correlation": np.corrcoef(heard.velocities[pairs[:, 0]], tapping.velocities[pairs[:, 1]])[0, 1],
            "qpm": tapping.qpm,
            "octave": octave_of(heard.qpm, tapping.qpm),
            "error_percent": 100 * abs(heard.qpm / tapping.qpm - 1),
        }
        rows[sound].append(row)
        rows["all"].append(row)
    return {sound: figures_of(of_sound) for sound, of_sound in rows.items()}


def figures_of(rows):
    errors_ms = np.concatenate([row["errors_ms"] for row in rows])
    usual = [row for row in rows if 80 <= row["qpm"] < 160]
    right = [row["error_percent"] for row in rows if row["octave"] == "right"]
    return {
        "takes": len(rows),
        "precision": sum(row["found"] for row in rows) / sum(row["heard"] for row in rows),
        "recall": sum(row["found"] for row in rows) / sum(row["played"] for row in rows),
        "median_abs_ms": np.median(np.abs(errors_ms)),
        "bias_ms": np.median(errors_ms),
        "correlation": np.median([row["correlation"] for row in rows]),
        "tempo_error_percent": np.median(right) if right else np.nan,
        "tempo_error_percent_max": max(right, default=np.nan),
        "usual_right": sum(row["octave"] == "right" for row in usual) / max(1, len(usual)),
        **{name: sum(row["octave"] == name for row in rows) for name in ("right", "half", "double", "wrong")},
    }


@needs_library
def test_taps_are_heard_where_and_as_loud_as_they_were_played(tmp_path, font):
    figures = measure(range(0, 66, 5), tmp_path, font)["all"]
    assert figures["precision"] > 0.99
    assert figures["recall"] > 0.95
    assert figures["median_abs_ms"] < 3
    assert abs(figures["bias_ms"]) < 2
    assert figures["correlation"] > 0.98
    assert figures["tempo_error_percent"] < 0.2
    assert figures["usual_right"] == 1
    assert figures["wrong"] == 0


@needs_library
@pytest.mark.slow
def test_all_takes(tmp_path, font):
    """Shows the whole table with `-s`."""
    table = measure(range(66), tmp_path, font)
    for sound, figures in table.items():
        print(f"{sound:12}", *(f"{name} {value:.3g}" for name, value in figures.items()))
    assert table["all"]["precision"] > 0.99
    assert table["all"]["recall"] > 0.96
    assert table["all"]["usual_right"] > 0.95
    assert min(figures["recall"] for figures in table.values()) > 0.9
    single = [figures["correlation"] for sound, figures in table.items() if sound not in ("kit", "beatbox", "all")]
    assert min(single) > 0.97


def record(path, tapping, sound="knock", seed=0, **how):
    return tappings.write(path, tappings.with_numpy(tapping, (sound,), np.random.default_rng(seed)), **how)


def eight_quarters(qpm=100):
    return tappings.play(tappings.QUARTERS, qpm, 2, np.random.default_rng(0), 0.01)


def test_what_was_tapped_is_told(tmp_path):
    tapping = eight_quarters()
    heard = taps.read(record(tmp_path / "a.wav", tapping))
    assert heard.is_estimated
    assert heard.qpm == pytest.approx(100, rel=0.01)
    assert heard.num_bars == 2
    assert heard.first_secs == pytest.approx(tapping.secs[0], abs=0.01)
    assert heard.recording_secs == pytest.approx(tapping.secs[-1] + tappings.TAIL_SECS, abs=0.01)
    assert heard.peak_dbfs == pytest.approx(20 * np.log10(0.7), abs=1.5)
    assert heard.start_secs.dtype == heard.velocities.dtype == np.float64
    np.testing.assert_allclose(heard.start_secs, 0.6 * np.arange(8), atol=0.04)
    np.testing.assert_allclose(heard.velocities, tapping.velocities / tapping.velocities.max(), atol=0.08)


def test_a_given_tempo_is_taken(tmp_path):
    heard = taps.read(record(tmp_path / "a.wav", eight_quarters(75)), qpm=75)
    assert (heard.qpm, heard.is_estimated) == (75, False)
    np.testing.assert_allclose(heard.start_secs, 0.8 * np.arange(8), atol=0.04)


@pytest.mark.parametrize("name", ["a.flac", "a.ogg", "a.mp3"])
def test_other_formats_have_the_same_taps(tmp_path, name):
    tapping = eight_quarters()
    heard = taps.read(record(tmp_path / "a.wav", tapping))
    other = taps.read(record(tmp_path / name, tapping))
    np.testing.assert_allclose(other.start_secs, heard.start_secs, atol=0.004)
    np.testing.assert_allclose(other.velocities, heard.velocities, atol=0.05)


@pytest.mark.parametrize("gain", [0.004, 4.0])
def test_quiet_and_clipped_recordings_have_the_same_taps(tmp_path, gain):
    samples = tappings.with_numpy(eight_quarters(), ("knock",), np.random.default_rng(0))
    heard = taps.read(tappings.write(tmp_path / "a.wav", samples))
    other = taps.read(tappings.write(tmp_path / "b.wav", np.clip(samples * gain, -1, 1), subtype="PCM_24"))
    np.testing.assert_allclose(other.start_secs, heard.start_secs, atol=0.01)
    np.testing.assert_allclose(other.velocities, heard.velocities, atol=0.35 if gain > 1 else 0.01)


def test_the_same_recording_gives_the_same_numbers(tmp_path):
    path = record(tmp_path / "a.wav", eight_quarters())
    one, other = taps.read(path), taps.read(path)
    np.testing.assert_array_equal(one.start_secs, other.start_secs)
    np.testing.assert_array_equal(one.velocities, other.velocities)


def test_velocities_are_levels_turned_round_and_one_outlier_counts_little():
    levels_db = 40 * np.log10([1.0, 0.5, 0.2, 0.05])
    np.testing.assert_allclose(taps.velocities(levels_db), [1.0, 0.5, 0.2, 0.1], atol=0.01)
    slammed = taps.velocities(np.array([0.0, *[-24.0] * 19]))
    np.testing.assert_allclose(slammed, [1.0, *[10 ** (-6 / 40)] * 19], atol=1e-9)
    assert taps.velocities(np.zeros(1)).tolist() == [1.0]


def test_noise_has_no_taps(tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.02, 3 * 44100)
    soundfile.write(tmp_path / "a.wav", noise, 44100)
    with pytest.raises(ValueError, match=r"a\.wav: no taps found; the loudest sound is at -2\d dBFS, but nothing"):
        taps.read(tmp_path / "a.wav")


def test_a_single_tap_needs_a_tempo(tmp_path):
    path = record(tmp_path / "a.wav", tappings.Tapping(np.array([0.7]), np.ones(1), 120.0))
    with pytest.raises(ValueError, match=r"a\.wav: only one tap was heard, at 0\.70 s, and .* one\n .* --qpm"):
        taps.read(path)
    heard = taps.read(path, qpm=120)
    assert (heard.start_secs.tolist(), heard.velocities.tolist(), heard.num_bars) == ([0.0], [1.0], 1)


def test_a_wrong_tempo_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(ValueError, match="--qpm=1000: a tempo is from 20 to 400 quarters a minute"):
        taps.read(tmp_path / "none.wav", qpm=1000)


def test_a_missing_recording_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.wav: no such file"):
        taps.read(tmp_path / "none.wav")
