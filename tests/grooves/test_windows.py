"""Windows, token for token what Magenta's DrumsConverter makes."""

from __future__ import annotations

import random

import note_seq
import numpy as np
import pytest

import configs
from grooves import drums, windows
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


OWN = drums.DrumMap.of("mine.txt", {pitch: number % 9 for number, pitch in enumerate(PITCHES[3:])})


@pytest.mark.parametrize("drum_map", [*drums.DRUM_MAPS, OWN], ids=lambda drum_map: drum_map.name)
def test_random_performances_give_magentas_windows(drum_map):
    total = 0
    for seed in range(150):
        sequence = played_at_random(seed)
        found = windows.cut(sequence, drum_map)
        assert sorted(found.tolist()) == windows_of_magenta(sequence, drum_map), seed
        total += len(found)
    assert total > 200


def test_the_starter_set_gives_magentas_windows():
    total = 0
    for path in sorted(sources.STARTER_DIR.rglob("*.mid"))[::4]:
        sequence = midi.read_midi(path.read_bytes())
        found = windows.cut(sequence, drums.ROLAND)
        assert sorted(found.tolist()) == windows_of_magenta(sequence, drums.ROLAND)
        total += len(found)
    assert total > 200


def test_bits_are_classes():
    hits = [(0, 36, 90), (0, 51, 90), (1, 38, 1), (63, 49, 90)]
    (window,) = windows.cut(midi_files.sequence(hits + [(step, 42, 9) for step in range(4, 60, 4)]), drums.ROLAND)
    assert window.dtype == np.uint16
    assert (window[0], window[1], window[2], window[4], window[63]) == (1 + 256, 2, 0, 4, 128)


@pytest.mark.parametrize(("stride_bars", "expected"), [(1, 7), (2, 4), (3, 3), (4, 2), (7, 1)])
def test_stride(stride_bars, expected):
    sequence = midi_files.sequence(midi_files.groove(10))
    every = windows.cut(sequence, drums.ROLAND)
    assert len(every) == 7
    some = windows.cut(sequence, drums.ROLAND, stride_bars)
    assert some.tolist() == every[::stride_bars].tolist()
    assert len(some) == expected


@pytest.mark.parametrize(("pause_steps", "expected"), [(16, 3), (17, 1)])
def test_more_than_a_bar_without_a_hit_ends_a_track(pause_steps, expected):
    """Six bars in two times three make windows only where they are one track."""
    first = [(step, 36, 90) for step in (*range(0, 33, 4), 34)]
    sequence = midi_files.sequence([*first, *((34 + pause_steps + step, 38, 90) for step in range(0, 46, 3))])
    found = windows.cut(sequence, drums.ROLAND)
    assert sorted(found.tolist()) == windows_of_magenta(sequence, drums.ROLAND)
    assert len(found) == expected


def test_windows_that_are_alike_count_once():
    assert len(windows.cut(midi_files.sequence(midi_files.groove(10, alike=True)), drums.ROLAND)) == 1


def test_a_time_beyond_all_reason_costs_no_memory():
    sequence = midi_files.sequence([*midi_files.groove(5), (1e12, 36, 90)])
    assert len(windows.cut(sequence, drums.ROLAND)) == 2
