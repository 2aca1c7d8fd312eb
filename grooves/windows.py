"""Windows: the four bars of drums that a model sees, cut out of performances as tokens.

The same windows as Magenta's `DrumsConverter` makes, from arrays instead of one object a note and step.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from grooves import drums, timing, tokens
from grooves.timing import STEPS, STEPS_PER_BAR

if TYPE_CHECKING:
    from note_seq import NoteSequence

GAP_STEPS = STEPS_PER_BAR  # So many sixteenths without a hit end a drum track, as `DrumsConverter`'s gap_bars=1 says.
MAX_STEPS = 10_000_000  # A hundred days at 120 qpm: a time that no performance has, and no array should.


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
        return timing.bar_after(self.steps[-1]) if len(self.steps) else 0

    def _tracks(self) -> Iterator[np.ndarray]:
        """Yields the tokens `[whole bars]` uint16 from the first bar with a hit to the last one before a gap."""
        ends = np.flatnonzero(np.diff(self.steps) > GAP_STEPS) + 1
        for first, last in zip([0, *ends], [*ends, len(self.steps)], strict=True):
            steps = self.steps[first:last]
            start = steps[0] // STEPS_PER_BAR * STEPS_PER_BAR
            track = np.zeros(timing.bar_after(steps[-1]) - start, np.uint16)
            track[steps - start] = self.tokens[first:last]
            yield track

    def windows(self, stride_bars: int) -> np.ndarray:
        """Returns the section's unique windows, as `cut` does."""
        if not len(self.steps):
            return np.zeros([0, STEPS], np.uint16)
        unique = {}
        for track in self._tracks():
            for start in range(0, len(track) - STEPS + 1, stride_bars * STEPS_PER_BAR):
                unique.setdefault(track[start : start + STEPS].tobytes())
        return np.frombuffer(b"".join(unique), np.uint16).reshape(-1, STEPS)


def cut(sequence: NoteSequence, drum_map: drums.DrumMap, stride_bars: int = 1) -> np.ndarray:
    """Cuts the unique four-bar windows of drums out of a performance.

    Args:
        sequence: The performance. It is cut at changes of tempo and metre, and where a bar's length has no hit.
        drum_map: How its pitches are read.
        stride_bars: From the start of one window to the start of the next.

    Returns:
        `[n, 64]` uint16 tokens in order of time.
    """
    return of_sections(sections(sequence, drum_map), stride_bars)


def of_sections(parts: Iterable[Section], stride_bars: int) -> np.ndarray:
    """Returns the windows of all sections, as `cut` does: unique within a section."""
    return np.concatenate([np.zeros([0, STEPS], np.uint16), *(part.windows(stride_bars) for part in parts)])


def sections(sequence: NoteSequence, drum_map: drums.DrumMap) -> Iterator[Section]:
    """Yields the parts of a performance between changes of tempo and metre, those of sixteen sixteenths a bar."""
    # Where the only tempo or metre comes after time 0, 120 and 4/4 hold until then.
    begins_late = any(change.time > 0 for change in (*sequence.tempos, *sequence.time_signatures))
    if len(sequence.tempos) > 1 or len(sequence.time_signatures) > 1 or begins_late:
        from note_seq import sequences_lib  # Takes a second to import, and few need it.

        parts = [(part, math.inf) for part in sequences_lib.split_note_sequence_on_time_changes(sequence)]
    else:  # What that function would do with it: hits of no length at the very end are lost.
        parts = [(sequence, sequence.total_time)]
    for part, end_secs in parts:
        metre = part.time_signatures[0] if part.time_signatures else None
        if metre is None or metre.numerator == metre.denominator > 0:
            yield _quantize(part, end_secs, drum_map)


def _quantize(part: NoteSequence, end_secs: float, drum_map: drums.DrumMap) -> Section:
    notes = np.array(
        [
            (note.start_time, note.pitch)
            for note in part.notes
            if note.is_drum and note.velocity and 0 <= note.pitch < 128 and note.start_time < end_secs
        ],
        np.float64,
    ).reshape(-1, 2)
    numbers = drum_map.table[notes[:, 1].astype(np.int64)]
    steps = timing.nearest_steps(notes[:, 0], timing.qpm_of(part))
    usable = (numbers >= 0) & (steps >= 0) & (steps < MAX_STEPS)
    hit_steps, where = np.unique(steps[usable], return_inverse=True)
    hits = np.zeros([len(hit_steps), drums.NUM_CLASSES], bool)
    hits[where, numbers[usable]] = True
    return Section(hit_steps, tokens.from_hits(hits))
