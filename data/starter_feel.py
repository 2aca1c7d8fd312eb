"""Plays what is written: the timing, dynamics and instrument of three imaginary drummers."""

from __future__ import annotations

import dataclasses
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from data.starter_styles import Style

TICKS_PER_BEAT = 480
TICKS_PER_BAR = 4 * TICKS_PER_BEAT
TICKS_PER_SIXTEENTH = TICKS_PER_BEAT // 4
NOTE_SECS = 0.1

# Roland TD-11 pitches, as in the Groove MIDI Dataset.
PITCHES: Mapping[str, int] = {
    "kick": 36,
    "snare": 38,
    "rim": 40,
    "stick": 37,
    "hat": 42,
    "hat_edge": 22,
    "open": 46,
    "open_edge": 26,
    "pedal": 44,
    "tom1": 48,
    "tom2": 45,
    "tom3": 43,
    "crash": 49,
    "crash_edge": 55,
    "ride": 51,
    "bell": 53,
    "ride_edge": 59,
}
# What a drummer does harder on another part of the instrument: rimshots, the edges of hats and crashes.
ACCENTED: Mapping[str, str] = {"snare": "rim", "hat": "hat_edge", "open": "open_edge", "crash": "crash_edge"}
VELOCITIES: Mapping[str, int] = {"g": 24, "o": 46, "x": 70, "X": 104}


@dataclasses.dataclass(frozen=True)
class Drummer:
    """How somebody plays.

    Attributes:
        push_ms: Mean distance from the beat in ms; negative is ahead of it.
        bias_ms: What each voice adds to that.
        drift_ms: Standard deviation of a slow wander, shared by all voices.
        jitter_ms: Standard deviation of each hit.
        touch: Factor on the velocity of each voice; 1 where none is given.
        edge_share: Share of the accents that are rimshots or on an edge.
    """

    push_ms: float
    bias_ms: Mapping[str, float]
    drift_ms: float
    jitter_ms: float
    touch: Mapping[str, float]
    edge_share: float


DRUMMERS: tuple[Drummer, ...] = (
    # Tight, a hair ahead; light foot.
    Drummer(-5.0, {"hat": -4.0, "ride": -3.0, "snare": 2.0}, 5.0, 8.0, {"kick": 0.85, "hat": 0.95}, 0.3),
    # Drags: everything behind the beat, the snare most; heavy hands.
    Drummer(7.0, {"hat": -6.0, "snare": 7.0, "kick": 2.0}, 9.0, 12.0, {"snare": 1.1, "tom1": 1.1}, 0.6),
    # Pushes: the hands rush, and wander.
    Drummer(-17.0, {"hat": -6.0, "ride": -5.0, "kick": 3.0}, 11.0, 13.0, {"kick": 0.95, "hat": 1.1}, 0.15),
)


class Hit(NamedTuple):
    """A written hit: `step` counts from the start of the performance, `sign` is a key of `VELOCITIES`."""

    step: int
    voice: str
    sign: str


class Note(NamedTuple):
    """A played hit: `tick` and `length` in ticks, `velocity` in 1 to 127."""

    tick: int
    pitch: int
    velocity: int
    length: int


def perform(hits: Sequence[Hit], style: Style, drummer: Drummer, bpm: int, rng: random.Random) -> list[Note]:
    """Plays written hits at `bpm` quarters a minute with the feel of the style and of the drummer.

    Returns:
        Notes in order of time; none starts before tick 0 or overlaps another of its pitch.
    """
    ticks_per_ms = bpm * TICKS_PER_BEAT / 60_000
    ticks_per_step = TICKS_PER_BAR // style.steps_per_bar
    steps_per_beat = style.steps_per_bar // 4
    loudness = style.loudness * (0.85 + 0.3 * rng.random())
    drift = _drift(hits[-1].step // steps_per_beat + 1, drummer.drift_ms, rng)
    played: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for step, voice, sign in hits:
        swung = style.swing * TICKS_PER_SIXTEENTH if _is_swung(step, steps_per_beat) else 0.0
        late_ms = drummer.push_ms + drummer.bias_ms.get(voice, 0.0) + style.late_ms.get(voice, 0.0)
        late_ms += drift[step // steps_per_beat] + drummer.jitter_ms * _bell(rng)
        # Nobody is off by more than a third of a sixteenth, however fast the tempo.
        late = min(max(late_ms * ticks_per_ms, -TICKS_PER_SIXTEENTH / 3), TICKS_PER_SIXTEENTH / 3)
        velocity = VELOCITIES[sign] * loudness * drummer.touch.get(voice, 1.0) * (1 + 0.15 * _bell(rng))
        on_edge = sign == "X" and rng.random() < drummer.edge_share
        pitch = PITCHES[ACCENTED.get(voice, voice) if on_edge else voice]
        tick = max(0, round(step * ticks_per_step + swung + late))
        played[pitch].append((tick, min(max(round(velocity), 5), 127)))
    length = round(NOTE_SECS * 1000 * ticks_per_ms)
    return sorted(note for pitch in sorted(played) for note in _notes(pitch, played[pitch], length))


def _is_swung(step: int, steps_per_beat: int) -> bool:
    """Of sixteenths every second one swings, of triplets the last: the skip note."""
    return step % 2 == 1 if steps_per_beat == 4 else step % steps_per_beat == 2


def _drift(num_beats: int, deviation_ms: float, rng: random.Random) -> list[float]:
    """Returns a wander in ms for each beat that remembers most of where it was a beat before."""
    memory = 0.8
    value, result = 0.0, []
    for _ in range(num_beats):
        value = memory * value + deviation_ms * 0.6 * _bell(rng)  # 0.6² = 1 - 0.8²: the deviation stays.
        result.append(value)
    return result


def _notes(pitch: int, hits: list[tuple[int, int]], length: int) -> Iterator[Note]:
    """Yields the notes of one pitch, each ending before the next begins."""
    hits.sort()
    ends = [tick for tick, _ in hits[1:]] + [hits[-1][0] + length + 1]
    for (tick, velocity), end in zip(hits, ends, strict=True):
        if end > tick + 1:
            yield Note(tick, pitch, velocity, min(length, end - tick - 1))


def _bell(rng: random.Random) -> float:
    """Returns a number with mean 0 and deviation 1, in [-3, 3].

    Made of three uniform ones, because `gauss` goes through the platform's logarithm and cosine.
    """
    return 2 * (rng.random() + rng.random() + rng.random() - 1.5)
