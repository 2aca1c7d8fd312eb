"""Pieces as MIDI files."""

from __future__ import annotations

import collections
import contextlib
import hashlib
import itertools
import operator
import pathlib
import time
from collections.abc import Iterable, Iterator

import mido
import numpy as np

from grooves import channels
from grooves.timing import STEPS_PER_QUARTER
from pipelines.files import atomic, midi_writing
from pipelines.files.midi_writing import Event
from pipelines.generation import song
from pipelines.generation.piece import Piece
from pipelines.generation.song import QUARTERS_PER_BAR, Notes, Song

TICKS_PER_QUARTER = 960  # Half a millisecond at 120 qpm.
_TICKS_PER_STEP = TICKS_PER_QUARTER // STEPS_PER_QUARTER
_NOTES = ("note_on", "note_off", "polytouch")
_NAMES = ("track_name", "instrument_name")
_OF_THE_CONDUCTOR = ("set_tempo", "time_signature", "end_of_track", "sequence_number", "smpte_offset")
# What still holds in later bars.
_KEPT_FROM_BEFORE = (*_NAMES, "program_change", "control_change", "pitchwheel", "aftertouch", "sysex", "key_signature")
_NOTE_OFF, _NOTE_ON = (kind + channels.PERCUSSION - 1 for kind in (0x80, 0x90))
Timed = tuple[int, mido.Message | mido.MetaMessage]  # A message, and its tick.


def write(piece: Piece, path: pathlib.Path) -> str:
    """Writes a piece as a MIDI file: drums on channel 10, its tempos, 4/4; whole or not at all.

    The same piece gives the same bytes. What is a little early at its beginning begins at tick 0, and no note rings on
    after its end.

    Returns:
        The file's SHA-256.

    Raises:
        OSError: the file cannot be written.
    """
    others = _other_tracks(piece.backing) if piece.backing else ()
    content = midi_writing.file([_conductor_track(piece), _drum_track(piece), *others], TICKS_PER_QUARTER)
    with atomic.replacing(path) as partial:
        partial.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


