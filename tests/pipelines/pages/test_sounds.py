"""Sounds as scripts: the WAV's own samples, in half of its bytes."""

import base64
import io
import re

import numpy as np
import pytest
import soundfile

from pipelines.pages import sounds


def write_wav(path, samples, subtype="PCM_16"):
    soundfile.write(path, samples, 48000, subtype=subtype)
    return path


def samples_of(script_path):
    flac = base64.b64decode(re.fullmatch(r'addSound\("([\w+/=]+)"\);\n', script_path.read_text())[1])
    return soundfile.read(io.BytesIO(flac), dtype="int32", always_2d=True)


@pytest.fixture
def noise():
    return np.random.default_rng(1).uniform(-0.99, 0.99, [4800, 2])


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_U8"])
def test_a_script_has_the_samples_of_its_wav(tmp_path, noise, subtype):
    wav_path = write_wav(tmp_path / "a.wav", noise, subtype)
    sounds.write_script(tmp_path / "a.js", sounds.read(wav_path))
    samples, rate_hz = samples_of(tmp_path / "a.js")
    np.testing.assert_array_equal(samples, soundfile.read(wav_path, dtype="int32")[0])
    assert rate_hz == 48000


def test_samples_of_floats_keep_24_bits(tmp_path, noise):
    sounds.write_script(tmp_path / "a.js", sounds.read(write_wav(tmp_path / "a.wav", noise, "FLOAT")))
    np.testing.assert_allclose(samples_of(tmp_path / "a.js")[0] / 2**31, noise, atol=2**-23)


def test_the_same_sound_gives_the_same_bytes(tmp_path, noise):
    sound = sounds.read(write_wav(tmp_path / "a.wav", noise))
    for name in "ab":
        sounds.write_script(tmp_path / f"{name}.js", sound)
    assert (tmp_path / "a.js").read_bytes() == (tmp_path / "b.js").read_bytes()


@pytest.mark.parametrize("content", [None, b"", b"RIFF", b"no WAV at all"])
def test_what_is_no_sound_is_none(tmp_path, content):
    if content is not None:
        (tmp_path / "a.wav").write_bytes(content)
    assert sounds.read(tmp_path / "a.wav") is None


def test_what_flac_cannot_hold_is_none(tmp_path):
    assert sounds.read(write_wav(tmp_path / "empty.wav", np.zeros([0, 2]))) is None
    assert sounds.read(write_wav(tmp_path / "nine.wav", np.zeros([10, 9]))) is None
    soundfile.write(tmp_path / "fast.wav", np.zeros(10), 700_000)
    assert sounds.read(tmp_path / "fast.wav") is None


def test_facts_are_length_and_peak(tmp_path):
    half, silent = np.full([24000, 1], -0.5), np.zeros([24000, 1])
    assert sounds.describe(sounds.Sound(half, 48000, 16)) == {"sound": "0.5 s", "peak": "-6.0 dBFS"}
    assert sounds.describe(sounds.Sound(silent, 48000, 16))["peak"] == "silent"


def test_tidying_takes_away_what_is_ours_and_not_needed(tmp_path):
    sound = sounds.Sound(np.zeros([10, 1]), 48000, 16)
    paths = [tmp_path / name for name in ("kept.js", "old.js", "gone/deep/old.js", "gone/too.js")]
    for path in paths:
        sounds.write_script(path, sound)
    (tmp_path / "mine.js").write_text("alert(1)")
    (tmp_path / "notes.txt").write_text('addSound("')
    sounds.tidy(tmp_path, {paths[0]})
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["kept.js", "mine.js", "notes.txt"]
    sounds.tidy(tmp_path / "missing", set())
