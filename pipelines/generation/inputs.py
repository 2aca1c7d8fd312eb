"""What `--input` names: MIDI files with drums, rhythms to be made a kit, recordings of tapping."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator, Sequence

import mido
import numpy as np

from grooves import channels, drums, timing, transforms
from grooves.channels import DrumChannel
from grooves.groove import Groove
from grooves.timing import STEPS_PER_BAR
from pipelines.files import midi_files
from pipelines.generation import selection, song
from pipelines.generation.song import Notes, Song

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
TAP_PITCH = 37  # General MIDI's side stick, which taps are heard on.
MAX_BARS_OF_TAPS = 1000
_TAPS = drums.DrumMap.of("taps", dict.fromkeys(range(drums.NUM_PITCHES), transforms.TAP_CLASS))


@dataclasses.dataclass(frozen=True, eq=False)
class Reading:
    """How inputs are read.

    Attributes:
        start_bar: The first bar that is taken, from 1; None begins where the drums do.
        num_bars: How many bars; None takes all.
        drum_channel: As `song.read` takes it; None is channel 10 for drums, and all channels for rhythms.
        drum_map: How pitches are read; None finds out.
        qpm: The tempo, in place of the file's; of a recording, in place of an estimate.
    """

    start_bar: int | None = None
    num_bars: int | None = None
    drum_channel: DrumChannel | None = None
    drum_map: drums.DrumMap | None = None
    qpm: float | None = None

    def drums(self, path: pathlib.Path, from_the_first_bar: bool = False) -> Song:
        """Returns the bars of drums that are asked for.

        Args:
            path: A MIDI file.
            from_the_first_bar: Where no `start_bar` is given, empty bars at the beginning are kept.

        Raises:
            OSError: there is no such file.
            ValueError: it has no such bars of drums; why.
        """
        whole = song.read(path, self.drum_channel or channels.PERCUSSION, self.drum_map)
        return self._chosen(path, whole, 1 if from_the_first_bar and self.start_bar is None else self.start_bar)

    def rhythm(self, path: pathlib.Path) -> tuple[Song, str]:
        """Returns a rhythm of MIDI or of a recording as taps on one drum, and what was found out about it.

        Notes that begin at once, as a chord's, are one tap, as loud as the loudest.

        Raises:
            OSError: there is no such file, or what reads it is missing.
            ValueError: it cannot be read, or has no rhythm in it; why.
        """
        if path.suffix.lower() in AUDIO_SUFFIXES:
            return self._recording(path)
        taps = song.read(path, self.drum_channel or channels.ALL, _TAPS)
        notes = _one_at_a_time(taps.notes)
        notes = dataclasses.replace(notes, pitches=np.full(len(notes), TAP_PITCH))
        classes = taps.classes[: len(notes)]
        taps = dataclasses.replace(
            taps, notes=notes, classes=classes, drum_channel=self.drum_channel or channels.PERCUSSION
        )
        return self._chosen(path, taps, self.start_bar), ""

    def _recording(self, path: pathlib.Path) -> tuple[Song, str]:
        from pipelines.audio import taps as recordings  # librosa takes seconds to import.

        heard = recordings.read(path, self.qpm)
        quarters = heard.start_secs * heard.qpm / 60
        velocities = np.clip(np.round(heard.velocities * 127), 1, 127).astype(np.int64)
        notes = Notes(quarters, np.full(len(quarters), 0.25), np.full(len(quarters), TAP_PITCH), velocities)
        classes = np.full(len(quarters), transforms.TAP_CLASS, np.int8)
        num_bars = timing.bar_after(notes.steps.max()) // STEPS_PER_BAR
        if num_bars > MAX_BARS_OF_TAPS:
            raise ValueError(f"{path}: {num_bars} bars of taps; {MAX_BARS_OF_TAPS} at most are taken")
        taps = Song(path.stem, notes, classes, ((0.0, heard.qpm),), num_bars, mido.MidiFile())
        how = f"found; if that is not it, say --qpm={heard.pulse.other_qpm:.0f}" if heard.is_estimated else "as given"
        return self._chosen(path, taps, self.start_bar), f"{len(notes)} taps at {heard.qpm:.1f} qpm, {how}"

    def _chosen(self, path: pathlib.Path, whole: Song, start_bar: int | None) -> Song:
        try:
            chosen = selection.choose(whole, start_bar, self.num_bars)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        return chosen if self.qpm is None else dataclasses.replace(chosen, tempos=((0.0, self.qpm),))


def _one_at_a_time(notes: Notes) -> Notes:
    """Returns of the notes that begin at once the loudest."""
    loudest_first = notes.taken(np.lexsort((-notes.velocities, notes.quarters)))
    _, firsts = np.unique(loudest_first.quarters, return_index=True)
    return loudest_first.taken(firsts)


def files(paths: Sequence[str], with_audio: bool = False, without: pathlib.Path | None = None) -> list[pathlib.Path]:
    """Returns the files that are named, those of folders and all folders below included.

    Args:
        paths: Files and folders.
        with_audio: Whether recordings count, too.
        without: A folder, as that of outputs, whose files do not count where a folder around it is named.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: a file is of no kind that is read, or a folder has none, or is `without` itself.
    """
    suffixes = (*midi_files.SUFFIXES, *(AUDIO_SUFFIXES if with_audio else ()))
    kinds = f"{'MIDI files and recordings' if with_audio else 'MIDI files'} ({', '.join(suffixes)})"
    found: list[pathlib.Path] = []
    for path in (pathlib.Path(named).expanduser() for named in paths):
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in suffixes and p.is_file())
            inside = [p for p in inside if not any(midi_files.is_hidden(part) for part in p.relative_to(path).parts)]
            if without:
                inside = _outside(without, path, inside)
            if not inside:
                raise ValueError(f"{path}: this folder has no {kinds}, nor have its subfolders")
            found += inside
        elif not path.is_file():
            raise FileNotFoundError(f"{path}: no such file or folder")
        elif path.suffix.lower() not in suffixes:
            raise ValueError(f"{path}: not of a kind that is read here: {kinds}")
        else:
            found.append(path)
    return found


def _outside(outputs: pathlib.Path, folder: pathlib.Path, inside: list[pathlib.Path]) -> list[pathlib.Path]:
    if outputs.resolve() == folder.resolve():
        raise ValueError(f"{folder}: what is written there would be an input next time; give another --output_dir")
    return [path for path in inside if not path.resolve().is_relative_to(outputs.resolve())]


def windows_of(paths: Sequence[pathlib.Path], num_bars: int) -> Groove:
    """Returns all windows of so many bars, a bar after each other, of MIDI files, `[n, steps, 9]`.

    Files without drums in 4/4, or shorter than a window, are passed over.

    Raises:
        ValueError: none has any.
    """
    cut = [window for path in paths for window in _windows(path, num_bars)]
    if not cut:
        raise ValueError(f"no {num_bars} bars of drums in 4/4 in {len(paths)} MIDI files")
    return Groove.split(np.stack(cut))


def _windows(path: pathlib.Path, num_bars: int) -> Iterator[np.ndarray]:
    try:
        steps = song.read(path).groove().join()
    except ValueError:
        return
    for start in range(0, len(steps) - num_bars * STEPS_PER_BAR + 1, STEPS_PER_BAR):
        window = steps[start : start + num_bars * STEPS_PER_BAR]
        if window.any():
            yield window