@contextlib.contextmanager
def stamped(folder: pathlib.Path, stamp: str | None = None) -> Iterator[str]:
    """Yields the time as a part of names for files in a folder, which is made when missing.

    No files that are there have the same, and no other command that writes there meanwhile gets it: several that are
    started at once would overwrite each other's files.

    Args:
        folder: Where the files are to be.
        stamp: In place of the time, where it is known what the files are called.

    Raises:
        OSError: nothing can be written there.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    stamp, claim = (stamp, None) if stamp else _claim(folder)
    try:
        yield stamp
    finally:
        if claim:
            claim.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            for made in missing:
                made.rmdir()  # For nothing, if nothing is in it.


def _claim(folder: pathlib.Path) -> tuple[str, pathlib.Path]:
    """Returns a stamp that nobody has, and the empty file that says so to others."""
    now = time.strftime("%Y-%m-%d_%H%M%S")
    stamps = itertools.chain([now], (f"{now}.{number}" for number in itertools.count(2)))
    while True:
        stamp = next(stamps)
        claim = folder / f".{stamp}.partial"
        try:
            claim.touch(exist_ok=False)
        except FileExistsError:
            continue
        if not any(folder.glob(f"*_{stamp}[-_]*")):
            return stamp, claim
        claim.unlink()


def _conductor_track(piece: Piece) -> bytes:
    messages: list[Timed] = [(0, mido.MetaMessage("time_signature", numerator=4, denominator=4))]
    messages += [
        (_ticks(quarter), mido.MetaMessage("set_tempo", tempo=round(60e6 / qpm))) for quarter, qpm in piece.tempos
    ]
    return midi_writing.track(_encoded(messages), _end(piece))


def _drum_track(piece: Piece) -> bytes:
    name = (0, mido.MetaMessage("track_name", name="Drums"))
    ends, begins = _hits(piece.notes, _end(piece))
    kit = _kit_of(piece.backing) if piece.backing else ()
    # Stable: at one tick notes end before others begin, and programs and controllers come between.
    events = sorted([*_encoded([name]), *ends, *_encoded(kit), *begins], key=operator.itemgetter(0))
    return midi_writing.track(events)


def _hits(notes: Notes, end_tick: int) -> tuple[list[Event], list[Event]]:
    """Returns the ends of notes and their beginnings; no two notes of a pitch overlap, which MIDI cannot hold."""
    starts = np.maximum(0, np.round(notes.quarters * TICKS_PER_QUARTER)).astype(np.int64)
    ends = np.round((notes.quarters + notes.lengths) * TICKS_PER_QUARTER).astype(np.int64)
    ends = np.minimum(ends, np.maximum(end_tick, starts + _TICKS_PER_STEP))
    order = np.lexsort((starts, notes.pitches))
    pitches, velocities = notes.pitches[order], notes.velocities[order].tolist()
    begins = _apart(starts[order], pitches)
    until = np.maximum(ends[order], begins + 1)
    is_last = np.append(pitches[1:] != pitches[:-1], True)[: len(pitches)]  # Of its pitch.
    until = np.where(is_last, until, np.minimum(until, np.roll(begins, -1))).tolist()
    pitches, begins = pitches.tolist(), begins.tolist()
    return (
        [(tick, bytes((_NOTE_OFF, pitch, 0))) for tick, pitch in zip(until, pitches, strict=True)],
        [(tick, bytes((_NOTE_ON, *note))) for tick, *note in zip(begins, pitches, velocities, strict=True)],
    )


def _apart(ticks: np.ndarray, pitches: np.ndarray) -> np.ndarray:
    """Returns ticks, in order for each pitch, of which no two of a pitch are the same: the later one is moved.

    It is moved by as little as can be.
    """
    # Each pitch begins above all ticks of the one before.
    above = pitches * (ticks.max(initial=0) + len(ticks) + 1) - np.arange(len(ticks))
    return np.maximum.accumulate(ticks + above) - above


def _kit_of(backing: Song) -> Iterator[Timed]:
    """Yields, with their ticks, what a song's file has on the drums' channel besides notes: which kit, how loud."""
    if backing.drum_channel != channels.PERCUSSION:
        return
    for track in backing.midi.tracks:
        for tick, message in _moved(track, backing):
            if _is_drums(message, backing) and message.type not in _NOTES:
                yield tick, message


def _other_tracks(backing: Song) -> Iterator[bytes]:
    """Yields what a song's file has besides drums, tempos and metres, in the bars of the song.

    Where the song does not end early, that is all up to the end of the file.
    """
    for track in backing.midi.tracks:
        events = [(tick, message) for tick, message in _moved(track, backing) if not _is_drums(message, backing)]
        if any(message.type not in _NAMES for _, message in events):
            yield midi_writing.track(_encoded(events))


def _moved(track: mido.MidiTrack, backing: Song) -> Iterator[Timed]:
    """Yields a track's messages in the bars of a song with their ticks here; notes that go on at its end, end there.

    As drums do, a note belongs to the bar of the sixteenth that it is nearest to.
    """
    midi = backing.midi
    first = backing.first_bar * QUARTERS_PER_BAR * midi.ticks_per_beat
    last = first + backing.num_bars * QUARTERS_PER_BAR * midi.ticks_per_beat
    last = last if backing.ends_early else max(last, song.last_tick(midi))
    early = midi.ticks_per_beat // (2 * STEPS_PER_QUARTER)
    sounding: collections.Counter[tuple[int, int]] = collections.Counter()
    tick = 0
    for message in track:
        tick += message.time
        if tick >= last:
            break
        is_system = not message.is_meta and message.type != "sysex" and _channel(message) is None
        if is_system or message.type in _OF_THE_CONDUCTOR:  # Files have no place for messages of a running system.
            continue
        if message.type in ("note_on", "note_off"):
            note = message.channel, message.note
            begins = message.type == "note_on" and message.velocity > 0
            if not first - early <= tick < last - early if begins else not sounding[note]:
                continue
            sounding[note] += 1 if begins else -1
        elif tick < first and message.type not in _KEPT_FROM_BEFORE:
            continue
        yield _rescaled(tick - first, midi), message
    for (channel, note), count in sounding.items():
        for _ in range(count):
            yield _rescaled(min(tick, last) - first, midi), mido.Message("note_off", channel=channel, note=note)


def _rescaled(ticks: int, midi: mido.MidiFile) -> int:
    return round(max(0, ticks) * TICKS_PER_QUARTER / midi.ticks_per_beat)


def _is_drums(message: mido.Message, backing: Song) -> bool:
    """Whether a message is for the song's drums, notes and other messages."""
    channel = _channel(message)
    return channel is not None and channels.has_drums(channel + 1, backing.drum_channel)


def _channel(message: mido.Message) -> int | None:
    return None if message.is_meta else getattr(message, "channel", None)


def _encoded(messages: Iterable[Timed]) -> Iterator[Event]:
    return ((tick, midi_writing.encode(message)) for tick, message in messages)


def _end(piece: Piece) -> int:
    return piece.num_bars * QUARTERS_PER_BAR * TICKS_PER_QUARTER


def _ticks(quarters: float) -> int:
    return round(quarters * TICKS_PER_QUARTER)
