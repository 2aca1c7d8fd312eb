"""MIDI → sound files, evened in loudness: one file, or a folder with several at once."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import os
import pathlib
import tempfile
import threading
from collections.abc import Sequence

from pipelines.audio import clicks, libfluidsynth, loudness, playing, score, sound_files, soundfont, synthesizer
from pipelines.audio.shelf import Shelf
from pipelines.files import midi_files, progress

Jobs = Sequence[tuple[pathlib.Path, pathlib.Path]]


@dataclasses.dataclass(frozen=True)
class Options:
    """How MIDI files are rendered."""

    format: str = "wav"  # A key of `sound_files.FORMATS`.
    sample_rate_hz: int = synthesizer.SAMPLE_RATE_HZ
    loudness_lufs: float = loudness.LUFS
    loop: bool = False  # The sound ends with the last bar, and can be repeated without a gap.
    count_in: bool = False  # A bar of sticks comes first.
    click: bool = False  # A metronome plays along.

    def check(self) -> None:
        """Makes sure that all of it can be done, before long work starts.

        Raises:
            ValueError: something is out of its range, or two of them exclude each other; names the flags.
            OSError: a library is missing.
        """
        synthesizer.check_sample_rate(self.sample_rate_hz)
        sound_files.check(self.format, self.sample_rate_hz)
        if not loudness.MIN_LUFS <= self.loudness_lufs <= loudness.MAX_LUFS:
            raise ValueError(
                f"--loudness={self.loudness_lufs:g}: {loudness.MIN_LUFS:g} to {loudness.MAX_LUFS:g} LUFS;"
                f" {loudness.LUFS:g} is usual"
            )
        if self.loop and self.count_in:
            raise ValueError("--loop and --count_in: a loop has no beginning to count in; leave out one of them")
        loudness.check()


@dataclasses.dataclass(frozen=True)
class Rendered:
    """What is known of a sound file that was written."""

    secs: float
    lufs: float
    peak_dbfs: float
    is_held: bool  # Softer than was asked for, because its peaks are at `loudness.CEILING_DBFS`.


def check(soundfont_path: str | os.PathLike[str] | None = None, options: Options | None = None) -> pathlib.Path:
    """Makes sure, before long work starts, that MIDI can be rendered; returns the soundfont that will play.

    Args:
        soundfont_path: The soundfont to play. None takes the first in the usual places (`soundfont.find`).
        options: How; None is as usual.

    Raises:
        OSError: libfluidsynth, pyfluidsynth, another library or any soundfont is missing; the message says what to
            install.
        ValueError: the named soundfont is missing or cannot be loaded, or the options cannot be met.
    """
    options = options or Options()
    options.check()
    reads_sf3 = libfluidsynth.version() >= (2,)
    chosen = soundfont.find(soundfont_path, soundfont.SUFFIXES if reads_sf3 else (".sf2",))
    with synthesizer.Synthesizer(chosen, synthesizer.SAMPLE_RATE_HZ):
        pass
    if options.count_in or options.click:
        clicks.check(chosen)
    return chosen


def plan(
    input_path: str | os.PathLike[str],
    output_dir: str | os.PathLike[str] | None = None,
    only_new: bool = False,
    format: str = "wav",
) -> list[tuple[pathlib.Path, pathlib.Path]]:
    """Returns each MIDI of a file or folder, and the sound file that it becomes.

    Args:
        input_path: A MIDI file or a folder.
        output_dir: Where the sound files go, in subfolders as in the input. None puts each beside its MIDI.
        only_new: Leaves out what has a sound file of this format that is younger than its MIDI, whatever soundfont and
            options that was rendered with.
        format: A key of `sound_files.FORMATS`; the sound files end in it.

    Raises:
        ValueError: there is no MIDI, or two would become the same sound file.
    """
    input_path = pathlib.Path(input_path)
    root = input_path if input_path.is_dir() else input_path.parent
    target = root if output_dir is None else pathlib.Path(output_dir)
    jobs = [(path, target / path.relative_to(root).with_suffix(f".{format}")) for path in midi_files.find(input_path)]
    by_sound = collections.defaultdict(list)
    for midi_path, sound_path in jobs:
        by_sound[sound_path].append(midi_path.name)
    for sound_path, names in by_sound.items():
        if len(names) > 1:
            raise ValueError(f"{' and '.join(names)} would both become {sound_path}; rename one of them")
    return [paths for paths in jobs if not (only_new and _is_current(*paths))]


def render(
    jobs: Jobs, soundfont_path: pathlib.Path, options: Options | None = None, num_workers: int | None = None
) -> tuple[dict[pathlib.Path, Rendered], list[str]]:
    """Renders MIDI files to sound files, several at once. No more than these are in memory.

    Args:
        jobs: Each MIDI and its sound file, as from `plan`.
        soundfont_path: The soundfont to play, as from `check`.
        options: How; None is as usual.
        num_workers: Files rendered at once. None is one for each core. The files are the same for any number.

    Returns:
        The files that were written with what they are like, and why each other MIDI was not rendered, both in the order
        of `jobs`.

    Raises:
        OSError: a library is missing, or the output cannot be written.
        ValueError: the options cannot be met, or the soundfont cannot be loaded.
    """
    options = options or Options()
    options.check()
    rendered, reasons = {}, []
    # Threads are enough: FluidSynth computes without Python's lock. The synthesizer held open keeps the
    # samples of a compressed soundfont in memory from one file to the next, as the shelf does any other.
    pool = concurrent.futures.ThreadPoolExecutor(num_workers or _num_cores())
    stopped = threading.Event()
    with Shelf() as shelf, synthesizer.Synthesizer(soundfont_path, options.sample_rate_hz, (score.DRUM_CHANNEL,)):
        for folder in sorted({sound_path.parent for _, sound_path in jobs}):
            _check_writable(folder)
        try:
            if jobs:
                pool.submit(loudness.library)  # Its import takes most of a second; meanwhile, others play.
            futures = [pool.submit(render_file, *paths, soundfont_path, options, stopped, shelf) for paths in jobs]
            for (_, sound_path), future in progress.track(zip(jobs, futures, strict=True), len(jobs), "sound files"):
                try:
                    rendered[sound_path] = future.result()
                except ValueError as error:
                    reasons.append(str(error))
        finally:
            stopped.set()
            pool.shutdown(cancel_futures=True)
    return rendered, reasons


def render_file(
    midi_path: pathlib.Path,
    sound_path: pathlib.Path,
    soundfont_path: pathlib.Path,
    options: Options | None = None,
    stopped: threading.Event | None = None,
    shelf: Shelf | None = None,
) -> Rendered:
    """Renders one MIDI to one sound file, which appears whole or not at all.

    Args:
        midi_path: The MIDI file.
        sound_path: The sound file; its name may end in anything.
        soundfont_path: The soundfont to play.
        options: How; None is as usual. They are taken to be checked.
        stopped: Where it is set, rendering ends with a `concurrent.futures.CancelledError`.
        shelf: Where the soundfont is taken from, if it lies there, and put afterwards.

    Raises:
        ValueError: the MIDI cannot be read, has no notes, is too long, too fast or too short for the options, or is
            silent with this soundfont.
        OSError: a library is missing, or the file cannot be written.
    """
    options = options or Options()
    read = score.read(midi_path)
    clicked = clicks.of_score(read, soundfont_path, count_in=options.count_in, metronome=options.click)
    samples = playing.play(
        read, soundfont_path, options.sample_rate_hz, clicks=clicked, loop=options.loop, stopped=stopped, shelf=shelf
    )
    level = loudness.even(samples, options.sample_rate_hz, options.loudness_lufs)
    sound_files.write(sound_path, samples, options.sample_rate_hz, options.format)
    secs = len(samples) / options.sample_rate_hz
    is_held = level.lufs < options.loudness_lufs - loudness.SHORT_LU
    return Rendered(secs, level.lufs, level.peak_dbfs, is_held)


def _num_cores() -> int:
    """Returns how many cores this process may use, which `taskset` or a container may have limited."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _is_current(midi_path: pathlib.Path, sound_path: pathlib.Path) -> bool:
    return sound_path.is_file() and sound_path.stat().st_mtime_ns >= midi_path.stat().st_mtime_ns


def _check_writable(folder: pathlib.Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except FileExistsError as error:
        raise OSError(f"{folder}: this is a file, and sound needs a folder; choose another --output_dir") from error
    except OSError as error:
        raise OSError(f"{folder}: cannot write here ({error.strerror}); choose another --output_dir") from error
