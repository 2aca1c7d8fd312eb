"""Time: steps in seconds and milliseconds, the nearest step as note-seq has it, offsets and their sign."""

from __future__ import annotations

import note_seq
import numpy as np
import pytest
from note_seq import sequences_lib

from grooves import timing
from tests import midi_files


def test_the_tempo_of_a_sequence_and_that_of_one_without():
    assert timing.qpm_of(midi_files.sequence([(0, 36, 90)], qpm=97)) == 97
    assert timing.qpm_of(note_seq.NoteSequence()) == 120


@pytest.mark.parametrize(("step", "after"), [(0, 16), (15, 16), (16, 32), (63, 64), (np.int64(64), 80)])
def test_the_bar_after_a_step(step, after):
    assert timing.bar_after(step) == after


def test_steps_last_a_quarter_of_a_quarter():
    assert timing.steps_to_secs(1, 120) == 0.125
    assert timing.steps_to_secs(16, 60) == 4
    assert timing.steps_to_secs(16, 60, steps_per_quarter=2) == 8
    assert timing.steps_to_ms(3, 120) == 375
    np.testing.assert_array_equal(timing.steps_to_secs(np.array([0, 2, 64]), 150), [0, 0.2, 6.4])


@pytest.mark.parametrize(("qpm", "steps_per_quarter"), [(120, 4), (97.3, 4), (60, 2), (181.7, 3)])
def test_the_nearest_step_is_note_seqs(qpm, steps_per_quarter):
    halves = timing.steps_to_secs(np.arange(99) + 0.5, qpm, steps_per_quarter)
    secs = np.concatenate([halves, np.nextafter(halves, 0), np.random.default_rng(1).uniform(0, 99, 999)])
    steps_per_sec = sequences_lib.steps_per_quarter_to_steps_per_second(steps_per_quarter, qpm)
    expected = [sequences_lib.quantize_to_step(time, steps_per_sec) for time in secs.tolist()]
    assert timing.nearest_steps(secs, qpm, steps_per_quarter).tolist() == expected


def test_early_is_positive_and_half_a_step_is_one():
    secs = np.array([0.125, 0.0625, 0.1875, 1.0])
    steps = np.array([1, 1, 1, 8])
    np.testing.assert_array_equal(timing.offsets_of(secs, steps, 120), [0, 1, -1, 0])
    np.testing.assert_array_equal(timing.offsets_of(2 * secs, steps, 120, steps_per_quarter=2), [0, 1, -1, 0])


def test_offsets_in_milliseconds_one_groove_and_a_batch_of_two_tempos():
    offsets = np.float32([[[1, 0], [-0.5, 0.25]]])
    np.testing.assert_array_equal(timing.offsets_to_ms(offsets[0], 120), [[62.5, 0], [-31.25, 15.625]])
    batch = timing.offsets_to_ms(np.repeat(offsets, 2, axis=0), np.float32([120, 60]))
    np.testing.assert_array_equal(batch, [[[62.5, 0], [-31.25, 15.625]], [[125, 0], [-62.5, 31.25]]])
    assert batch.dtype == np.float32
