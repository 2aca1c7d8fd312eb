"""MIDI to WAV: what is heard, when, how loud, and what is said when it cannot be."""

import os
import sys
import wave

import numpy as np
import pytest

from pipelines.audio import rendering, synthesizer
from tests.sounds import CRASH, needs_library, read_wav, write_midi


@needs_library
@pytest.mark.parametrize("velocity", [10, 127])
def test_wav_is_neither_silent_nor_clipped_whatever_the_velocity(tmp_path, font, velocity):
    midi_path = write_midi(tmp_path / "a.mid", np.arange(0, 4, 0.125), pitch=CRASH, velocity=velocity)
    rendering.render_file(midi_path, tmp_path / "a.wav", font)
    samples, _ = read_wav(tmp_path / "a.wav")
    assert np.abs(samples).max() == pytest.approx(rendering.PEAK, abs=1e-3)
    assert np.sqrt(np.mean(samples**2)) > 0.01


@needs_library
@pytest.mark.parametrize("sample_rate_hz", [22050, 44100, 48000])
def test_wav_is_as_long_as_the_midi_plus_its_tail(tmp_path, font, sample_rate_hz):
    midi_path = write_midi(tmp_path / "a.mid", [0, 0.5], end_secs=3)
    duration_secs = rendering.render_file(midi_path, tmp_path / "a.wav", font, sample_rate_hz)
    samples, rate = read_wav(tmp_path / "a.wav")
    assert rate == sample_rate_hz
    assert duration_secs == len(samples) / rate
    assert 3 + synthesizer.TAIL_QUIET_SECS - 0.01 <= duration_secs <= 3 + synthesizer.MAX_TAIL_SECS + 0.01


@needs_library
def test_a_crash_rings_until_it_has_died_away(tmp_path, font):
    midi_path = write_midi(tmp_path / "a.mid", [0], pitch=CRASH)
    rendering.render_file(midi_path, tmp_path / "a.wav", font)
    samples, rate = read_wav(tmp_path / "a.wav")
    assert len(samples) / rate > 0.7
    assert np.abs(samples[-int(0.1 * rate) :]).max() < 0.002
    assert np.abs(samples[-1]).max() == 0


