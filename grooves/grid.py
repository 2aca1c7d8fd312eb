"""Performances on the grid: sixteenths by nine drums, 512 tokens, and the windows that a model sees.

The same windows as Magenta's `DrumsConverter` makes, from arrays instead of one object a note and step.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from grooves import drums
from grooves.drums import STEPS_PER_BAR, STEPS_PER_QUARTER

if TYPE_CHECKING:
    from note_seq import NoteSequence

BARS = 4
STEPS = BARS * STEPS_PER_BAR
NUM_CLASSES = len(drums.CLASS_NAMES)
NUM_TOKENS = 2**NUM_CLASSES
GAP_STEPS = STEPS_PER_BAR  # So many sixteenths without a hit end a drum track, as `DrumsConverter`'s gap_bars=1 says.
_ROUND = 0.5  # note_seq.sequences_lib.QUANTIZE_CUTOFF: to the nearest sixteenth, halves up.
MAX_STEPS = 10_000_000  # A hundred days at 120 qpm: a time that no performance has, and no array should.


@dataclasses.dataclass(frozen=True)
class Facts:
    """What the report of a conversion counts of one performance.

    Attributes:
        drum_map: "roland" or "gm".
        style: As info.csv has it, for instance "funk/groove1"; empty where unknown.
        bpm: Quarters a minute at the beginning.
        metres: As they come, each once.
        num_hits: Drum notes.
        unmapped: Pitch → hits that are in no class.
        onsets: `[16, 9]` uint32, cells with a hit by sixteenth of the bar and class, after quantization.
        num_steps: Sixteenths until the end of the last bar with a hit.
        tokens: `[k]` uint16, those of the 512 that occur in windows, sorted.
        grid_digest: Eight bytes; the same for two performances with the same hits on the grid.
        window_digests: `[num_windows]` uint64, one for each window.
    """

    drum_map: str
    style: str
    bpm: float
    metres: tuple[str, ...]
    num_hits: int
    unmapped: Mapping[int, int]
    onsets: np.ndarray
    num_steps: int
    tokens: np.ndarray
    grid_digest: bytes
    window_digests: np.ndarray


def describe(sequence: NoteSequence, drum_map: str, style: str, stride_bars: int) -> Facts:
    """Returns what there is to count in a performance; `stride_bars` as in `windows`."""
    pitches = drums.drum_pitches(sequence)
    classes = drums.CLASS_BY_PITCH[drum_map]
    unmapped = Counter(pitch for pitch in pitches if not 0 <= pitch < 128 or classes[pitch] < 0)
    onsets = np.zeros([STEPS_PER_BAR, NUM_CLASSES], np.uint32)
    grid, cut = hashlib.blake2b(digest_size=8), []
    num_steps = 0
    for section in sections(sequence, drum_map):
        np.add.at(onsets, section.steps % STEPS_PER_BAR, section.hits())
        grid.update(section.steps.tobytes() + section.tokens.tobytes())
        num_steps += section.num_steps
        cut.append(section.windows(stride_bars))
    joined = np.concatenate(cut) if cut else np.zeros([0, STEPS], np.uint16)
    return Facts(
        drum_map=drum_map,
        style=style,
        bpm=qpm_of(sequence),
        metres=drums.metres(sequence),
        num_hits=len(pitches),
        unmapped=dict(unmapped),
        onsets=onsets,
        num_steps=num_steps,
        tokens=np.unique(joined),
        grid_digest=grid.digest(),
        window_digests=np.array([_digest(window) for window in joined], np.uint64),
    )


def windows(sequence: NoteSequence, drum_map: str, stride_bars: int = 1) -> np.ndarray:
    """Cuts the unique four-bar windows of drums out of a performance.

    Args:
        sequence: The performance. It is cut at changes of tempo and metre, and where a bar's length has no hit.
        drum_map: How its pitches are read, "roland" or "gm".
        stride_bars: From the start of one window to the start of the next.

    Returns:
        `[n, 64]` uint16 tokens in order of time: bit i is set where class i is hit.
    """
    cut = [section.windows(stride_bars) for section in sections(sequence, drum_map)]
    return np.concatenate(cut) if cut else np.zeros([0, STEPS], np.uint16)


@dataclasses.dataclass(frozen=True)
class Section:
    """Hits at one tempo in a metre of sixteen sixteenths.

    Attributes:
        steps: `[n]` int64, sixteenths with a hit, counted from the section's start, rising.
        tokens: `[n]` uint16, what is hit there.
    """

    steps: np.ndarray
    tokens: np.ndarray

    @property
    def num_steps(self) -> int:
        """Sixteenths until the end of the last bar with a hit."""
        return _bar_after(self.steps[-1]) if len(self.steps) else 0

    def hits(self) -> np.ndarray:
        """Returns `[n, 9]` uint32: 1 where a class is hit."""
        return (self.tokens[:, np.newaxis] >> np.arange(NUM_CLASSES, dtype=np.uint16) & 1).astype(np.uint32)

    def tracks(self) -> Iterator[np.ndarray]:
        """Yields the tokens `[whole bars]` uint16 from the first bar with a hit to the last one before a gap."""
        ends = np.flatnonzero(np.diff(self.steps) > GAP_STEPS) + 1
        for first, last in zip([0, *ends], [*ends, len(self.steps)], strict=True):
            steps = self.steps[first:last]
            start = steps[0] // STEPS_PER_BAR * STEPS_PER_BAR
            track = np.zeros(_bar_after(steps[-1]) - start, np.uint16)
            track[steps - start] = self.tokens[first:last]
            yield track

    def windows(self, stride_bars: int) -> np.ndarray:
        """Returns the section's unique windows, as `windows` does."""
        if not len(self.steps):
            return np.zeros([0, STEPS], np.uint16)
        unique = {}
        for track in self.tracks():
            for start in range(0, len(track) - STEPS + 1, stride_bars * STEPS_PER_BAR):
                unique.setdefault(track[start : start + STEPS].tobytes())
        return np.frombuffer(b"".join(unique), np.uint16).reshape(-1, STEPS)


