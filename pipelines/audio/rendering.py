"""MIDI → WAV: one file, or a folder with several at once.

Each WAV is 16-bit stereo, begins with the MIDI's first tick and is as long as the MIDI plus its tail: the
time the last notes take to die away, 0.2 to 5 s. Its peak is always at -1 dBFS, whatever the velocities:
nothing clips, and files compare in loudness.
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import os
import pathlib
import tempfile
import wave
from collections.abc import Sequence

import numpy as np

from pipelines.audio import soundfont, synthesizer
from pipelines.files import atomic, midi_files, progress

PEAK = 10 ** (-1 / 20)  # -1 dBFS, of a full scale of 1.
SAMPLE_RATE_HZ = 44100
_INT16_MAX = 32767


@dataclasses.dataclass(frozen=True)
class Rendered:
    """A WAV that was written. `peak` and `rms` are of full scale, in [0, 1], over both channels."""

    midi_path: pathlib.Path
    wav_path: pathlib.Path
    duration_secs: float
    peak: float
    rms: float


@dataclasses.dataclass(frozen=True)
class Failed:
    """A MIDI that gave no WAV; `reason` is a line that names it."""

    midi_path: pathlib.Path
    reason: str


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
    with synthesizer.Synthesizer(chosen, SAMPLE_RATE_HZ):
        return chosen


def render(
    input_path: str | os.PathLike[str],
    output_dir: str | os.PathLike[str] | None = None,
    soundfont_path: str | os.PathLike[str] | None = None,
    sample_rate_hz: int = SAMPLE_RATE_HZ,
    num_workers: int | None = None,
) -> tuple[list[Rendered], list[Failed]]:
    """Renders a MIDI file, or every one in a folder and below, to WAV.

    Args:
        input_path: A MIDI file or a folder.
        output_dir: Where the WAVs go, in subfolders as in the input. None puts each beside its MIDI.
        soundfont_path: The soundfont to play. None takes the first in the usual places.
        sample_rate_hz: Samples a second, 8000 to 96000.
        num_workers: Files rendered at once. None is one for each core. The WAVs are the same for any number.

    Returns:
        What was written, and the MIDIs that could not be rendered, each in the order of their names.

    Raises:
        ValueError: the input has no MIDI, or an argument is not usable.
        OSError: the library or a soundfont is missing, or the output cannot be written.
    """
    synthesizer.check_sample_rate(sample_rate_hz)
    jobs = plan(input_path, output_dir)
    chosen = check(soundfont_path)
    for folder in sorted({wav_path.parent for _, wav_path in jobs}):
        _check_writable(folder)

    def job(paths: tuple[pathlib.Path, pathlib.Path]) -> Rendered | Failed:
        try:
            return render_file(*paths, chosen, sample_rate_hz)
        except ValueError as error:
            return Failed(paths[0], str(error))

    # Threads are enough: FluidSynth computes without Python's lock. The synthesizer held open keeps the
    # soundfont's samples in memory from one file to the next.
    pool = concurrent.futures.ThreadPoolExecutor(num_workers or os.cpu_count())
    with synthesizer.Synthesizer(chosen, sample_rate_hz):
        try:
            results = list(progress.track(pool.map(job, jobs), len(jobs), "WAVs"))
        finally:
            pool.shutdown(cancel_futures=True)
    return _only(results, Rendered), _only(results, Failed)


def render_file(
    midi_path: str | os.PathLike[str],
    wav_path: str | os.PathLike[str],
    soundfont_path: str | os.PathLike[str],
    sample_rate_hz: int = SAMPLE_RATE_HZ,
) -> Rendered:
    """Renders one MIDI to one 16-bit stereo WAV with its peak at -1 dBFS; it appears whole or not at all.

    Raises:
        ValueError: the MIDI cannot be read, has no notes, is too long, or is silent with this soundfont.
        OSError: libfluidsynth is missing, or the WAV cannot be written.
    """
    samples = synthesizer.synthesize(midi_path, soundfont_path, sample_rate_hz)
    samples *= PEAK / np.abs(samples).max()
    write_wav(wav_path, samples, sample_rate_hz)
    return Rendered(
        midi_path=pathlib.Path(midi_path),
        wav_path=pathlib.Path(wav_path),
        duration_secs=len(samples) / sample_rate_hz,
        peak=float(np.abs(samples).max()),
        rms=float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))),
    )


def write_wav(path: str | os.PathLike[str], samples: np.ndarray, sample_rate_hz: int) -> None:
    """Writes `samples`, float `[samples, channels]` in [-1, 1], as 16-bit PCM."""
    with atomic.replacing(path) as partial, partial.open("wb") as file, wave.open(file, "wb") as wav:
        wav.setnchannels(samples.shape[1])
        wav.setsampwidth(2)
        wav.setframerate(sample_rate_hz)
        wav.writeframes(np.round(samples * _INT16_MAX).astype("<i2").tobytes())


def plan(
    input_path: str | os.PathLike[str], output_dir: str | os.PathLike[str] | None = None
) -> list[tuple[pathlib.Path, pathlib.Path]]:
    """Returns each MIDI of `input_path` and the WAV it becomes.

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
    return jobs


def _check_writable(folder: pathlib.Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except FileExistsError as error:
        raise OSError(f"{folder}: this is a file, and WAVs need a folder; choose another --output_dir") from error
    except OSError as error:
        raise OSError(f"{folder}: cannot write here ({error.strerror}); choose another --output_dir") from error


def _only(results: Sequence[Rendered | Failed], kind: type) -> list:
    return [result for result in results if isinstance(result, kind)]
