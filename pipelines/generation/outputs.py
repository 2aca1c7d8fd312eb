"""Pieces as MIDI files."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Iterator

import mido
import numpy as np

from pipelines.files import atomic
from pipelines.generation.piece import Piece
from pipelines.generation.song import ALL_CHANNELS, QUARTERS_PER_BAR, Notes, Song

TICKS_PER_QUARTER = 960  # Half a millisecond at 120 qpm.
_DRUM_CHANNEL = 9  # Counted from 0.
_OF_THE_CONDUCTOR = ("set_tempo", "time_signature", "end_of_track")
# What still holds in later bars.
_KEPT_FROM_BEFORE = ("track_name", "instrument_name", "program_change", "control_change", "pitchwheel")


def write(piece: Piece, path: pathlib.Path) -> None:
    """Writes a piece as a MIDI file: drums on channel 10, its tempos, 4/4; whole or not at all.

    The same piece gives the same bytes. What is a little early at its beginning begins at tick 0.

    Raises:
        OSError: the file cannot be written.
    """
    midi = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_QUARTER)
    midi.tracks.append(_conductor_track(piece))
    midi.tracks.append(_drum_track(piece.notes))
    if piece.backing:
        midi.tracks += _other_tracks(piece.backing)
    with atomic.replacing(path) as partial:
        midi.save(partial)


def _conductor_track(piece: Piece) -> mido.MidiTrack:
    events = [(0, mido.MetaMessage("time_signature", numerator=4, denominator=4))]
    events += [
        (_ticks(quarter), mido.MetaMessage("set_tempo", tempo=round(60e6 / qpm))) for quarter, qpm in piece.tempos
    ]
    return _track(events, piece.num_bars * QUARTERS_PER_BAR * TICKS_PER_QUARTER)


def _drum_track(notes: Notes) -> mido.MidiTrack:
    starts = np.maximum(0, np.round(notes.quarters * TICKS_PER_QUARTER)).astype(np.int64)
    ends = np.maximum(starts + 1, np.round((notes.quarters + notes.lengths) * TICKS_PER_QUARTER).astype(np.int64))
    events = []
    for pitch in np.unique(notes.pitches):  # A drum that is hit again ends: MIDI cannot hold two notes of one pitch.
        (rows,) = np.nonzero(notes.pitches == pitch)
        rows = rows[np.argsort(starts[rows], kind="stable")]
        begins = _apart(starts[rows])
        until = np.minimum(np.maximum(ends[rows], begins + 1), np.append(begins[1:], np.iinfo(np.int64).max))
        for start, end, velocity in zip(begins, until, notes.velocities[rows], strict=True):
            note = {"channel": _DRUM_CHANNEL, "note": int(pitch)}
            events.append((int(start), mido.Message("note_on", velocity=int(velocity), **note)))
            events.append((int(end), mido.Message("note_off", velocity=0, **note)))
    return _track([(0, mido.MetaMessage("track_name", name="Drums")), *events])


def _apart(ticks: np.ndarray) -> np.ndarray:
    """Returns ticks in order, of which no two are the same: the later of two is moved by as little as can be."""
    order = np.arange(len(ticks))
    return np.maximum.accumulate(ticks - order) + order


def _other_tracks(song: Song) -> Iterator[mido.MidiTrack]:
    """Yields what a song's file has besides drums, tempos and metres, in the bars of the song."""
    midi = song.midi
    first = song.first_bar * QUARTERS_PER_BAR * midi.ticks_per_beat
    last = first + song.num_bars * QUARTERS_PER_BAR * midi.ticks_per_beat
    for track in midi.tracks:
        events, tick = [], 0
        for message in track:
            tick += message.time
            is_kept = message.type in ("track_name", "instrument_name", *_KEPT_FROM_BEFORE)
            if (
                message.type in ("set_tempo", "time_signature", "end_of_track")
                or tick >= last
                or _is_drums(message, song)
            ):
                continue
            if tick >= first or is_kept:
                moved = round(max(0, tick - first) * TICKS_PER_QUARTER / midi.ticks_per_beat)
                events.append((moved, message))
        if any(message.type == "note_on" for _, message in events):
            yield _track(events)


def _is_drums(message: mido.Message, song: Song) -> bool:
    is_note = message.type in ("note_on", "note_off", "polytouch")
    return is_note and (song.drum_channel == ALL_CHANNELS or message.channel == int(song.drum_channel) - 1)


def _track(events: Iterable[tuple[int, mido.Message]], end: int = 0) -> mido.MidiTrack:
    """Returns a track of messages with their ticks; at one tick, notes end before others begin."""
    events = sorted(events, key=lambda event: (event[0], not event[1].is_meta, event[1].type != "note_off"))
    track, now = mido.MidiTrack(), 0
    for tick, message in events:
        track.append(message.copy(time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=max(0, end - now)))
    return track


def _ticks(quarters: float) -> int:
    return round(quarters * TICKS_PER_QUARTER)
