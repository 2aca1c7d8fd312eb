"""MIDI to sound files: how loud, in which format, several at once, and what is said when it cannot be done."""

import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pyloudnorm
import pytest
import soundfile

from pipelines.audio import libfluidsynth, loudness, rendering, sound_files
from pipelines.audio.rendering import Options
from tests import disks, midi_files
from tests.sounds import CRASH, needs_library, read_wav, without_kits, write_midi


def measured(path):
    samples, rate = soundfile.read(path)
    return pyloudnorm.Meter(rate).integrated_loudness(samples), 20 * np.log10(np.abs(samples).max())


@needs_library
@pytest.mark.parametrize("velocity", [10, 127])
@pytest.mark.parametrize("options", [Options(), Options(loudness_lufs=-30), Options(sample_rate_hz=22050)])
def test_sound_is_as_loud_as_was_asked_for_whatever_the_velocity(tmp_path, font, velocity, options):
    midi_path = write_midi(tmp_path / "a.mid", np.arange(0, 4, 0.125), pitch=CRASH, velocity=velocity)
    rendered = rendering.render_file(midi_path, tmp_path / "a.wav", font, options)
    lufs, peak_dbfs = measured(tmp_path / "a.wav")
    assert lufs == pytest.approx(options.loudness_lufs, abs=0.1)
    assert (rendered.lufs, rendered.peak_dbfs) == (pytest.approx(lufs, abs=0.1), pytest.approx(peak_dbfs, abs=0.01))
    assert not rendered.is_held


@needs_library
def test_peaks_in_the_way_keep_a_file_softer_and_it_says_so(tmp_path, font):
    midi_path = write_midi(tmp_path / "a.mid", [0, 1])
    rendered = rendering.render_file(midi_path, tmp_path / "a.wav", font, Options(loudness_lufs=-5))
    lufs, peak_dbfs = measured(tmp_path / "a.wav")
    assert peak_dbfs == pytest.approx(loudness.CEILING_DBFS, abs=0.01)
    assert rendered.lufs == pytest.approx(lufs, abs=0.1)
    assert rendered.lufs < -10
    assert rendered.is_held


@needs_library
@pytest.mark.parametrize("sample_rate_hz", [22050, 44100, 48000])
def test_length_is_in_seconds_of_the_sample_rate(tmp_path, font, sample_rate_hz):
    midi_path = write_midi(tmp_path / "a.mid", [0, 0.5], end_secs=3)
    rendered = rendering.render_file(midi_path, tmp_path / "a.wav", font, Options(sample_rate_hz=sample_rate_hz))
    samples, rate = read_wav(tmp_path / "a.wav")
    assert rate == sample_rate_hz
    assert rendered.secs == len(samples) / rate
    assert 3.2 <= rendered.secs + 0.01 <= 8.02


