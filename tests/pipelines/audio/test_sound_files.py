"""Sound files: what is written is what is read back, in each format, and what is refused before that."""

import io
import sys

import numpy as np
import pytest
import soundfile

from pipelines.audio import sound_files
from tests import disks
from tests.sounds import read_wav

RATE = 44_100
HEADS = {"wav": b"RIFF", "flac": b"fLaC", "ogg": b"OggS", "mp3": b"\xff"}


@pytest.fixture(scope="module")
def noise():
    """Two seconds that get softer, in float32."""
    random = np.random.default_rng(0)
    return (
        random.normal(0, 0.2, [2 * RATE + 77, 2]).clip(-0.9, 0.9) * np.linspace(1, 0, 2 * RATE + 77)[:, None]
    ).astype(np.float32)


@pytest.mark.parametrize("name", sound_files.FORMATS)
def test_each_format_has_the_samples_that_were_written(tmp_path, noise, name):
    path = tmp_path / "a b" / f"ü.{name}"
    sound_files.write(path, noise, RATE, name)
    assert path.read_bytes().startswith(HEADS[name])
    read, rate = soundfile.read(path)
    assert rate == RATE
    assert read.shape == noise.shape  # To the sample, so that loops fit.
    if name in ("wav", "flac"):
        assert soundfile.info(path).subtype == "PCM_16"
        assert np.array_equal(np.round(read * 32768), np.round(noise * 32767))
    else:
        assert np.corrcoef(read[:, 0], noise[:, 0])[0, 1] > 0.8


def test_compressed_formats_are_smaller(tmp_path, noise):
    sizes = {}
    for name in sound_files.FORMATS:
        sound_files.write(tmp_path / f"a.{name}", noise, RATE, name)
        sizes[name] = (tmp_path / f"a.{name}").stat().st_size
    assert sizes["flac"] < sizes["wav"]
    assert max(sizes["ogg"], sizes["mp3"]) < sizes["wav"] / 4


@pytest.mark.parametrize("name", ["wav", "flac", "mp3"])  # An Ogg stream has a number drawn at random (RFC 3533).
def test_the_same_samples_are_the_same_bytes(tmp_path, noise, name):
    for path in (tmp_path / "a", tmp_path / "b"):
        sound_files.write(path, noise, RATE, name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_long_sounds_are_written_piece_by_piece(tmp_path):
    """libsndfile's Vorbis crashes when it is given minutes at once."""
    sound_files.write(tmp_path / "a.ogg", np.zeros([20 * 60 * 8000, 2], np.float32), 8000, "ogg")
    assert soundfile.info(tmp_path / "a.ogg").frames == 20 * 60 * 8000


@pytest.mark.parametrize(
    "rate", [8000, 11025, 12000, 22050, 32000, 37800, 44100, 48000, 65535, 65536, 88200, 88201, 96000]
)
@pytest.mark.parametrize("name", ["flac", "ogg", "mp3"])
def test_the_rates_that_are_said_to_be_accepted_are(name, rate):
    settings = sound_files.FORMATS[name].settings
    try:
        with soundfile.SoundFile(io.BytesIO(), "w", rate, 2, **settings) as file:
            file.write(np.zeros([4608, 2], np.float32))
    except soundfile.LibsndfileError:
        assert not sound_files.FORMATS[name].takes(rate)
        with pytest.raises(ValueError, match=f"--sample_rate={rate}: "):
            sound_files.check(name, rate)
    else:
        sound_files.check(name, rate)


@pytest.mark.parametrize(
    ("name", "rate", "message"),
    [
        ("mp3", 96000, r"--sample_rate=96000: MP3 takes 8000, 11025, .* or 48000 Hz; choose one, or --format=wav"),
        ("flac", 88201, r"--sample_rate=88201: FLAC takes 8000 to 65535 Hz, and multiples of 10 above"),
        ("aac", 44100, r"--format=aac: sound is written as wav, flac, ogg, mp3"),
    ],
)
def test_what_cannot_be_written_is_said_before(name, rate, message):
    with pytest.raises(ValueError, match=message):
        sound_files.check(name, rate)


def test_a_libsndfile_without_the_format_is_named(monkeypatch):
    """libsndfile before 1.1 has no MP3."""
    settings = {"format": "MP3", "subtype": "VORBIS"}
    monkeypatch.setitem(sound_files.FORMATS, "mp3", sound_files.Format("MP3", lambda rate: True, "", settings))
    with pytest.raises(OSError, match=r"--format=mp3: libsndfile [0-9.]+ cannot write MP3; use --format=wav"):
        sound_files.check("mp3", RATE)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ModuleNotFoundError("none", name="soundfile"), "pip install soundfile"),
        (OSError("no"), "libsndfile was not found"),
    ],
)
def test_a_missing_library_says_what_to_install_and_wav_needs_none(tmp_path, noise, monkeypatch, error, message):
    class Missing:
        def find_spec(self, name, path=None, target=None):
            if name == "soundfile":
                raise error

    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "soundfile")
    sound_files.library.cache_clear()
    with pytest.raises(OSError, match=message):
        sound_files.check("flac", RATE)
    sound_files.check("wav", RATE)
    sound_files.write(tmp_path / "a.wav", noise, RATE)
    assert read_wav(tmp_path / "a.wav")[0].shape == noise.shape


@pytest.mark.parametrize("name", sound_files.FORMATS)
def test_nothing_is_left_where_the_disk_is_full(tmp_path, name):
    noise = np.random.default_rng(0).normal(0, 0.2, [4 * RATE, 2]).clip(-1, 1).astype(np.float32)
    with disks.small(tmp_path / "small", kib=32) as folder:
        with pytest.raises(OSError, match="No space left"):
            sound_files.write(folder / f"a.{name}", noise, RATE, name)
        assert list(folder.iterdir()) == []


def test_nothing_is_left_where_writing_is_interrupted(tmp_path, noise, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sound_files, "_int16_chunks", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sound_files.write(tmp_path / "a.wav", noise, RATE)
    assert list(tmp_path.iterdir()) == []
