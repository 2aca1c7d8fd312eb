"""Sound files: samples are written as WAV, FLAC, Ogg or MP3, whole or not at all.

WAV needs nothing but Python; the others need soundfile, whose libsndfile has them, and which is imported for them only.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import pathlib
import types
import wave
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pipelines.audio.synthesizer import MAX_SAMPLE_RATE_HZ, MIN_SAMPLE_RATE_HZ
from pipelines.files import atomic

_INT16_MAX = 32767
_CHUNK = 1 << 16  # Samples converted at once; libsndfile's Vorbis takes no minutes at a time.


@dataclasses.dataclass(frozen=True)
class Format:
    name: str  # As it is written in a sentence.
    takes: Callable[[int], bool]  # Whether its encoder has this sample rate, in Hz.
    accepts: str  # The sample rates, in words.
    settings: dict[str, Any] | None = None  # Of soundfile; None where Python writes it.


# ISO/IEC 11172-3 and 13818-3, and Fraunhofer's extension "MPEG-2.5".
_MP3_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_ANY = f"{MIN_SAMPLE_RATE_HZ} to {MAX_SAMPLE_RATE_HZ} Hz"
_SMALL = {"bitrate_mode": "VARIABLE", "compression_level": 0.2}  # About 190 kbit/s at 44.1 kHz.
FORMATS = {
    "wav": Format("WAV", lambda rate: True, _ANY),
    "flac": Format(
        "FLAC",
        lambda rate: rate <= 65535 or rate % 10 == 0,  # RFC 9639, section 7: the streamable subset.
        f"{MIN_SAMPLE_RATE_HZ} to 65535 Hz, and multiples of 10 above",
        {"format": "FLAC", "subtype": "PCM_16"},
    ),
    "ogg": Format("Ogg", lambda rate: True, _ANY, {"format": "OGG", "subtype": "VORBIS", "compression_level": 0.2}),
    "mp3": Format(
        "MP3",
        lambda rate: rate in _MP3_RATES_HZ,
        f"{', '.join(map(str, _MP3_RATES_HZ[:-1]))} or {_MP3_RATES_HZ[-1]} Hz",
        {"format": "MP3", "subtype": "MPEG_LAYER_III", **_SMALL},
    ),
}


def check(name: str, sample_rate_hz: int) -> None:
    """Makes sure, before long work starts, that sound can be written in a format at a sample rate.

    Raises:
        ValueError: there is no such format, or its encoder has not this rate; the message says which it has.
        OSError: soundfile is missing, or its libsndfile has not this format.
    """
    if name not in FORMATS:
        raise ValueError(f"--format={name}: sound is written as {', '.join(FORMATS)}")
    kind = FORMATS[name]
    if not kind.takes(sample_rate_hz):
        raise ValueError(
            f"--sample_rate={sample_rate_hz}: {kind.name} takes {kind.accepts}; choose one, or --format=wav"
        )
    if kind.settings is not None:
        try:
            _encode(np.zeros([4 * 1152, 2], np.float32), sample_rate_hz, kind.settings)
        except (library().SoundFileRuntimeError, ValueError) as error:
            version = library().__libsndfile_version__
            raise OSError(
                f"--format={name}: libsndfile {version} cannot write {kind.name}; use --format=wav"
            ) from error


def write(path: pathlib.Path, samples: np.ndarray, sample_rate_hz: int, name: str = "wav") -> None:
    """Writes a sound to a file, which appears whole or not at all.

    Args:
        path: Where; its folder is made when missing.
        samples: float32 `[samples, 2]` in [-1, 1].
        sample_rate_hz: Samples a second.
        name: The format, of `FORMATS`. WAV and FLAC have 16 bits.

    Raises:
        OSError: the file cannot be written, or soundfile is missing.
    """
    settings = FORMATS[name].settings
    with atomic.replacing(path) as partial:
        if settings is None:
            _write_wav(partial, samples, sample_rate_hz)
        else:
            partial.write_bytes(_encode(samples, sample_rate_hz, settings).getvalue())


@functools.cache
def library() -> types.ModuleType:
    """Returns soundfile.

    Raises:
        OSError: it is not installed, or finds no libsndfile.
    """
    try:
        import soundfile
    except ModuleNotFoundError as error:
        raise OSError("soundfile is not installed: pip install soundfile; or use --format=wav") from error
    except OSError as error:
        raise OSError(
            "libsndfile was not found: pip install --force-reinstall soundfile; or use --format=wav"
        ) from error
    return soundfile


def _write_wav(path: pathlib.Path, samples: np.ndarray, sample_rate_hz: int) -> None:
    with path.open("wb") as file, wave.open(file, "wb") as wav:
        wav.setnchannels(samples.shape[1])
        wav.setsampwidth(2)
        wav.setframerate(sample_rate_hz)
        wav.setnframes(len(samples))
        for chunk in _int16_chunks(samples):
            wav.writeframesraw(chunk.tobytes())


def _encode(samples: np.ndarray, sample_rate_hz: int, settings: dict[str, Any]) -> io.BytesIO:
    """Returns a file's bytes: to memory, because libsndfile says nothing where a disk is full as it closes a file."""
    encoded = io.BytesIO()
    with library().SoundFile(encoded, "w", sample_rate_hz, samples.shape[1], **settings) as file:
        # As WAV has them, rounded to 16 bits, or all that they are.
        is_exact = settings["subtype"] == "PCM_16"
        for chunk in _int16_chunks(samples) if is_exact else _chunks(samples):
            file.write(chunk)
    return encoded


def _int16_chunks(samples: np.ndarray) -> Iterator[np.ndarray]:
    for chunk in _chunks(samples):
        yield np.round(chunk * _INT16_MAX).astype("<i2")


def _chunks(samples: np.ndarray) -> Iterator[np.ndarray]:
    for first in range(0, len(samples), _CHUNK):
        yield samples[first : first + _CHUNK]