@needs_library
def test_hits_sound_when_the_midi_says(tmp_path, font):
    rng = np.random.default_rng(0)
    hits = np.arange(20) * 0.5 + rng.uniform(0.1, 0.2, 20)
    rendering.render_file(write_midi(tmp_path / "a.mid", hits), tmp_path / "a.wav", font)
    samples, rate = read_wav(tmp_path / "a.wav")
    loudness = np.abs(samples).max(axis=1)
    for secs in hits:
        before = round((secs - 0.03) * rate)
        heard = np.argmax(loudness[before:] > 0.1 * loudness[before : before + rate // 10].max()) + before
        assert heard / rate == pytest.approx(secs, abs=0.002)


@needs_library
def test_several_at_once_write_the_same_bytes(tmp_path, font):
    for index in range(6):
        write_midi(tmp_path / "in" / f"{index}.mid", np.arange(4) * 0.1 * (index + 1))
    one, _ = rendering.render(rendering.plan(tmp_path / "in", tmp_path / "one"), font, num_workers=1)
    many, _ = rendering.render(rendering.plan(tmp_path / "in", tmp_path / "many"), font, num_workers=4)
    assert len(one) == len(many) == 6
    for a, b in zip(one, many, strict=True):
        assert a.read_bytes() == b.read_bytes()


@needs_library
def test_folder_keeps_its_subfolders_and_names_what_failed(tmp_path, font):
    write_midi(tmp_path / "in" / "a.mid", [0])
    write_midi(tmp_path / "in" / "sub folder" / "B é.MIDI", [0])
    (tmp_path / "in" / "._a.mid").write_bytes(b"macOS")
    (tmp_path / "in" / "bad.mid").write_bytes(b"no MIDI")
    rendered, reasons = rendering.render(rendering.plan(tmp_path / "in", tmp_path / "out"), font)
    written = sorted(p.relative_to(tmp_path / "out").as_posix() for p in tmp_path.glob("out/**/*") if p.is_file())
    assert written == ["a.wav", "sub folder/B é.wav"]
    assert [wav_path.name for wav_path in rendered] == ["a.wav", "B é.wav"]
    assert len(reasons) == 1
    assert reasons[0].startswith(f"{tmp_path / 'in' / 'bad.mid'}: cannot be read as MIDI")


@needs_library
def test_without_output_dir_wavs_go_beside_their_midi(tmp_path, font):
    write_midi(tmp_path / "sub" / "a.mid", [0])
    rendered, _ = rendering.render(rendering.plan(tmp_path), font)
    assert list(rendered) == [tmp_path / "sub" / "a.wav"]
    assert (tmp_path / "sub" / "a.wav").is_file()


@needs_library
def test_a_midi_that_the_soundfont_cannot_play_is_an_error(tmp_path, font, monkeypatch):
    monkeypatch.setattr(synthesizer.Synthesizer, "send", lambda *_: None)
    with pytest.raises(ValueError, match=r"a\.mid: silent with .*; try another --soundfont"):
        rendering.render_file(write_midi(tmp_path / "a.mid", [0]), tmp_path / "a.wav", font)
    assert not (tmp_path / "a.wav").exists()


@needs_library
def test_nothing_half_written_when_the_disk_is_full(tmp_path, font, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(wave.Wave_write, "writeframes", full)
    with pytest.raises(OSError, match="No space left"):
        rendering.render(rendering.plan(write_midi(tmp_path / "a.mid", [0]), tmp_path / "out"), font)
    assert list((tmp_path / "out").iterdir()) == []


def test_only_what_is_new_is_planned_where_that_is_asked_for(tmp_path):
    for name in ("old", "changed", "new"):
        (tmp_path / f"{name}.mid").touch()
    for name, age_ns in (("old", 0), ("changed", 10**9)):
        (tmp_path / f"{name}.wav").touch()
        of_midi_ns = (tmp_path / f"{name}.mid").stat().st_mtime_ns
        os.utime(tmp_path / f"{name}.wav", ns=(0, of_midi_ns - age_ns))
    assert [midi.stem for midi, _ in rendering.plan(tmp_path, only_new=True)] == ["changed", "new"]
    assert len(rendering.plan(tmp_path)) == 3


def test_two_midis_of_one_name_are_an_error(tmp_path):
    write_midi(tmp_path / "a.mid", [0])
    write_midi(tmp_path / "a.midi", [0])
    with pytest.raises(ValueError, match=r"a\.mid and a\.midi would both become .*a\.wav"):
        rendering.plan(tmp_path)


def test_missing_library_says_what_to_install(monkeypatch):
    """The import fails as pyfluidsynth's does when there is no libfluidsynth."""
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    monkeypatch.delitem(sys.modules, "fluidsynth", raising=False)
    synthesizer.library.cache_clear()
    with pytest.raises(OSError, match="libfluidsynth was not found") as caught:
        rendering.check()
    assert "sudo apt-get install libfluidsynth3" in str(caught.value)
    assert "brew install fluid-synth" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2


def test_missing_pyfluidsynth_says_what_to_install(monkeypatch):
    class Missing:
        def find_spec(self, name, path=None, target=None):
            if name == "fluidsynth":
                raise ModuleNotFoundError("No module named 'fluidsynth'", name=name)

    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "fluidsynth", raising=False)
    synthesizer.library.cache_clear()
    with pytest.raises(OSError, match="pip install pyfluidsynth"):
        rendering.check()


@needs_library
def test_a_soundfont_that_cannot_be_loaded_is_named(tmp_path):
    (tmp_path / "a.sf2").write_bytes(b"RIFF\4\0\0\0sfbk")
    with pytest.raises(ValueError, match=r"a\.sf2: FluidSynth [0-9.]+ cannot load this soundfont"):
        rendering.check(tmp_path / "a.sf2")
