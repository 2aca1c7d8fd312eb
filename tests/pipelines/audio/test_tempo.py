"""Onsets to tempo and bars: rhythms of known tempos, played as people play them."""

import numpy as np
import pytest

from pipelines.audio import tempo
from tests import tappings

JITTER_SECS = 0.015


def played(rhythm, qpm, num_bars, seed=0, jitter_secs=JITTER_SECS):
    """Returns when taps come `[n]` and their levels `[n]` in dB."""
    tapping = tappings.play(rhythm, qpm, num_bars, np.random.default_rng(seed), jitter_secs)
    return tapping.secs, 40 * np.log10(tapping.velocities / tapping.velocities.max())


def steps_of(rhythm, num_bars):
    return np.array([16 * bar + step for bar in range(num_bars) for step in rhythm])


@pytest.mark.parametrize("rhythm", list(tappings.RHYTHMS))
@pytest.mark.parametrize("qpm", [85, 101, 118, 139, 155])
@pytest.mark.parametrize("num_bars", [2, 8])
def test_the_tempo_of_usual_tempos_is_found(rhythm, qpm, num_bars):
    secs, levels_db = played(tappings.RHYTHMS[rhythm], qpm, num_bars, seed=qpm + num_bars)
    found = tempo.find(secs, levels_db)
    assert found.qpm == pytest.approx(qpm, rel=0.02 if num_bars == 2 else 0.004)


@pytest.mark.parametrize("qpm", [66, 70, 75, 170, 180, 195])
def test_unusual_tempos_are_found_or_their_half_or_double_is(qpm):
    secs, levels_db = played(tappings.QUARTERS, qpm, 4)
    usual = qpm * 2 if qpm < 80 else qpm / 2
    assert tempo.find(secs, levels_db).qpm == pytest.approx(usual, rel=0.02)
    assert tempo.find(secs, levels_db).other_qpm == pytest.approx(qpm, rel=0.02)
    given = tempo.find(secs, levels_db, qpm)
    assert (given.qpm, given.other_qpm) == (qpm, None)


def test_a_fast_tempo_is_found_where_its_half_puts_taps_beside_its_grid():
    secs, levels_db = played(tappings.SIXTEENTHS, 170, 4, jitter_secs=0.006)
    assert tempo.find(secs, levels_db).qpm == pytest.approx(170, rel=0.01)


def test_eight_quarters_are_enough():
    secs, levels_db = played(tappings.QUARTERS, 104, 2, jitter_secs=0.012)
    assert len(secs) == 8
    assert tempo.find(secs, levels_db).qpm == pytest.approx(104, rel=0.01)


def test_accents_tell_where_the_beats_are():
    """Sixteenths without a gap: what tells four from three to the beat is which are loud."""
    secs = 0.13 * np.arange(48)
    for accent in (4, 3):
        levels_db = np.where(np.arange(48) % accent == 0, 0.0, -12.0)
        found = tempo.find(secs, levels_db)
        beat_taps = 60 / found.qpm / 0.13
        assert beat_taps / accent == pytest.approx(round(beat_taps / accent), abs=0.02)


def test_taps_are_where_their_steps_are():
    rhythm = tappings.SYNCOPATED
    secs, levels_db = played(rhythm, 96, 4)
    found = tempo.find(secs, levels_db)
    off_secs = found.start_secs - steps_of(rhythm, 4) * 15 / found.qpm
    assert np.abs(off_secs).max() < 3 * JITTER_SECS
    assert np.abs(np.mean(off_secs)) < 0.003
    assert found.start_secs[0] >= 0
    assert found.num_strays == 0


def test_what_is_off_stays_off():
    """The feel of who tapped is no error of his."""
    secs, levels_db = played(tappings.QUARTERS, 100, 4, jitter_secs=0)
    secs[1::2] += 0.03
    start_secs = tempo.find(secs, levels_db).start_secs
    np.testing.assert_allclose(np.abs(np.diff(start_secs, 2))[1:], 0.06, atol=0.01)


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("change", [-0.06, 0.06])
def test_half_a_minute_that_gets_faster_or_slower_stays_on_its_steps(given, change):
    rhythm, qpm, num_bars = tappings.SYNCOPATED, 110, 14
    secs, levels_db = played(rhythm, qpm, num_bars, jitter_secs=0.012)
    share = (secs - secs[0]) / (secs[-1] - secs[0])
    drifting = secs + change * (secs[-1] - secs[0]) / 2 * (share**2 - share)  # 6 % from the first to the last.
    found = tempo.find(drifting, levels_db, qpm if given else None)
    off_secs = found.start_secs - steps_of(rhythm, num_bars) * 15 / found.qpm
    assert found.qpm == pytest.approx(qpm, rel=0.02)
    assert np.abs(off_secs).max() < 0.06
    assert found.drift_secs > 0.1
    steady = tempo.find(secs, levels_db, qpm if given else None)
    assert steady.drift_secs < 0.02


