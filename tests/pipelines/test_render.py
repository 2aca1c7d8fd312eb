"""The command that renders: its flags, what it prints, and what it says and leaves when it cannot go on."""

import pathlib
import re
import signal
import subprocess
import sys
import time

import mido
import pytest
import soundfile

from pipelines.audio import soundfont
from tests import midi_files
from tests.sounds import needs_library, read_wav, write_midi

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "pipelines.render"]


def run(*args):
    return subprocess.run([*COMMAND, *args], cwd=ROOT, capture_output=True, text=True, timeout=120)


def assert_fails(done, *parts, status=1):
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 3, done.stderr
    for part in parts:
        assert part in done.stderr


@needs_library
def test_command_renders_a_folder_and_names_the_soundfont(tmp_path):
    write_midi(tmp_path / "my midi" / "a.mid", [0, 0.5, 1])
    done = run(f"--input={tmp_path / 'my midi'}", f"--output_dir={tmp_path / 'out'}", "--sample_rate=22050")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    samples, rate = read_wav(tmp_path / "out" / "a.wav")
    assert rate == 22050
    first, second, third = done.stdout.splitlines()
    assert first == f"soundfont: {soundfont.find()}"
    assert second.startswith(f"{tmp_path / 'out' / 'a.wav'}: {len(samples) / rate:.2f} s, ")
    assert re.search(r" s, -23\.0 LUFS, peak -[0-9]+\.[0-9] dBFS$", second)
    assert third == f"1 WAV, {len(samples) / rate:.1f} s of sound, in {tmp_path / 'out'}"


@needs_library
def test_command_says_which_files_stay_softer(tmp_path):
    write_midi(tmp_path / "a.mid", [0, 0.5, 1])
    done = run(f"--input={tmp_path}", "--loudness=-6")
    assert done.returncode == 0, done.stderr
    assert re.search(r"a\.wav: .* s, -[12][0-9.]+ LUFS \(its peaks allow no -6\.0\), peak -1\.0 dBFS\n", done.stdout)


@needs_library
@pytest.mark.parametrize("name", ["flac", "ogg", "mp3"])
def test_command_writes_loops_and_counts_in_in_any_format(tmp_path, name):
    midi_files.write(tmp_path / "a.mid", midi_files.groove(2))
    done = run(f"--input={tmp_path}", f"--format={name}", "--loop", "--click")
    assert done.returncode == 0, done.stderr
    assert soundfile.info(tmp_path / f"a.{name}").frames == 4 * 44100
    before = (tmp_path / f"a.{name}").read_bytes()
    done = run(f"--input={tmp_path}", f"--format={name}", "--count_in", "--only_new")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / f"a.{name}").read_bytes() == before
    (tmp_path / f"a.{name}").unlink()
    done = run(f"--input={tmp_path}", f"--format={name}", "--count_in", "--only_new")
    assert done.returncode == 0, done.stderr
    assert soundfile.info(tmp_path / f"a.{name}").frames > 6 * 44100


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


@needs_library
def test_what_is_interrupted_ends_soon_and_leaves_whole_files_or_none(tmp_path):
    for index in range(40):
        write_midi(tmp_path / "in" / f"{index}.mid", [0], end_secs=150)
    process = subprocess.Popen(
        [*COMMAND, f"--input={tmp_path / 'in'}", f"--output_dir={tmp_path / 'out'}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not any((tmp_path / "out").glob("*.wav")) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert told.splitlines()[-1] == "interrupted"
    written = list((tmp_path / "out").iterdir())
    assert 1 <= len(written) < 40
    for path in written:
        assert path.suffix == ".wav"
        assert not path.name.startswith(".")
        assert soundfile.info(path).frames > 150 * 44100


@needs_library
def test_a_loop_of_no_length_is_named(tmp_path):
    notes = [mido.Message("note_on", channel=9, note=38), mido.Message("note_off", channel=9, note=38, time=10)]
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=1), *notes])
    mido.MidiFile(tracks=[track]).save(tmp_path / "a.mid")
    assert_fails(run(f"--input={tmp_path}", "--loop"), "a.mid: its bar lasts", "ms, and a loop lasts 100 at least")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mid"]


@pytest.mark.parametrize(
    ("args", "status", "part"),
    [
        ((), 2, "--input"),
        (("--input=/nowhere/at/all",), 1, "/nowhere/at/all: no such file or folder"),
        (("--input=.", "--sample_rate=100"), 2, "[8000, 96000]"),
        (("--input=.", "stray"), 2, "not a flag: stray"),
        (("--input=.", "--format=aac"), 2, "<wav|flac|ogg|mp3>"),
        (("--input=.", "--loudness=5"), 2, "[-60"),
        (("--input=.", "--loudness=nan"), 1, "--loudness=nan: -60 to 0 LUFS"),
        (("--input=.", "--loop", "--count_in"), 1, "--loop and --count_in: a loop has no beginning to count in"),
        (("--input=.", "--format=mp3", "--sample_rate=96000"), 1, "MP3 takes 8000, 11025, 12000"),
    ],
)
def test_command_explains_bad_arguments(args, status, part):
    assert_fails(run(*args), part, status=status)


def test_nothing_is_imported_before_it_is_needed():
    """scipy.signal, by way of pyloudnorm, takes most of a second."""
    program = (
        "import sys, pipelines.render; print({'scipy', 'pyloudnorm', 'soundfile', 'fluidsynth'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "set()\n")
