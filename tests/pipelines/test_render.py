"""MIDI to WAV: what is heard, when, how loud, and what is said when it cannot be."""

import pathlib
import subprocess
import sys
import wave

import mido
import numpy as np
import pytest

from pipelines import render
from pipelines.audio import soundfont, synthesizer
from pipelines.files import midi_files

ROOT = pathlib.Path(__file__).resolve().parents[2]
SIDE_STICK, CRASH = 37, 49


def _library_reason() -> str:
    try:
        synthesizer.library()
    except OSError as error:
        return str(error).splitlines()[0]
    return ""


needs_library = pytest.mark.skipif(bool(_library_reason()), reason=_library_reason())


def write_midi(path, hits, *, pitch=SIDE_STICK, velocity=100, channel=9, end_secs=None):
    """Writes hits of 50 ms at the given seconds, exact to 0.1 ms."""
    midi = mido.MidiFile(ticks_per_beat=10000)
    track = midi.add_track()
    track.append(mido.MetaMessage("set_tempo", tempo=1_000_000))
    events = []
    for secs in hits:
        tick = round(secs * 10000)
        events.append((tick, mido.Message("note_on", channel=channel, note=pitch, velocity=velocity)))
        events.append((tick + 500, mido.Message("note_off", channel=channel, note=pitch)))
    events.sort(key=lambda event: event[0])
    last = 0
    for tick, message in events:
        track.append(message.copy(time=tick - last))
        last = tick
    if end_secs is not None:
        track.append(mido.MetaMessage("end_of_track", time=round(end_secs * 10000) - last))
    path.parent.mkdir(parents=True, exist_ok=True)
    midi.save(path)
    return path


def read_wav(path):
    with wave.open(str(path)) as wav:
        assert (wav.getnchannels(), wav.getsampwidth()) == (2, 2)
        samples = np.frombuffer(wav.readframes(wav.getnframes()), "<i2").reshape(-1, 2) / 32768
        return samples, wav.getframerate()