@needs_library
def test_hits_sound_when_the_midi_says(tmp_path, font):
    rng = np.random.default_rng(0)
    hits = np.arange(20) * 0.5 + rng.uniform(0.1, 0.2, 20)
    rendering.render_file(write_midi(tmp_path / "a.mid", hits), tmp_path / "a.wav", font)
    samples, rate = read_wav(tmp_path / "a.wav")
    level = np.abs(samples).max(axis=1)
    for secs in hits:
        before = round((secs - 0.03) * rate)
        heard = np.argmax(level[before:] > 0.1 * level[before : before + rate // 10].max()) + before
        assert heard / rate == pytest.approx(secs, abs=0.002)


@needs_library
@pytest.mark.parametrize("name", ["flac", "ogg", "mp3"])
def test_each_format_sounds_as_its_wav(tmp_path, font, name):
    midi_path = write_midi(tmp_path / "a.mid", np.arange(0, 2, 0.25), pitch=38)
    jobs = rendering.plan(midi_path, tmp_path / "out", format=name)
    rendered, reasons = rendering.render(jobs, font, Options(format=name))
    assert not reasons
    assert list(rendered) == [tmp_path / "out" / f"a.{name}"]
    rendering.render_file(midi_path, tmp_path / "a.wav", font)
    wav, _ = read_wav(tmp_path / "a.wav")
    samples, _ = soundfile.read(tmp_path / "out" / f"a.{name}")
    assert len(samples) == len(wav)
    assert np.corrcoef(samples[:, 0], wav[:, 0])[0, 1] > 0.95
    lufs, peak_dbfs = measured(tmp_path / "out" / f"a.{name}")
    assert lufs == pytest.approx(loudness.LUFS, abs=0.3)
    assert peak_dbfs < 0


@needs_library
@pytest.mark.parametrize("options", [Options(), Options(loop=True, click=True), Options(count_in=True)], ids=str)
def test_several_at_once_write_the_same_bytes(tmp_path, font, options):
    for index in range(6):
        write_midi(tmp_path / "in" / f"{index}.mid", np.arange(4) * 0.1 * (index + 1))
    one, _ = rendering.render(rendering.plan(tmp_path / "in", tmp_path / "one"), font, options, num_workers=1)
    many, _ = rendering.render(rendering.plan(tmp_path / "in", tmp_path / "many"), font, options, num_workers=4)
    assert len(one) == len(many) == 6
    assert list(one.values()) == list(many.values())
    for a, b in zip(one, many, strict=True):
        assert a.read_bytes() == b.read_bytes()


@needs_library
def test_loops_counting_in_and_clicks_have_their_lengths(tmp_path, font):
    path = midi_files.write(tmp_path / "a.mid", midi_files.groove(2), tempos=[(0, 90)])
    secs = {
        name: rendering.render_file(path, tmp_path / "a.wav", font, Options(**{name: True})).secs
        for name in ("loop", "count_in", "click")
    }
    alone = rendering.render_file(path, tmp_path / "a.wav", font).secs
    bar = 4 * 666_667 / 1e6
    assert secs["loop"] == round(2 * bar * 44100) / 44100
    assert secs["count_in"] == pytest.approx(alone + bar, abs=0.05)
    assert secs["click"] > 2 * bar


@needs_library
def test_a_folder_of_many_is_not_held_in_memory(tmp_path, font):
    for index in range(12):
        write_midi(tmp_path / "in" / f"{index}.mid", [0, 1], end_secs=10)
    jobs = rendering.plan(tmp_path / "in", tmp_path / "out")
    rendering.render(jobs[:1], font)  # Imports what is needed.
    peaks = []
    for count in (2, 12):
        tracemalloc.start()
        rendering.render(jobs[:count], font, num_workers=1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] > 10 * 44100 * 8
    assert peaks[1] < 1.2 * peaks[0]


@needs_library
def test_folder_keeps_its_subfolders_and_names_what_failed(tmp_path, font):
    write_midi(tmp_path / "in" / "a.mid", [0])
    write_midi(tmp_path / "in" / "sub folder" / "B é.MIDI", [0])
    (tmp_path / "in" / "._a.mid").write_bytes(b"macOS")
    (tmp_path / "in" / "bad.mid").write_bytes(b"no MIDI")
    rendered, reasons = rendering.render(rendering.plan(tmp_path / "in", tmp_path / "out"), font)
    written = sorted(p.relative_to(tmp_path / "out").as_posix() for p in tmp_path.glob("out/**/*") if p.is_file())
    assert written == ["a.wav", "sub folder/B é.wav"]
    assert [path.name for path in rendered] == ["a.wav", "B é.wav"]
    assert len(reasons) == 1
    assert reasons[0].startswith(f"{tmp_path / 'in' / 'bad.mid'}: cannot be read as MIDI")


@needs_library
def test_without_output_dir_sound_goes_beside_its_midi(tmp_path, font):
    write_midi(tmp_path / "sub" / "a.mid", [0])
    rendered, _ = rendering.render(rendering.plan(tmp_path), font)
    assert list(rendered) == [tmp_path / "sub" / "a.wav"]
    assert (tmp_path / "sub" / "a.wav").is_file()


@needs_library
@pytest.mark.parametrize("name", sound_files.FORMATS)
def test_nothing_half_written_when_the_disk_is_full(tmp_path, font, name):
    midi_path = write_midi(tmp_path / "a.mid", [0], end_secs=10, pitch=CRASH)
    with disks.small(tmp_path / "small", kib=12) as folder:
        with pytest.raises(OSError, match="No space left"):
            rendering.render([(midi_path, folder / f"a.{name}")], font, Options(format=name))
        assert list(folder.iterdir()) == []


@needs_library
def test_a_folder_that_cannot_be_written_to_is_named(tmp_path, font):
    midi_path = write_midi(tmp_path / "a.mid", [0])
    with disks.small(tmp_path / "small", kib=12) as folder:
        if subprocess.run(["mount", "-o", "remount,ro", folder], capture_output=True).returncode:
            pytest.skip("this file system cannot be made read-only")
        with pytest.raises(
            OSError, match=r"small: cannot write here \(Read-only file system\); choose another --output_"
        ):
            rendering.render(rendering.plan(midi_path, folder), font)


@needs_library
def test_nothing_is_left_when_it_is_interrupted(tmp_path, font, monkeypatch):
    """What is being played ends, what waits is not begun, what is being written is taken away."""
    for index in range(4):
        write_midi(tmp_path / "in" / f"{index}.mid", [0], end_secs=1500)

    def interrupted(items, *_):
        raise KeyboardInterrupt

    monkeypatch.setattr(rendering.progress, "track", interrupted)
    with pytest.raises(KeyboardInterrupt):
        rendering.render(rendering.plan(tmp_path / "in", tmp_path / "out"), font, num_workers=2)
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
    assert len(rendering.plan(tmp_path, only_new=True, format="mp3")) == 3  # A WAV is no MP3.
    (tmp_path / "old.mp3").touch()
    assert [midi.stem for midi, _ in rendering.plan(tmp_path, only_new=True, format="mp3")] == ["changed", "new"]


def test_two_midis_of_one_name_are_an_error(tmp_path):
    write_midi(tmp_path / "a.mid", [0])
    write_midi(tmp_path / "a.midi", [0])
    with pytest.raises(ValueError, match=r"a\.mid and a\.midi would both become .*a\.flac"):
        rendering.plan(tmp_path, format="flac")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loop": True, "count_in": True}, "--loop and --count_in: a loop has no beginning to count in; leave out one"),
        ({"loudness_lufs": 3.0}, r"--loudness=3: -60 to 0 LUFS; -23 is usual"),
        ({"loudness_lufs": float("nan")}, r"--loudness=nan: -60 to 0 LUFS"),
        ({"sample_rate_hz": 100}, "--sample_rate=100: FluidSynth plays at 8000 to 96000 Hz"),
        ({"format": "mp3", "sample_rate_hz": 96000}, "--sample_rate=96000: MP3 takes 8000, 11025"),
        ({"format": "aac"}, "--format=aac: sound is written as wav, flac, ogg, mp3"),
    ],
)
def test_options_that_cannot_be_met_are_said_before_long_work(font, options, message):
    with pytest.raises(ValueError, match=message):
        rendering.check(font, Options(**options))
    with pytest.raises(ValueError, match=message):
        rendering.render([], font, Options(**options))


@needs_library
def test_a_soundfont_that_cannot_click_is_said_before_long_work(tmp_path):
    font = without_kits(tmp_path / "no kits.sf2")
    assert rendering.check(font) == font
    for options in (Options(click=True), Options(count_in=True)):
        with pytest.raises(ValueError, match=r"no kits\.sf2: has no drum kit to click with"):
            rendering.check(font, options)


def test_missing_library_says_what_to_install(monkeypatch):
    """The import fails as pyfluidsynth's does when there is no libfluidsynth."""
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    monkeypatch.delitem(sys.modules, "fluidsynth", raising=False)
    libfluidsynth.library.cache_clear()
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
    libfluidsynth.library.cache_clear()
    with pytest.raises(OSError, match="pip install pyfluidsynth"):
        rendering.check()


@needs_library
def test_a_soundfont_that_cannot_be_loaded_is_named(tmp_path):
    (tmp_path / "a.sf2").write_bytes(b"RIFF\4\0\0\0sfbk")
    with pytest.raises(ValueError, match=r"a\.sf2: FluidSynth [0-9.]+ cannot load this soundfont"):
        rendering.check(tmp_path / "a.sf2")
