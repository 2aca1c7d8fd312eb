"""The converters beside Magenta's own, float for float; what they make nothing of; strides."""

from __future__ import annotations

import numpy as np
import pytest
from magenta.models.music_vae import data

import configs
from models import converters
from tests import midi_files

CLASSES = data.ROLAND_DRUM_PITCH_CLASSES


def performances():
    return [midi_files.sequence(midi_files.at_random(seed), qpm=60 + 31.7 * seed) for seed in range(4)]


def as_bytes(values) -> bytes:
    return np.float64(values).tobytes()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"humanize": True},
        {"tapify": True},
        {"tapify": True, "fixed_velocities": True},
        {"tapify": True, "humanize": True},
        {"fixed_velocities": True},
        {"split_bars": 2, "hop_size": 8},
        {"steps_per_quarter": 2},
        {"pitch_classes": [*CLASSES[:3], [pitch for pitches in CLASSES[3:] for pitch in pitches]]},  # Four drums.
        {"hits_as_controls": True},
        {"split_instruments": True},
        {"add_instruments": [0, 3]},
        {"num_velocity_bins": 4, "num_offset_bins": 5},
        {"split_bars": None},
    ],
)
def test_grooves_are_magentas(options):
    """By their bytes: 0.0 equals -0.0, but is another example."""
    options = {"split_bars": 4, "pitch_classes": CLASSES} | options
    total = 0
    for performance in performances():
        ours = converters.GrooveConverter(**options).to_tensors(performance)
        theirs = data.GrooveConverter(**options).to_tensors(performance)
        for made, expected in zip(ours, theirs, strict=True):
            assert list(map(as_bytes, made)) == list(map(as_bytes, expected))
        total += len(ours.outputs)
    assert total >= 4


def test_drums_are_magentas_in_order_of_time():
    theirs = data.DrumsConverter(
        max_bars=None, slice_bars=4, roll_input=True, pitch_classes=CLASSES, max_tensors_per_notesequence=None
    )
    for performance in performances():
        ours, expected = converters.DrumsConverter().to_tensors(performance), theirs.to_tensors(performance)
        assert len(ours.inputs) > 1
        for made, others in ((ours.inputs, expected.inputs), (ours.outputs, expected.outputs)):
            assert sorted(window.tobytes() for window in made) == sorted(window.tobytes() for window in others)


def before_zero():
    sequence = midi_files.sequence(midi_files.groove(5))
    sequence.notes[0].start_time = -0.3
    return sequence


def of_two_tempos():
    sequence = midi_files.sequence(midi_files.groove(5))
    sequence.tempos.add(time=1, qpm=97)
    return sequence


@pytest.mark.parametrize(
    "sequence",
    [
        midi_files.sequence(midi_files.groove(5), metre=(3, 4)),
        midi_files.sequence(midi_files.groove(5), metre=(5, 16)),
        midi_files.sequence([]),
        before_zero(),
        of_two_tempos(),
    ],
)
def test_nothing_is_made_of_what_magenta_cannot_convert(sequence):
    options = {"split_bars": 4, "pitch_classes": CLASSES}
    assert not converters.GrooveConverter(**options).to_tensors(sequence).outputs
    assert not data.GrooveConverter(**options).to_tensors(sequence).outputs


@pytest.mark.parametrize(("stride_bars", "expected"), [(1, 10), (2, 5), (3, 4), (4, 3)])
def test_windows_begin_a_stride_after_each_other(stride_bars, expected):
    performance = midi_files.sequence(midi_files.groove(13))
    for given in (converters.DrumsConverter(), converters.GrooveConverter(split_bars=4, pitch_classes=CLASSES)):
        made = converters.with_stride(given, stride_bars).to_tensors(performance).outputs
        every = converters.with_stride(given, 1).to_tensors(performance).outputs
        assert len(made) == expected
        np.testing.assert_array_equal(made, every[::stride_bars])
    assert len(converters.GrooveConverter(split_bars=4, pitch_classes=CLASSES).to_tensors(performance).outputs) == 3


def test_with_stride_changes_a_copy():
    given = converters.DrumsConverter()
    assert (converters.with_stride(given, 3).stride_bars, given.stride_bars) == (3, 1)


def test_a_converter_whose_windows_cannot_be_moved():
    converter = data.OneHotMelodyConverter(slice_bars=2)
    assert converters.with_stride(converter, 1) is not converter
    with pytest.raises(ValueError, match=r"^--stride_bars=2: OneHotMelodyConverter of this config does not take it"):
        converters.with_stride(converter, 2)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hier-drums_4bar_small", False),
        ("groovae_4bar", False),
        ("groovae_4bar_humanize", True),
        ("groovae_4bar_tap_groove", True),
    ],
)
def test_those_that_humanize_and_fill_in_hide_something(name, expected):
    assert converters.hides_something(configs.CONFIG_MAP[name].data_converter) == expected
