"""MIDI → WAV: one file, or a folder with several at once."""

from __future__ import annotations

import collections
import concurrent.futures
import os
import pathlib
import tempfile
import wave
from collections.abc import Sequence

import numpy as np

from pipelines.audio import soundfont, synthesizer
from pipelines.files import atomic, midi_files, progress

PEAK_DBFS = -1.0
PEAK = 10 ** (PEAK_DBFS / 20)  # Of a full scale of 1.
_INT16_MAX = 32767


def check(soundfont_path: str | os.PathLike[str] | None = None) -> pathlib.Path:
    """Makes sure, before long work starts, that MIDI can be rendered; returns the soundfont that will play.

    Args:
        soundfont_path: The soundfont to play. None takes the first in the usual places (`soundfont.find`).

    Raises:
        OSError: libfluidsynth, pyfluidsynth or any soundfont is missing; the message says what to install.
        ValueError: the named soundfont is missing or cannot be loaded.
    """
    reads_sf3 = synthesizer.library_version() >= (2,)
    chosen = soundfont.find(soundfont_path, soundfont.SUFFIXES if reads_sf3 else (".sf2",))
    with synthesizer.Synthesizer(chosen, synthesizer.SAMPLE_RATE_HZ):
        return chosen


def plan(
    input_path: str | os.PathLike[str], output_dir: str | os.PathLike[str] | None = None, only_new: bool = False
) -> list[tuple[pathlib.Path, pathlib.Path]]:
    """Returns each MIDI of a file or folder, and the WAV that it becomes.

    Args:
        input_path: A MIDI file or a folder.
        output_dir: Where the WAVs go, in subfolders as in the input. None puts each beside its MIDI.
        only_new: Leaves out what has a WAV that is younger than its MIDI, whatever soundfont that was played with.

    Raises:
        ValueError: there is no MIDI, or two would become the same WAV.
    """
    input_path = pathlib.Path(input_path)
    root = input_path if input_path.is_dir() else input_path.parent
    target = root if output_dir is None else pathlib.Path(output_dir)
    jobs = [(path, target / path.relative_to(root).with_suffix(".wav")) for path in midi_files.find(input_path)]
    by_wav = collections.defaultdict(list)
    for midi_path, wav_path in jobs:
        by_wav[wav_path].append(midi_path.name)
    for wav_path, names in by_wav.items():
        if len(names) > 1:
            raise ValueError(f"{' and '.join(names)} would both become {wav_path}; rename one of them")
    return [paths for paths in jobs if not (only_new and _is_current(*paths))]


def render(
    jobs: Sequence[tuple[pathlib.Path, pathlib.Path]],
    soundfont_path: pathlib.Path,
    sample_rate_hz: int = synthesizer.SAMPLE_RATE_HZ,
    num_workers: int | None = None,
) -> tuple[dict[pathlib.Path, float], list[str]]:
    """Renders MIDI files to WAVs, several at once.

    Args:
        jobs: Each MIDI and its WAV, as from `plan`.
        soundfont_path: The soundfont to play, as from `check`.
        sample_rate_hz: Samples a second, 8000 to 96000.
        num_workers: Files rendered at once. None is one for each core. The WAVs are the same for any number.

    Returns:
        The WAVs that were written with their lengths in seconds, and why each other MIDI was not, both in the order
        of `jobs`.

    Raises:
        OSError: the library is missing, or the output cannot be written.
    """
    rendered, reasons = {}, []
    # Threads are enough: FluidSynth computes without Python's lock. The synthesizer held open keeps the
    # soundfont's samples in memory from one file to the next.
    pool = concurrent.futures.ThreadPoolExecutor(num_workers or os.cpu_count())
    with synthesizer.Synthesizer(soundfont_path, sample_rate_hz):
        for folder in sorted({wav_path.parent for _, wav_path in jobs}):
            _check_writable(folder)
        try:
            futures = [pool.submit(render_file, *paths, soundfont_path, sample_rate_hz) for paths in jobs]
            for (_, wav_path), future in progress.track(zip(jobs, futures, strict=True), len(jobs), "WAVs"):
                try:
                    rendered[wav_path] = future.result()
                except ValueError as error:
                    reasons.append(str(error))
        finally:
            pool.shutdown(cancel_futures=True)
    return rendered, reasons


def render_file(
    midi_path: pathlib.Path,
    wav_path: pathlib.Path,
    soundfont_path: pathlib.Path,
    sample_rate_hz: int = synthesizer.SAMPLE_RATE_HZ,
) -> float:
    """Renders one MIDI to one WAV, which appears whole or not at all; returns its length in seconds.

    Raises:
        ValueError: the MIDI cannot be read, has no notes, is too long, or is silent with this soundfont.
        OSError: libfluidsynth is missing, or the WAV cannot be written.
    """
    samples = synthesizer.synthesize(midi_path, soundfont_path, sample_rate_hz)
    samples *= PEAK / np.abs(samples).max()
    with atomic.replacing(wav_path) as partial, partial.open("wb") as file, wave.open(file, "wb") as wav:
        wav.setnchannels(samples.shape[1])
        wav.setsampwidth(2)
        wav.setframerate(sample_rate_hz)
        wav.writeframes(np.round(samples * _INT16_MAX).astype("<i2").tobytes())
    return len(samples) / sample_rate_hz


def _is_current(midi_path: pathlib.Path, wav_path: pathlib.Path) -> bool:
    return wav_path.is_file() and wav_path.stat().st_mtime_ns >= midi_path.stat().st_mtime_ns


def _check_writable(folder: pathlib.Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except FileExistsError as error:
        raise OSError(f"{folder}: this is a file, and WAVs need a folder; choose another --output_dir") from error
    except OSError as error:
        raise OSError(f"{folder}: cannot write here ({error.strerror}); choose another --output_dir") from error
