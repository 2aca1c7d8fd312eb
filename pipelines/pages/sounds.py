"""Sounds as scripts, for a page that is opened from the disk.

Such a page may neither fetch a WAV nor look into one that it plays, but it may load scripts. So there is a script for
each WAV that is to be looped: `addSound("…")` with the same samples as FLAC, which every browser decodes, as base64.
"""

from __future__ import annotations

import base64
import dataclasses
import io
import math
import pathlib
from collections.abc import Collection

import numpy as np
import soundfile

from pipelines.files import atomic

FOLDER_NAME = "sounds"
_BEGIN, _END = 'addSound("', '");\n'
_MAX_CHANNELS, _MAX_RATE_HZ = 8, 655_350
_UP_TO_16_BITS = ("PCM_16", "PCM_U8", "ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM")


@dataclasses.dataclass(frozen=True)
class Sound:
    """Samples `[frames, channels]`, in [-1, 1), of so many bits each."""

    samples: np.ndarray
    rate_hz: int
    num_bits: int  # 16 or 24, the two that FLAC holds: the fewest that keep the WAV's.


def read(wav_path: pathlib.Path) -> Sound | None:
    """Reads a WAV; None where there is none, where it is something else, nothing, or more than FLAC can hold."""
    try:
        with wav_path.open("rb") as opened, soundfile.SoundFile(opened) as file:
            if not file.frames or file.channels > _MAX_CHANNELS or file.samplerate > _MAX_RATE_HZ:
                return None
            return Sound(file.read(always_2d=True), file.samplerate, 16 if file.subtype in _UP_TO_16_BITS else 24)
    except (soundfile.LibsndfileError, OSError):
        return None


def describe(sound: Sound) -> dict[str, str]:
    """Returns a sound's length and peak."""
    peak = np.abs(sound.samples).max()
    level = f"{20 * math.log10(peak):.1f} dBFS" if peak else "silent"
    return {"sound": f"{len(sound.samples) / sound.rate_hz:.1f} s", "peak": level}


def write_script(script_path: pathlib.Path, sound: Sound) -> None:
    """Writes a sound as a script, whole or not at all; the same sound gives the same bytes.

    Raises:
        OSError: it cannot be written.
    """
    flac = io.BytesIO()
    soundfile.write(flac, sound.samples, sound.rate_hz, format="FLAC", subtype=f"PCM_{sound.num_bits}")
    atomic.write_text(script_path, f"{_BEGIN}{base64.b64encode(flac.getvalue()).decode()}{_END}")


def tidy(folder: pathlib.Path, needed: Collection[pathlib.Path]) -> None:
    """Removes the scripts in a folder and below whose sounds are gone, and folders that are empty then.

    Raises:
        OSError: one cannot be removed.
    """
    for path in sorted(folder.rglob("*"), reverse=True):  # What is in a folder comes before it.
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.suffix == ".js" and path not in needed and _is_ours(path):
            path.unlink()


def _is_ours(path: pathlib.Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_BEGIN)) == _BEGIN.encode()
