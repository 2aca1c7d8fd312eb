"""MIDI files and NoteSequences for the tests, written hit by hit."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import mido
import note_seq
import numpy as np

from grooves import drums

TICKS_PER_BEAT = 480
TICKS_PER_STEP = TICKS_PER_BEAT // 4
STEPS_PER_BAR = 16
KICK, SNARE, CLOSED_HAT, OPEN_HAT, LOW_TOM, MID_TOM, HIGH_TOM, CRASH, RIDE = 36, 38, 42, 46, 43, 47, 50, 49, 51
PITCHES = (KICK, SNARE, CLOSED_HAT, OPEN_HAT, LOW_TOM, MID_TOM, HIGH_TOM, CRASH, RIDE)  # One of each class, in order.
DRUM_CHANNEL = 9  # Counted from 0.

Hit = tuple[
    float, int, int
]  # Sixteenth, counted from 0 and with a fraction where it is early or late; pitch; velocity.


def groove(bars: int, *, alike: bool = False) -> list[Hit]:
    """Returns kick, snare and closed hi-hat for so many bars; no two bars are alike, unless `alike`."""
    hits = []
    for bar in range(bars):
        first = bar * STEPS_PER_BAR
        hits += [(first + step, CLOSED_HAT, 60) for step in range(0, STEPS_PER_BAR, 2)]
        hits += [(first, KICK, 100), (first + 4, SNARE, 90), (first + 12, SNARE, 90)]
        if not alike:  # The bar's number in binary, on the sixteenths between.
            hits += [(first + 2 * bit + 1, KICK, 70) for bit in range(8) if (bar + 1) >> bit & 1]
    return sorted(hits)


def at_random(seed: int, *, bars: int = 9) -> list[Hit]:
    """Returns hits early and late, several in a cell, equally loud ones among them, with a silent bar in between."""
    random = np.random.default_rng(seed)
    steps = np.sort(random.uniform(0, 16 * bars, 40 * bars))
    steps = steps[(steps < 64) | (steps > 83)]
    pitches = random.choice([pitch for pitches in drums.ROLAND_CLASSES for pitch in pitches], len(steps))
    return list(zip(steps, pitches.tolist(), random.choice([1, 40, 80, 127], len(steps)).tolist(), strict=True))


def write(
    path: pathlib.Path,
    hits: Iterable[Hit],
    *,
    metre: tuple[int, int] | None = (4, 4),
    tempos: Iterable[tuple[float, float]] = ((0, 120),),
    channel: int = DRUM_CHANNEL,
    also: Mapping[int, Iterable[Hit]] = MappingProxyType({}),
) -> pathlib.Path:
    """Writes a MIDI file.

    Args:
        path: Where; its folder is made.
        hits: What is played.
        metre: None writes none.
        tempos: Pairs of the sixteenth from which on a tempo holds, and the tempo in quarters a minute.
        channel: The drums', or another one, counted from 0.
        also: What is played on further channels.
    """
    events = [(0, mido.MetaMessage("time_signature", numerator=metre[0], denominator=metre[1]))] if metre else []
    for step, qpm in tempos:
        events.append((round(step * TICKS_PER_STEP), mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(qpm))))
    for number, played in {channel: hits, **also}.items():
        for step, pitch, velocity in played:
            tick = round(step * TICKS_PER_STEP)
            events.append((tick, mido.Message("note_on", channel=number, note=pitch, velocity=velocity)))
            events.append((tick + TICKS_PER_STEP // 2, mido.Message("note_off", channel=number, note=pitch)))
    track, last_tick = mido.MidiTrack(), 0
    for tick, message in sorted(events, key=lambda event: (event[0], event[1].type != "note_off")):
        track.append(message.copy(time=tick - last_tick))
        last_tick = tick
    path.parent.mkdir(parents=True, exist_ok=True)
    mido.MidiFile(ticks_per_beat=TICKS_PER_BEAT, tracks=[track]).save(path)
    return path


def sequence(
    hits: Iterable[Hit], *, qpm: float = 120, metre: tuple[int, int] = (4, 4), is_drum: bool = True
) -> note_seq.NoteSequence:
    """Returns the NoteSequence of a constant tempo that a file of these hits is read as."""
    result = note_seq.NoteSequence(ticks_per_quarter=TICKS_PER_BEAT)
    result.time_signatures.add(numerator=metre[0], denominator=metre[1])
    result.tempos.add(qpm=qpm)
    secs_per_step = 15 / qpm
    for step, pitch, velocity in hits:
        result.notes.add(
            pitch=pitch,
            velocity=velocity,
            is_drum=is_drum,
            start_time=step * secs_per_step,
            end_time=(step + 0.5) * secs_per_step,
        )
        result.total_time = max(result.total_time, result.notes[-1].end_time)
    return result
