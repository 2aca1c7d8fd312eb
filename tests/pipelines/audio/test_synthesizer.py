"""MIDI to samples: what FluidSynth is sent, and which files are refused."""

import mido
import numpy as np
import pytest

from pipelines.audio import synthesizer
from tests.sounds import needs_library, write_midi


@needs_library
def test_velocity_is_heard(tmp_path, font):
    soft = synthesizer.synthesize(write_midi(tmp_path / "a.mid", [0], velocity=30), font)
    loud = synthesizer.synthesize(write_midi(tmp_path / "b.mid", [0], velocity=120), font)
    assert np.abs(loud).max() > 4 * np.abs(soft).max()


@needs_library
def test_channel_ten_is_the_drum_kit_and_other_channels_have_their_programs(tmp_path, font):
    drum = synthesizer.synthesize(write_midi(tmp_path / "a.mid", [0]), font)
    piano = synthesizer.synthesize(write_midi(tmp_path / "b.mid", [0], channel=0), font)
    path = write_midi(tmp_path / "c.mid", [0], channel=0)
    midi = mido.MidiFile(path)
    midi.tracks[0].insert(0, mido.Message("program_change", channel=0, program=56))
    midi.save(path)
    trumpet = synthesizer.synthesize(path, font)
    assert not np.array_equal(drum[:4096], piano[:4096])
    assert not np.array_equal(piano[:4096], trumpet[:4096])


@needs_library
def test_a_key_that_is_never_released_ends(tmp_path, font):
    midi = mido.MidiFile()
    track = midi.add_track()
    track.append(mido.Message("program_change", program=16))  # An organ sounds as long as its key is held.
    track.append(mido.Message("control_change", control=64, value=127))
    track.append(mido.Message("note_on", note=60))
    track.append(mido.MetaMessage("end_of_track", time=480))
    midi.save(tmp_path / "a.mid")
    samples = synthesizer.synthesize(tmp_path / "a.mid", font)
    assert len(samples) / 44100 < 0.5 + synthesizer.MAX_TAIL_SECS - 0.1


@needs_library
@pytest.mark.parametrize("num_bytes", [0, 3, 14, 30, 45])
def test_a_midi_cut_short_is_named(tmp_path, font, num_bytes):
    path = write_midi(tmp_path / "a.mid", [0, 1])
    path.write_bytes(path.read_bytes()[:num_bytes])
    with pytest.raises(ValueError, match=r"a\.mid: (cannot be read as MIDI \(.+\)|has no notes)"):
        synthesizer.synthesize(path, font)


def test_a_midi_without_notes_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"a\.mid: has no notes, so there is nothing to hear"):
        synthesizer.read_events(write_midi(tmp_path / "a.mid", []))


def test_a_midi_of_hours_is_an_error(tmp_path):
    path = write_midi(tmp_path / "a.mid", [0], end_secs=7200)
    with pytest.raises(ValueError, match="lasts 120 minutes, and 30 at most"):
        synthesizer.read_events(path)


@pytest.mark.parametrize("sample_rate_hz", [0, 7999, 96001])
def test_sample_rate_outside_fluidsynths_range_is_an_error(sample_rate_hz):
    with pytest.raises(ValueError, match=f"--sample_rate={sample_rate_hz}: .* 8000 to 96000 Hz"):
        synthesizer.check_sample_rate(sample_rate_hz)
