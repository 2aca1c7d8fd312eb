"""What the report of a conversion counts of one performance."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from grooves import drums, timing, tokens, windows

if TYPE_CHECKING:
    from note_seq import NoteSequence


@dataclasses.dataclass(frozen=True)
class Facts:
    """What there is to count in a performance.

    Attributes:
        drum_map: The name of the one that its pitches are read by.
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


def describe(sequence: NoteSequence, drum_map: drums.DrumMap, style: str, stride_bars: int) -> Facts:
    """Returns what there is to count in a performance; `stride_bars` as in `windows.cut`."""
    pitches = drums.drum_pitches(sequence)
    unmapped = Counter(pitch for pitch in pitches if pitch not in drum_map.pitch_on_kit)
    onsets = np.zeros([timing.STEPS_PER_BAR, drums.NUM_CLASSES], np.uint32)
    grid = hashlib.blake2b(digest_size=8)
    sections = list(windows.sections(sequence, drum_map))
    for section in sections:
        np.add.at(onsets, section.steps % timing.STEPS_PER_BAR, tokens.to_hits(section.tokens).astype(np.uint32))
        grid.update(section.steps.tobytes() + section.tokens.tobytes())
    cut = windows.of_sections(sections, stride_bars)
    return Facts(
        drum_map=drum_map.name,
        style=style,
        bpm=timing.qpm_of(sequence),
        metres=drums.metres(sequence),
        num_hits=len(pitches),
        unmapped=dict(unmapped),
        onsets=onsets,
        num_steps=sum(section.num_steps for section in sections),
        tokens=np.unique(cut),
        grid_digest=grid.digest(),
        window_digests=np.array([_digest(window) for window in cut], np.uint64),
    )


def _digest(window: np.ndarray) -> int:
    return int.from_bytes(hashlib.blake2b(window.tobytes(), digest_size=8).digest(), "little")
