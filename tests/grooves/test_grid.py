"""The grid, token for token what Magenta's DrumsConverter makes."""

from __future__ import annotations

import random

import note_seq
import numpy as np
import pytest

import configs
from grooves import drums, grid
from pipelines.dataset.formats import midi
from pipelines.dataset.inputs import sources
from tests import midi_files

PITCHES = [22, 26, 35, 36, 37, 38, 39, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 54, 56, 58, 60, 100, 127]


def windows_of_magenta(sequence, drum_map):
    converter = configs.CONFIG_MAP["hier-drums_4bar_small"].data_converter
    converter.set_mode("eval")
    return sorted(
        np.argmax(window, axis=1).tolist() for window in converter.to_tensors(drums.on_kit(sequence, drum_map)).outputs
    )


def played_at_random(seed):
    """Returns a performance with pauses, hits off the grid and outside of the classes, another instrument, changes."""
    drawn = random.Random(seed)
    sequence = note_seq.NoteSequence(ticks_per_quarter=480)
    sequence.tempos.add(qpm=drawn.choice([60, 97.3, 120, 180]), time=drawn.choice([0, 0, 0, 2.5]))
    if drawn.random() < 0.8:
        metre = drawn.choice([(4, 4), (4, 4), (4, 4), (2, 2), (3, 4), (6, 8)])
        sequence.time_signatures.add(numerator=metre[0], denominator=metre[1])
    secs = drawn.choice([0, 0.3, 7])
    for _ in range(drawn.randrange(400)):
        secs += drawn.choice([0, 0.01, 0.1, 0.12, 0.125, 0.25]) if drawn.random() < 0.98 else drawn.uniform(1, 9)
        sequence.notes.add(
            start_time=secs,
            end_time=secs + drawn.choice([0, 0.01, 0.2]),
            pitch=drawn.choice(PITCHES),
            velocity=drawn.choice([0, 1, 64, 127]),
            is_drum=drawn.random() < 0.9,
        )
    sequence.total_time = max((note.end_time for note in sequence.notes), default=0)
    for _ in range(drawn.choice([0, 0, 1, 2])):
        sequence.tempos.add(qpm=drawn.choice([90, 120]), time=drawn.uniform(0, secs))
    if drawn.random() < 0.2:
        sequence.time_signatures.add(numerator=drawn.choice([3, 4]), denominator=4, time=drawn.uniform(0, secs))
    return sequence


@pytest.mark.parametrize("drum_map", drums.DRUM_MAPS)
def test_random_performances_give_magentas_windows(drum_map):
    total = 0
    for seed in range(150):
        sequence = played_at_random(seed)
        windows = grid.windows(sequence, drum_map)
        assert sorted(windows.tolist()) == windows_of_magenta(sequence, drum_map), seed
        total += len(windows)
    assert total > 200


def test_the_starter_set_gives_magentas_windows():
    total = 0
    for path in sorted(sources.STARTER_DIR.rglob("*.mid"))[::4]:
        sequence = midi.read_midi(path.read_bytes())
        windows = grid.windows(sequence, drums.ROLAND)
        assert sorted(windows.tolist()) == windows_of_magenta(sequence, drums.ROLAND)
        total += len(windows)
    assert total > 200


def test_bits_are_classes():
    hits = [(0, 36, 90), (0, 51, 90), (1, 38, 1), (63, 49, 90)]
    (window,) = grid.windows(midi_files.sequence(hits + [(step, 42, 9) for step in range(4, 60, 4)]), drums.ROLAND)
    assert window.dtype == np.uint16
    assert (window[0], window[1], window[2], window[4], window[63]) == (1 + 256, 2, 0, 4, 128)


@pytest.mark.parametrize(("stride_bars", "expected"), [(1, 7), (2, 4), (3, 3), (4, 2), (7, 1)])
def test_stride(stride_bars, expected):
    sequence = midi_files.sequence(midi_files.groove(10))
    every = grid.windows(sequence, drums.ROLAND)
    assert len(every) == 7
    some = grid.windows(sequence, drums.ROLAND, stride_bars)
    assert some.tolist() == every[::stride_bars].tolist()
    assert len(some) == expected


def test_windows_that_are_alike_count_once():
    assert len(grid.windows(midi_files.sequence(midi_files.groove(10, alike=True)), drums.ROLAND)) == 1


def test_describe_counts_what_there_is():
    hits = [*midi_files.groove(5), (2.2, 42, 80), (3, 100, 80), (7, 39, 80), (9, 45, 80)]
    facts = grid.describe(midi_files.sequence(sorted(hits), qpm=90), drums.ROLAND, "funk/groove1", 1)
    assert (facts.drum_map, facts.style, facts.bpm, facts.metres) == ("roland", "funk/groove1", 90, ("4/4",))
    assert facts.num_hits == len(hits)
    assert facts.unmapped == {100: 1}
    assert facts.onsets.shape == (16, 9)
    assert facts.onsets.sum() == len(hits) - 2  # Pitch 100 is in no class, one hat shares its cell with another.
    assert facts.onsets[0].tolist() == [5, 0, 5, 0, 0, 0, 0, 0, 0]
    assert facts.onsets[7, 1] == 1 and facts.onsets[9, 5] == 1
    assert facts.num_steps == 80
    assert len(facts.window_digests) == 2 and facts.window_digests.dtype == np.uint64
    assert {0, 1 + 4, 2 + 4} <= set(facts.tokens.tolist())


def test_digests_are_of_the_grid_alone():
    hits = midi_files.groove(5)
    facts = grid.describe(midi_files.sequence(hits), drums.ROLAND, "", 1)
    looser = [(step + 0.2, pitch, 1) for step, pitch, _ in hits]
    again = grid.describe(midi_files.sequence(looser, qpm=77), drums.ROLAND, "rock", 1)
    assert again.grid_digest == facts.grid_digest
    assert again.window_digests.tolist() == facts.window_digests.tolist()
    other = grid.describe(midi_files.sequence(hits[:-1]), drums.ROLAND, "", 1)
    assert other.grid_digest != facts.grid_digest


def test_nothing_to_count_is_zeros():
    facts = grid.describe(note_seq.NoteSequence(), drums.GM, "", 1)
    assert (facts.num_hits, facts.num_steps, facts.bpm, len(facts.window_digests)) == (0, 0, 120, 0)
    assert facts.metres == ("4/4",)


def test_a_time_beyond_all_reason_costs_no_memory():
    sequence = midi_files.sequence([*midi_files.groove(5), (1e12, 36, 90)])
    assert len(grid.windows(sequence, drums.ROLAND)) == 2