def sections(sequence: NoteSequence, drum_map: str) -> Iterator[Section]:
    """Yields the parts of a performance between changes of tempo and metre, those of sixteen sixteenths a bar."""
    if len(sequence.tempos) > 1 or len(sequence.time_signatures) > 1 or _begins_late(sequence):
        from note_seq import sequences_lib  # Takes a second to import, and few need it.

        parts = [(part, math.inf) for part in sequences_lib.split_note_sequence_on_time_changes(sequence)]
    else:  # What that function would do with it: hits of no length at the very end are lost.
        parts = [(sequence, sequence.total_time)]
    for part, end_secs in parts:
        metre = part.time_signatures[0] if part.time_signatures else None
        if metre is None or metre.numerator == metre.denominator > 0:
            yield _quantize(part, end_secs, drum_map)


def nearest_steps(secs: np.ndarray, steps_per_sec: float) -> np.ndarray:
    """Returns times `[n]` in seconds as steps, `[n]` int64, as note-seq's `quantize_to_step` does."""
    return (secs * steps_per_sec + _ROUND).astype(np.int64)


def qpm_of(sequence: NoteSequence) -> float:
    """Returns the tempo at the beginning, quarters a minute."""
    return sequence.tempos[0].qpm if sequence.tempos else drums.QPM


def _begins_late(sequence: NoteSequence) -> bool:
    """Whether the only tempo or metre comes after time 0, where 120 and 4/4 hold until then."""
    return any(change.time > 0 for change in (*sequence.tempos, *sequence.time_signatures))


def _quantize(part: NoteSequence, end_secs: float, drum_map: str) -> Section:
    notes = np.array(
        [
            (note.start_time, note.pitch)
            for note in part.notes
            if note.is_drum and note.velocity and 0 <= note.pitch < 128 and note.start_time < end_secs
        ],
        np.float64,
    ).reshape(-1, 2)
    numbers = drums.CLASS_BY_PITCH[drum_map][notes[:, 1].astype(np.int64)]
    steps_per_sec = STEPS_PER_QUARTER * qpm_of(part) / 60.0
    steps = nearest_steps(notes[:, 0], steps_per_sec)
    usable = (numbers >= 0) & (steps >= 0) & (steps < MAX_STEPS)
    hit_steps, where = np.unique(steps[usable], return_inverse=True)
    tokens = np.zeros(len(hit_steps), np.uint16)
    np.bitwise_or.at(tokens, where, (1 << numbers[usable].astype(np.uint16)).astype(np.uint16))
    return Section(hit_steps, tokens)


def _bar_after(step: int) -> int:
    """Returns the first step of the bar after the one that `step` is in."""
    return (int(step) // STEPS_PER_BAR + 1) * STEPS_PER_BAR


def _digest(window: np.ndarray) -> int:
    return int.from_bytes(hashlib.blake2b(window.tobytes(), digest_size=8).digest(), "little")
