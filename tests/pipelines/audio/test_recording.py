"""Recordings to samples: formats, rates and channels, and what is said of files that are no recording."""

import numpy as np
import pytest
import soundfile

from pipelines.audio import recording

RATE_HZ = 44100


@pytest.fixture
def tone():
    """A second of 440 Hz at half of full scale."""
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE_HZ) / RATE_HZ)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_formats_are_read(tmp_path, tone, name):
    soundfile.write(tmp_path / name, tone, RATE_HZ)
    samples = recording.read(tmp_path / name)
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(recording.SAMPLE_RATE_HZ, rel=0.06)
    assert np.abs(samples[2000:-2000]).max() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("sample_rate_hz", [8000, 22050, 48000, 192000])
def test_any_sample_rate_gives_the_same_sound(tmp_path, sample_rate_hz):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(sample_rate_hz) / sample_rate_hz)
    soundfile.write(tmp_path / "a.wav", tone, sample_rate_hz)
    samples = recording.read(tmp_path / "a.wav")
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(recording.SAMPLE_RATE_HZ) / recording.SAMPLE_RATE_HZ)
    np.testing.assert_allclose(samples[500:-500], expected[500:-500], atol=0.01)


def test_channels_are_mixed_down_and_an_offset_is_taken_out(tmp_path, tone):
    soundfile.write(tmp_path / "a.wav", np.stack([tone + 0.3, 0 * tone], axis=1), RATE_HZ)
    samples = recording.read(tmp_path / "a.wav")
    assert samples.mean() == pytest.approx(0, abs=1e-4)
    assert np.abs(samples).max() == pytest.approx(0.25, abs=0.01)


def test_floats_in_the_scale_of_integers_are_read(tmp_path, tone):
    soundfile.write(tmp_path / "a.wav", tone * 32768, RATE_HZ, subtype="FLOAT")
    assert recording.peak_dbfs(recording.read(tmp_path / "a.wav")) == pytest.approx(84.3, abs=0.1)


def test_a_missing_file_a_folder_and_an_empty_file_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.wav: no such file; a recording is needed: WAV, FLAC"):
        recording.read(tmp_path / "none.wav")
    with pytest.raises(IsADirectoryError, match="this is a folder; name one recording in it"):
        recording.read(tmp_path)
    (tmp_path / "empty.wav").touch()
    with pytest.raises(ValueError, match=r"empty\.wav: this file is empty; copy it again"):
        recording.read(tmp_path / "empty.wav")


@pytest.mark.parametrize("data", [b"hello " * 100, b"MThd\0\0\0\6\0\1\0\1\0\xdc", b"\0\0\0\x20ftypM4A " + bytes(999)])
def test_what_is_no_audio_is_named_with_what_is(tmp_path, data):
    (tmp_path / "a.wav").write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.wav: cannot be read as audio \(.+\); WAV, FLAC, OGG and MP3 are read\n"):
        recording.read(tmp_path / "a.wav")


def test_a_file_damaged_in_the_middle_is_named(tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.1, RATE_HZ)
    soundfile.write(tmp_path / "a.flac", noise, RATE_HZ)
    data = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(data[:9000] + bytes(4000) + data[13000:])
    with pytest.raises(ValueError, match=r"a\.flac: is damaged \(.+\); copy it again .*, or record it again"):
        recording.read(tmp_path / "a.flac")


def test_a_stream_that_does_not_say_its_length_is_an_error(tmp_path, tone):
    soundfile.write(tmp_path / "a.flac", tone, RATE_HZ)
    data = bytearray((tmp_path / "a.flac").read_bytes())
    data[21] &= 0xF0  # The 36 bits of STREAMINFO for the number of samples (RFC 9639, 8.2): 0 is unknown.
    data[22:26] = bytes(4)
    (tmp_path / "a.flac").write_bytes(data)
    with pytest.raises(ValueError, match="does not say how long it is, as a recording that was cut off\n"):
        recording.read(tmp_path / "a.flac")


def test_an_hour_is_refused_by_its_header(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "a.flac", np.zeros(3600 * 4000, np.int16), 4000)
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *_: pytest.fail("it was read"))
    with pytest.raises(ValueError, match=r"a\.flac: lasts 60\.0 minutes, and 10 at most are read; cut out the part"):
        recording.read(tmp_path / "a.flac")


@pytest.mark.parametrize("sample_rate_hz", [1, 3999, 500000])
def test_a_sample_rate_of_no_recording_is_an_error(tmp_path, tone, sample_rate_hz):
    soundfile.write(tmp_path / "a.wav", tone, sample_rate_hz)
    with pytest.raises(ValueError, match=rf"a sample rate of {sample_rate_hz} Hz, .* \(4000 to 384000 are read\)"):
        recording.read(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.nan, "has samples that are no numbers, so it is damaged; export it again"),
        (np.inf, "has samples that are no numbers"),
        (1e30, r"has a sample of 1e\+30 times full scale"),
    ],
)
def test_numbers_that_are_no_sound_are_errors(tmp_path, tone, value, said):
    tone[1000] = value
    soundfile.write(tmp_path / "a.wav", tone, RATE_HZ, subtype="FLOAT")
    with pytest.raises(ValueError, match=said):
        recording.read(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (np.zeros(RATE_HZ), r"silent \(there is no sound in it at all, and -60 dBFS at least is needed\); choose"),
        (np.zeros(0), "there is no sound in it at all"),
        (np.full(RATE_HZ, 0.3), "there is no sound in it at all"),
        (2.5e-4 * (-1.0) ** np.arange(RATE_HZ), r"silent \(the loudest sound is at -72 dBFS, and -60 dBFS at least"),
    ],
)
def test_silence_is_an_error(tmp_path, samples, said):
    soundfile.write(tmp_path / "a.wav", samples, RATE_HZ, subtype="FLOAT")
    with pytest.raises(ValueError, match=said):
        recording.read(tmp_path / "a.wav")