def run(*args):
    return subprocess.run(
        [sys.executable, "-m", "pipelines.render", *args],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


def assert_fails(done, *parts, status=1):
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 3, done.stderr
    for part in parts:
        assert part in done.stderr


@pytest.fixture(scope="module")
def font():
    return soundfont.find()


@needs_library
@pytest.mark.parametrize("velocity", [10, 127])
def test_wav_is_neither_silent_nor_clipped_whatever_the_velocity(tmp_path, font, velocity):
    midi_path = write_midi(tmp_path / "a.mid", np.arange(0, 4, 0.125), pitch=CRASH, velocity=velocity)
    result = render.render_file(midi_path, tmp_path / "a.wav", font)
    samples, _ = read_wav(tmp_path / "a.wav")
    assert np.abs(samples).max() == pytest.approx(render.PEAK, abs=1e-3)
    assert result.peak == pytest.approx(render.PEAK, abs=1e-3)
    assert result.rms == pytest.approx(np.sqrt(np.mean(samples**2)), abs=1e-4)
    assert result.rms > 0.01


@needs_library
@pytest.mark.parametrize("sample_rate_hz", [22050, 44100, 48000])
def test_wav_is_as_long_as_the_midi_plus_its_tail(tmp_path, font, sample_rate_hz):
    midi_path = write_midi(tmp_path / "a.mid", [0, 0.5], end_secs=3)
    result = render.render_file(midi_path, tmp_path / "a.wav", font, sample_rate_hz)
    samples, rate = read_wav(tmp_path / "a.wav")
    assert rate == sample_rate_hz
    assert result.duration_secs == len(samples) / rate
    assert 3 + synthesizer.TAIL_QUIET_SECS - 0.01 <= result.duration_secs <= 3 + synthesizer.MAX_TAIL_SECS + 0.01


@needs_library
def test_a_crash_rings_until_it_has_died_away(tmp_path, font):
    midi_path = write_midi(tmp_path / "a.mid", [0], pitch=CRASH)
    render.render_file(midi_path, tmp_path / "a.wav", font)
    samples, rate = read_wav(tmp_path / "a.wav")
    assert len(samples) / rate > 0.7
    assert np.abs(samples[-int(0.1 * rate) :]).max() < 0.002
    assert np.abs(samples[-1]).max() == 0


@needs_library
def test_hits_sound_when_the_midi_says(tmp_path, font):
    rng = np.random.default_rng(0)
    hits = np.arange(20) * 0.5 + rng.uniform(0.1, 0.2, 20)
    render.render_file(write_midi(tmp_path / "a.mid", hits), tmp_path / "a.wav", font)
    samples, rate = read_wav(tmp_path / "a.wav")
    loudness = np.abs(samples).max(axis=1)
    for secs in hits:
        before = round((secs - 0.03) * rate)
        heard = np.argmax(loudness[before:] > 0.1 * loudness[before : before + rate // 10].max()) + before
        assert heard / rate == pytest.approx(secs, abs=0.002)


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
def test_several_at_once_write_the_same_bytes(tmp_path, font):
    for index in range(6):
        write_midi(tmp_path / "in" / f"{index}.mid", np.arange(4) * 0.1 * (index + 1))
    one, _ = render.render(tmp_path / "in", tmp_path / "one", font, num_workers=1)
    many, _ = render.render(tmp_path / "in", tmp_path / "many", font, num_workers=4)
    assert len(one) == len(many) == 6
    for a, b in zip(one, many, strict=True):
        assert a.wav_path.read_bytes() == b.wav_path.read_bytes()


@needs_library
def test_folder_keeps_its_subfolders_and_names_what_failed(tmp_path, font):
    write_midi(tmp_path / "in" / "a.mid", [0])
    write_midi(tmp_path / "in" / "sub folder" / "B é.MIDI", [0])
    (tmp_path / "in" / "._a.mid").write_bytes(b"macOS")
    (tmp_path / "in" / "bad.mid").write_bytes(b"no MIDI")
    rendered, failed = render.render(tmp_path / "in", tmp_path / "out", font)
    written = sorted(p.relative_to(tmp_path / "out").as_posix() for p in tmp_path.glob("out/**/*") if p.is_file())
    assert written == ["a.wav", "sub folder/B é.wav"]
    assert [result.wav_path.name for result in rendered] == ["a.wav", "B é.wav"]
    assert [result.midi_path.name for result in failed] == ["bad.mid"]
    assert f"{tmp_path / 'in' / 'bad.mid'}: cannot be read as MIDI" in failed[0].reason


@needs_library
def test_without_output_dir_wavs_go_beside_their_midi(tmp_path, font):
    write_midi(tmp_path / "sub" / "a.mid", [0])
    rendered, _ = render.render(tmp_path, soundfont_path=font)
    assert rendered[0].wav_path == tmp_path / "sub" / "a.wav"
    assert rendered[0].wav_path.is_file()


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


@needs_library
def test_a_midi_that_the_soundfont_cannot_play_is_an_error(tmp_path, font, monkeypatch):
    monkeypatch.setattr(synthesizer.Synthesizer, "send", lambda *_: None)
    with pytest.raises(ValueError, match=r"a\.mid: silent with .*; try another --soundfont"):
        render.render_file(write_midi(tmp_path / "a.mid", [0]), tmp_path / "a.wav", font)
    assert not (tmp_path / "a.wav").exists()


@needs_library
def test_nothing_half_written_when_the_disk_is_full(tmp_path, font, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(wave.Wave_write, "writeframes", full)
    with pytest.raises(OSError, match="No space left"):
        render.render(write_midi(tmp_path / "a.mid", [0]), tmp_path / "out", font)
    assert list((tmp_path / "out").iterdir()) == []


def test_two_midis_of_one_name_are_an_error(tmp_path):
    write_midi(tmp_path / "a.mid", [0])
    write_midi(tmp_path / "a.midi", [0])
    with pytest.raises(ValueError, match=r"a\.mid and a\.midi would both become .*a\.wav"):
        render.plan(tmp_path)


@pytest.mark.parametrize("sample_rate_hz", [0, 7999, 96001])
def test_sample_rate_outside_fluidsynths_range_is_an_error(sample_rate_hz):
    with pytest.raises(ValueError, match=f"--sample_rate={sample_rate_hz}: .* 8000 to 96000 Hz"):
        synthesizer.check_sample_rate(sample_rate_hz)


def test_missing_library_says_what_to_install(monkeypatch):
    """The import fails as pyfluidsynth's does when there is no libfluidsynth."""
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    monkeypatch.delitem(sys.modules, "fluidsynth", raising=False)
    synthesizer.library.cache_clear()
    with pytest.raises(OSError, match="libfluidsynth was not found") as caught:
        render.check()
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
        render.check()


@pytest.fixture
def no_usual_places(monkeypatch, tmp_path):
    monkeypatch.setattr(soundfont, "FOLDERS", (str(tmp_path / "first"), str(tmp_path / "second")))


@pytest.fixture
def shipped():
    """pretty_midi's own soundfont: the last resort."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(soundfont, "FOLDERS", ())
        return soundfont.find()


def test_last_resort_is_pretty_midis(shipped):
    assert shipped.parent.name == "pretty_midi"


def test_soundfonts_are_found_in_order(tmp_path, no_usual_places, shipped):
    assert soundfont.find() == shipped
    for name in ("second/FluidR3_GM.sf2", "first/any.sf2", "first/any.sf3", "first/default-GM.sf2"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(shipped)
    places = [path.relative_to(tmp_path).as_posix() for path in list(soundfont.candidates())[:-1]]
    assert places == ["first/default-GM.sf2", "first/any.sf2", "first/any.sf3", "second/FluidR3_GM.sf2"]
    assert soundfont.find() == tmp_path / "first/default-GM.sf2"
    assert soundfont.find(tmp_path / "second/FluidR3_GM.sf2") == tmp_path / "second/FluidR3_GM.sf2"
    assert all(path.suffix == ".sf2" for path in soundfont.candidates((".sf2",)))


def test_a_soundfont_without_drums_or_a_damaged_one_is_passed_over(tmp_path, no_usual_places, shipped):
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "default-GM.sf2").write_bytes(b"RIFF\0\0\0\0sfbkLIST")
    (tmp_path / "first" / "FluidR3_GM.sf2").write_bytes(b"nothing")
    piano = b"Piano".ljust(20, b"\0") + bytes(18) + b"EOP".ljust(38, b"\0")
    phdr = b"pdtaphdr" + len(piano).to_bytes(4, "little") + piano
    (tmp_path / "first" / "piano.sf2").write_bytes(b"RIFF\0\0\0\0sfbkLIST" + len(phdr).to_bytes(4, "little") + phdr)
    assert not soundfont.has_drums(tmp_path / "first" / "piano.sf2")
    assert soundfont.has_drums(shipped)
    assert soundfont.find() == shipped


def test_no_soundfont_at_all_says_what_to_install(no_usual_places, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(OSError, match=r"no soundfont found; .*apt-get install fluid-soundfont-gm"):
        soundfont.find()


@pytest.mark.parametrize(
    ("name", "message"),
    [("missing.sf2", "no such file"), ("folder", "this is a folder"), ("text.sf2", "not a soundfont")],
)
def test_a_wrong_soundfont_is_named(tmp_path, name, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.sf2").write_text("hello")
    with pytest.raises(ValueError, match=f"--soundfont=.*{name}: {message}"):
        soundfont.find(tmp_path / name)


@needs_library
def test_a_soundfont_that_cannot_be_loaded_is_named(tmp_path):
    (tmp_path / "a.sf2").write_bytes(b"RIFF\4\0\0\0sfbk")
    with pytest.raises(ValueError, match=r"a\.sf2: FluidSynth [0-9.]+ cannot load this soundfont"):
        render.check(tmp_path / "a.sf2")


def test_inputs_without_midi_are_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere: no such file or folder"):
        midi_files.find(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="this folder has no MIDI files"):
        midi_files.find(tmp_path)
    (tmp_path / "a.txt").touch()
    with pytest.raises(ValueError, match=r"a\.txt: not a MIDI file"):
        midi_files.find(tmp_path / "a.txt")


@needs_library
def test_command_renders_a_folder_and_names_the_soundfont(tmp_path, font):
    write_midi(tmp_path / "my midi" / "a.mid", [0])
    done = run(f"--input={tmp_path / 'my midi'}", f"--output_dir={tmp_path / 'out'}", "--sample_rate=22050")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert f"soundfont: {font}" in done.stdout
    assert f"{tmp_path / 'out' / 'a.wav'}: " in done.stdout
    assert "peak -1.0 dBFS" in done.stdout
    assert read_wav(tmp_path / "out" / "a.wav")[1] == 22050


@needs_library
def test_command_fails_when_one_of_several_is_corrupt(tmp_path):
    write_midi(tmp_path / "a.mid", [0])
    (tmp_path / "bad.mid").write_bytes(b"MThd")
    assert_fails(run(f"--input={tmp_path}"), "error: ", "bad.mid: cannot be read as MIDI", "1 MIDI file not")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mid", "a.wav", "bad.mid"]


@needs_library
@pytest.mark.parametrize("output_dir", ["file", "file/below"])
def test_command_fails_without_a_folder_to_write_to(tmp_path, output_dir):
    write_midi(tmp_path / "a.mid", [0])
    (tmp_path / "file").touch()
    done = run(f"--input={tmp_path / 'a.mid'}", f"--output_dir={tmp_path / output_dir}")
    assert_fails(done, f"error: {tmp_path / output_dir}: ", "choose another --output_dir")


@pytest.mark.parametrize(
    ("args", "status", "part"),
    [
        ((), 2, "--input"),
        (("--input=/nowhere/at/all",), 1, "/nowhere/at/all: no such file or folder"),
        (("--input=.", "--sample_rate=100"), 2, "[8000, 96000]"),
        (("--input=.", "stray"), 2, "not a flag: stray"),
    ],
)
def test_command_explains_bad_arguments(args, status, part):
    assert_fails(run(*args), part, status=status)