def test_a_given_tempo_that_was_missed_by_little_is_kept_and_taps_are_laid_on_it():
    rhythm = tappings.EIGHTHS
    secs, levels_db = played(rhythm, 122, 12)
    found = tempo.find(secs, levels_db, qpm=120)
    assert found.qpm == 120
    assert found.played_qpm == pytest.approx(122, rel=0.003)
    assert np.abs(found.start_secs - steps_of(rhythm, 12) * 15 / 120).max() < 3 * JITTER_SECS


def test_double_strokes_do_not_mislead():
    tapping = tappings.doubled(tappings.play(tappings.EIGHTHS, 105, 4, np.random.default_rng(0), 0.01), every=5)
    found = tempo.find(tapping.secs, 40 * np.log10(tapping.velocities))
    assert found.qpm == pytest.approx(105, rel=0.01)
    assert np.all(np.diff(found.start_secs) > 0.02)


def test_taps_on_no_sixteenth_are_counted_and_do_not_mislead():
    secs, levels_db = played(tappings.EIGHTHS, 90, 4)
    strays = secs[1::4] + 0.5 * 15 / 90  # Halfway between two sixteenths.
    order = np.argsort(np.concatenate([secs, strays]))
    with_strays = np.concatenate([secs, strays])[order]
    found = tempo.find(with_strays, np.concatenate([levels_db, np.full(len(strays), -6.0)])[order])
    off_secs = found.start_secs[order < len(secs)] - steps_of(tappings.EIGHTHS, 4) * 15 / found.qpm
    assert found.qpm == pytest.approx(90, rel=0.01)
    assert found.num_strays == len(strays)
    assert np.abs(off_secs).max() < 3 * JITTER_SECS


def test_one_tap_is_the_first_beat_if_the_tempo_is_given():
    found = tempo.find(np.array([1.7]), np.zeros(1), qpm=90)
    assert (found.qpm, found.start_secs.tolist(), found.drift_secs) == (90, [0.0], 0.0)
    with pytest.raises(ValueError, match="a tempo cannot be told from a single tap; say it with --qpm"):
        tempo.find(np.array([1.7]), np.zeros(1))


def test_two_taps_and_thousands_are_no_error():
    assert tempo.find(np.array([0, 0.6]), np.zeros(2)).qpm == pytest.approx(100, rel=0.02)
    secs, levels_db = played(tappings.SIXTEENTHS, 120, 80, jitter_secs=0.005)
    assert tempo.find(secs, levels_db).qpm == pytest.approx(120, rel=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_taps_of_no_tempo_are_finite_and_in_order(seed):
    secs = np.cumsum(np.random.default_rng(seed).exponential(0.5, 60) + 0.045)
    found = tempo.find(secs, np.zeros(60))
    assert tempo.MIN_QPM * 0.95 < found.qpm < tempo.MAX_QPM * 1.05
    assert np.isfinite(found.start_secs).all()
    assert np.all(np.diff(found.start_secs) >= 0)


@pytest.mark.parametrize("qpm", [0, -5, 19.9, 401, np.nan, np.inf])
def test_no_tempo_is_an_error(qpm):
    with pytest.raises(ValueError, match=f"--qpm={qpm:g}: a tempo is from 20 to 400 quarters a minute"):
        tempo.find(np.array([0, 0.5]), np.zeros(2), qpm)


def test_the_same_taps_give_the_same_numbers():
    secs, levels_db = played(tappings.CLAVE, 112, 4)
    one, other = tempo.find(secs, levels_db), tempo.find(secs.copy(), levels_db.copy())
    np.testing.assert_array_equal(one.start_secs, other.start_secs)
    assert one.qpm == other.qpm
