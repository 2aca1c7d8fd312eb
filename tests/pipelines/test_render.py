"""MIDI to WAV: what is heard, when, how loud, and what is said when it cannot be."""

import pathlib
import subprocess
import sys

import pytest

from pipelines.audio import soundfont
from tests.sounds import needs_library, read_wav, write_midi

ROOT = pathlib.Path(__file__).resolve().parents[2]


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


@needs_library
def test_command_renders_a_folder_and_names_the_soundfont(tmp_path):
    write_midi(tmp_path / "my midi" / "a.mid", [0])
    done = run(f"--input={tmp_path / 'my midi'}", f"--output_dir={tmp_path / 'out'}", "--sample_rate=22050")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert f"soundfont: {soundfont.find()}" in done.stdout
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
