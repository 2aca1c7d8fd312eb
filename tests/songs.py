"""MIDI files of songs, for the tests of generation: drums at any resolution, other tracks; and what comes out.

Everything here goes through mido's messages alone, so that what the project reads and writes is checked by other eyes.
"""

from __future__ import annotations

import collections
import pathlib
from collections.abc import Iterable, Sequence

import mido
import numpy as np

from grooves.groove import Groove
from tests.midi_files import CLOSED_HAT, KICK, SNARE

DRUM_CHANNEL = 9  # Counted from 0.
OUTPUT_TICKS = 960  # A quarter of what generation writes.

Note = tuple[float, int, int]  # Quarter, counted from 0; pitch; velocity.


def beat(num_bars: int, first_bar: int = 0) -> list[Note]:
    """Returns kick, snare and hi-hat of so many bars, no two of which are alike, written and not played."""
    notes = []
    for bar in range(first_bar, first_bar + num_bars):
        quarter = 4 * bar
        notes += [(quarter + eighth / 2, CLOSED_HAT, 80) for eighth in range(8)]
        notes += [(quarter, KICK, 100), (quarter + 1, SNARE, 90), (quarter + 3, SNARE, 90)]
        notes += [(quarter + (2 * bit + 1) / 4, KICK, 70) for bit in range(7) if (bar + 1) >> bit & 1]
    return sorted(notes)


def groove(seed: int, num_bars: int = 4) -> Groove:
    """Returns hits at random, early and late, `[num_bars * 16, 9]`, with velocities that MIDI has."""
    random = np.random.default_rng(seed)
    hits = (random.random([num_bars * 16, 9]) < 0.2).astype(np.float32)
    velocities = random.integers(1, 128, hits.shape) / 127 * hits
    return Groove(hits, velocities, random.uniform(-0.99, 1, hits.shape) * hits)


def notes_track(notes: Iterable[Note], ppq: int, channel: int = DRUM_CHANNEL, length: float = 0.125) -> mido.MidiTrack:
    """Returns a track of notes that are `length` quarters long, at least a tick."""
    events = []
    for quarter, pitch, velocity in notes:
        start = round(quarter * ppq)
        end = max(start + 1, round((quarter + length) * ppq))
        events.append((start, mido.Message("note_on", channel=channel, note=pitch, velocity=velocity)))
        events.append((end, mido.Message("note_off", channel=channel, note=pitch)))
    return track_of(events)


def track_of(events: Iterable[tuple[int, mido.Message]]) -> mido.MidiTrack:
    """Returns a track of messages with their ticks; at one tick, notes end before others begin."""
    track, now = mido.MidiTrack(), 0
    for tick, message in sorted(events, key=lambda event: (event[0], event[1].type != "note_off")):
        track.append(message.copy(time=tick - now))
        now = tick
    return track


def conductor(
    ppq: int,
    tempos: Iterable[tuple[float, float]] = ((0, 100),),
    metre: tuple[int, int] | None = (4, 4),
) -> mido.MidiTrack:
    """Returns a track of tempos, pairs of a quarter and quarters a minute, and a metre."""
    events = [(0, mido.MetaMessage("time_signature", numerator=metre[0], denominator=metre[1]))] if metre else []
    for quarter, qpm in tempos:
        events.append((round(quarter * ppq), mido.MetaMessage("set_tempo", tempo=round(60e6 / qpm))))
    return track_of(events)


def write(path: pathlib.Path, tracks: Sequence[mido.MidiTrack], ppq: int = 480, midi_type: int = 1) -> pathlib.Path:
    """Writes tracks as a file of type 1, or merged into one track as type 0."""
    if midi_type == 0:
        tracks = [mido.merge_tracks(tracks)]
    path.parent.mkdir(parents=True, exist_ok=True)
    mido.MidiFile(type=midi_type, ticks_per_beat=ppq, tracks=list(tracks)).save(path)
    return path


def write_beat(
    path: pathlib.Path, notes: Iterable[Note], ppq: int = 480, *, midi_type: int = 1, channel: int = DRUM_CHANNEL, **how
) -> pathlib.Path:
    """Writes drums; `how` as `conductor` takes it."""
    return write(path, [conductor(ppq, **how), notes_track(notes, ppq, channel)], ppq, midi_type)


def messages(path: pathlib.Path, channel: int | None = None) -> list[tuple[int, mido.Message]]:
    """Returns the messages of all tracks with their ticks, in order, or those of a channel."""
    found = []
    for track in mido.MidiFile(path).tracks:
        tick = 0
        for message in track:
            tick += message.time
            if channel is None or (not message.is_meta and getattr(message, "channel", None) == channel):
                found.append((tick, message))
    return sorted(found, key=lambda event: event[0])


def hits(path: pathlib.Path, channel: int = DRUM_CHANNEL) -> list[tuple[int, int, int]]:
    """Returns tick, pitch and velocity of the notes of a channel, in order."""
    played = messages(path, channel)
    return sorted((tick, m.note, m.velocity) for tick, m in played if m.type == "note_on" and m.velocity)


def spans(path: pathlib.Path, channel: int = DRUM_CHANNEL) -> dict[int, list[tuple[int, int]]]:
    """Returns start and end of the notes of each pitch.

    Raises:
        ValueError: a note begins while another one of its pitch sounds, ends twice, or never.
    """
    found: dict[int, list[tuple[int, int]]] = collections.defaultdict(list)
    sounding: dict[int, int] = {}
    for track in mido.MidiFile(path).tracks:
        tick = 0
        for message in track:
            tick += message.time
            if message.is_meta or getattr(message, "channel", None) != channel:
                continue
            if message.type == "note_on" and message.velocity:
                if message.note in sounding:
                    raise ValueError(f"{message.note} begins twice at {tick}")
                sounding[message.note] = tick
            elif message.type in ("note_on", "note_off"):
                found[message.note].append((sounding.pop(message.note), tick))
    if sounding:
        raise ValueError(f"{sounding} never end")
    return found


def tempos(path: pathlib.Path) -> list[tuple[float, float]]:
    """Returns quarter and tempo of each change of tempo."""
    ppq = mido.MidiFile(path).ticks_per_beat
    return [(tick / ppq, round(60e6 / m.tempo, 3)) for tick, m in messages(path) if m.type == "set_tempo"]
