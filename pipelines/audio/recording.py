"""A recording → samples: read, mixed down and checked, whatever its format, sample rate and length."""

from __future__ import annotations

import os
import pathlib
from typing import TYPE_CHECKING, NoReturn

import numpy as np

if TYPE_CHECKING:
    import soundfile

SAMPLE_RATE_HZ = 22050  # What is read comes at this rate: all that tells one tap from the next is below 11 kHz.
MAX_SECS = 600
MIN_SAMPLE_RATE_HZ = 4000
MAX_SAMPLE_RATE_HZ = 384000
MIN_PEAK_DBFS = -60.0  # A microphone's own noise; the quietest tap that anybody records is far above.
MAX_PEAK = 2.0**31  # Integers of 32 bits that were written as floats; what is beyond is no sound.
FORMATS = "WAV, FLAC, OGG and MP3"
HOW_TO_CONVERT = "  make a WAV of other files with: ffmpeg -i TAPS.m4a TAPS.wav"

_BLOCK_VALUES = 1 << 20  # Read at once, of all channels together.
_UNKNOWN_FRAMES = 1 << 62  # libsndfile gives more than this as the length of what says none.


def read(path: str | os.PathLike[str]) -> np.ndarray:
    """Reads a recording, as far as libsndfile knows its format: WAV, FLAC, OGG, MP3 and more.

    The channels are mixed down, a constant offset is taken out. Nothing is read of one that is too long by its header.

    Returns:
        float32 `[samples]` at `SAMPLE_RATE_HZ`, as loud as recorded: 1 is full scale.

    Raises:
        FileNotFoundError, IsADirectoryError: there is no such file.
        ValueError: it is not audio, damaged, too long, silent, or has numbers that are no sound.
    """
    import soundfile

    path = pathlib.Path(path).expanduser()
    _check_file(path)
    with _opened(path) as file:
        sample_rate_hz = file.samplerate
        _check_header(path, file)
        try:
            mono = _mix_down(path, file)
        except soundfile.LibsndfileError as error:
            raise ValueError(
                f"{path}: is damaged ({_reason(error)}); copy it again from where it was recorded, or record it again"
            ) from error
    _check_level(path, mono)
    if sample_rate_hz == SAMPLE_RATE_HZ:
        return mono
    import librosa

    return librosa.resample(mono, orig_sr=sample_rate_hz, target_sr=SAMPLE_RATE_HZ)


def peak_dbfs(samples: np.ndarray) -> float:
    """Returns how loud the loudest of `samples` is in dBFS; -inf for digital silence."""
    peak = float(np.abs(samples).max(initial=0.0))
    return float(20 * np.log10(peak)) if peak else -np.inf


def _check_file(path: pathlib.Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(f"{path}: this is a folder; name one recording in it")
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file; a recording is needed: {FORMATS}")
    if not path.stat().st_size:
        raise ValueError(f"{path}: this file is empty; copy it again from where it was recorded")


def _opened(path: pathlib.Path) -> soundfile.SoundFile:
    import soundfile

    try:
        return soundfile.SoundFile(os.fsencode(path))
    except soundfile.LibsndfileError as error:
        raise ValueError(
            f"{path}: cannot be read as audio ({_reason(error)}); {FORMATS} are read\n{HOW_TO_CONVERT}"
        ) from error


def _reason(error: soundfile.LibsndfileError) -> str:
    return error.error_string.removeprefix("Error : ").strip().rstrip(".")


def _check_header(path: pathlib.Path, file: soundfile.SoundFile) -> None:
    if not MIN_SAMPLE_RATE_HZ <= file.samplerate <= MAX_SAMPLE_RATE_HZ:
        raise ValueError(
            f"{path}: has a sample rate of {file.samplerate} Hz, which no recording has"
            f" ({MIN_SAMPLE_RATE_HZ} to {MAX_SAMPLE_RATE_HZ} are read); export it again, at 44100 Hz"
        )
    if file.frames >= _UNKNOWN_FRAMES:
        raise ValueError(f"{path}: does not say how long it is, as a recording that was cut off\n{HOW_TO_CONVERT}")
    if file.frames > MAX_SECS * file.samplerate:
        _refuse_length(path, f"lasts {file.frames / file.samplerate / 60:.1f} minutes")


def _refuse_length(path: pathlib.Path, lasts: str) -> NoReturn:
    raise ValueError(f"{path}: {lasts}, and {MAX_SECS // 60} at most are read; cut out the part with the taps")


def _mix_down(path: pathlib.Path, file: soundfile.SoundFile) -> np.ndarray:
    """Returns float32 `[samples]`, the mean of the channels at the file's own rate less what is constant in it."""
    blocks = [np.zeros(0, np.float32)]
    num_left = MAX_SECS * file.samplerate
    while len(block := file.read(max(1, _BLOCK_VALUES // file.channels), dtype="float32", always_2d=True)):
        peak = float(np.abs(block).max())
        if not peak <= MAX_PEAK:  # Nor is NaN.
            value = f"a sample of {peak:.0e} times full scale" if np.isfinite(peak) else "samples that are no numbers"
            raise ValueError(f"{path}: has {value}, so it is damaged; export it again, as a WAV of 16 bits")
        num_left -= len(block)
        if num_left < 0:  # The header told less.
            _refuse_length(path, f"lasts more than {MAX_SECS // 60} minutes")
        blocks.append(block.mean(axis=1))
    mono = np.concatenate(blocks)
    if len(mono):
        mono -= mono.mean(dtype=np.float64)
    return mono


def _check_level(path: pathlib.Path, mono: np.ndarray) -> None:
    loudest = peak_dbfs(mono)
    if loudest >= MIN_PEAK_DBFS:
        return
    heard = f"the loudest sound is at {loudest:.0f} dBFS" if loudest > -np.inf else "there is no sound in it at all"
    raise ValueError(
        f"{path}: silent ({heard}, and {MIN_PEAK_DBFS:.0f} dBFS at least is needed);"
        " choose the right microphone, turn it up, and record again"
    )
