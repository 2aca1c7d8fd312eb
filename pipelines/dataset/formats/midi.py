"""From the bytes of a MIDI file to the NoteSequence that note-seq makes of them.

note-seq reads MIDI through mido and pretty_midi, with an object for each event and an array over all ticks. `read_midi`
makes the same NoteSequence in one pass over the bytes, in about an eighth of the time. What it cannot read goes to
note-seq, which says why. The library symusic reads faster still, but pairs a note-off with one open note where
pretty_midi ends all, keeps notes of no length, and is strict and lenient about other damages than mido: hence this one.
"""

from __future__ import annotations

import dataclasses
import io
import struct
import warnings
from collections.abc import Sequence

import numpy as np
from mido.midifiles import meta
from mido.midifiles.midifiles import MAX_MESSAGE_LENGTH

from pipelines.files import midi_files

with midi_files.importing_libraries():
    import note_seq
    import pretty_midi

_DRUM_CHANNEL = 9  # Counted from 0.
_DEFAULT_QPM = 120.0
_META = 0xFF
_NO_STATUS = 0xFF  # Of a track's beginning: no event leaves it behind.
_NUM_SYSTEM_DATA_BYTES = {0xF1: 1, 0xF2: 2, 0xF3: 1, 0xF6: 0, 0xF8: 0, 0xFA: 0, 0xFB: 0, 0xFC: 0, 0xFE: 0}
_REFUSED = (LookupError, ValueError, struct.error, meta.KeySignatureError)
_STUMBLES = {
    IndexError: "a meta event is too short",
    KeyError: "an SMPTE offset with an unknown frame rate",
    ZeroDivisionError: "a tempo or a time division of zero",
}


def read_midi(midi: bytes) -> note_seq.NoteSequence:
    """Parses a MIDI file, exactly as note-seq does.

    Raises:
        ValueError: it is not a MIDI file, or a damaged one.
    """
    song = _parse(midi)
    try:
        return _note_sequence(song) if song else _read_with_note_seq(midi)
    except Exception as error:  # The parsers raise nearly everything.
        is_smpte = song is not None and song.ticks_per_quarter < 0
        reason = "its time is in SMPTE frames, not in quarters" if is_smpte else _reason(error)
        raise ValueError(f"unreadable MIDI: {reason}") from error


def _reason(error: Exception) -> str:
    """Returns why a MIDI file was refused, also where the parser only stumbles over it."""
    if str(error).startswith("max()"):
        return "no tracks, or one without events"
    return _STUMBLES.get(type(error)) or first_line(error) or "the file ends too early"


def first_line(error: Exception) -> str:
    """Returns the beginning of what an error says, on one line; empty where it says nothing."""
    return (str(error).strip().splitlines() or [""])[0][:120]


def _read_with_note_seq(midi: bytes) -> note_seq.NoteSequence:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pretty_midi's advice on tempos that stand in other tracks than the first.
        # Parsed here, because note-seq would take Ctrl-C for a damaged file.
        return note_seq.midi_to_note_sequence(pretty_midi.PrettyMIDI(io.BytesIO(midi)))


# The bytes, read to events.


@dataclasses.dataclass
class _Controls:
    """Control changes (tick, number, value) and pitch bends (tick, bend in [-8192, 8191])."""

    changes: list[tuple[int, int, int]] = dataclasses.field(default_factory=list)
    bends: list[tuple[int, int]] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class _Instrument:
    """What one program plays on one channel of one track; notes are (start tick, end tick, pitch, velocity)."""

    program: int
    is_drum: bool
    name: str
    controls: _Controls
    notes: list[tuple[int, int, int, int]] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class _Song:
    """What a NoteSequence takes from a MIDI file. All ticks count from the beginning."""

    ticks_per_quarter: int  # Negative where time is in SMPTE frames.
    instruments: list[_Instrument] = dataclasses.field(default_factory=list)  # In the order of their first notes' ends.
    # The first track's, with their ticks, by mido's names.
    metas: dict[str, list[tuple[int, meta.MetaMessage]]] = dataclasses.field(
        default_factory=lambda: {"set_tempo": [], "time_signature": [], "key_signature": []}
    )


class _Track:
    """Reads one track into its song. What mido refuses raises one of `_REFUSED`."""

    def __init__(self, midi: bytes, song: _Song, *, is_first: bool):
        self._midi = midi
        self._song = song
        self._is_first = is_first
        self._name = ""
        self._programs = [0] * 16  # Of each channel.
        self._instruments: dict[tuple[int, int], _Instrument] = {}  # By channel and program.
        self._early_controls: dict[int, _Controls] = {}  # By channel.

    def read(self, position: int, end: int) -> int:
        """Reads the events between two positions and returns the last one's tick.

        Long, because all of the time goes here: the commonest events call nothing.
        """
        midi = self._midi
        open_notes: dict[int, list[tuple[int, int]]] = {}  # Channel and pitch -> (tick, velocity) of each note-on.
        tick, status = 0, _NO_STATUS
        while position < end:
            delta = midi[position]
            position += 1
            if delta > 0x7F:
                delta, position = self._variable_int(position - 1)
            byte = midi[position]
            if byte > 0x7F:  # Else it is the first of the data, and the status runs on.
                position += 1
                if byte == _META:
                    delta, position = self._read_meta(position, tick, delta)
                    tick += delta
                    continue
                status = byte
            tick += delta
            if status < 0xC0 or 0xE0 <= status < 0xF0:
                first, second = midi[position], midi[position + 1]
                position += 2
                if first | second > 0x7F:
                    raise ValueError("data byte above 127")
                if status < 0xA0:
                    key = (status & 0x0F) << 7 | first
                    if status >= 0x90 and second:
                        if key in open_notes:
                            open_notes[key].append((tick, second))
                        else:
                            open_notes[key] = [(tick, second)]
                    elif key in open_notes:
                        # A note-off ends all open notes of its pitch but those of its own tick. Those stay open
                        # if another one ended, and are dropped if none did.
                        started = open_notes.pop(key)
                        for start_tick, velocity in started:
                            if start_tick != tick:
                                notes = self._instrument(status & 0x0F).notes
                                notes.append((start_tick, tick, first, velocity))
                        if started[0][0] != tick == started[-1][0]:
                            open_notes[key] = [note for note in started if note[0] == tick]
                elif status >= 0xE0:
                    self._controls(status & 0x0F).bends.append((tick, (first | second << 7) - 8192))
                elif status >= 0xB0:
                    self._controls(status & 0x0F).changes.append((tick, first, second))
            elif status < 0xF0:  # A program change or a channel's aftertouch: one byte.
                if midi[position] > 0x7F:
                    raise ValueError("data byte above 127")
                if status < 0xD0:
                    self._programs[status & 0x0F] = midi[position]
                position += 1
            else:
                position = self._skip_system(position, status, is_running=byte <= 0x7F)
        if position != end:
            raise ValueError("an event goes on after the end of its track")
        return tick

    def _instrument(self, channel: int) -> _Instrument:
        """Returns what plays the channel's present program; it begins with the first note that ends."""
        key = channel, self._programs[channel]
        if key not in self._instruments:
            controls = self._early_controls.get(channel) or _Controls()
            self._instruments[key] = _Instrument(key[1], channel == _DRUM_CHANNEL, self._name, controls)
            self._song.instruments.append(self._instruments[key])
        return self._instruments[key]

    def _controls(self, channel: int) -> _Controls:
        """Returns where the controls of the channel's present program go.

        Without an instrument they go to the channel's early ones, which every instrument that begins later shares:
        not what a synthesizer does, but what pretty_midi does.
        """
        instrument = self._instruments.get((channel, self._programs[channel]))
        return instrument.controls if instrument else self._early_controls.setdefault(channel, _Controls())

    def _variable_int(self, position: int) -> tuple[int, int]:
        """Returns the number of any length at `position`, and the position after it."""
        number = 0
        while True:
            byte = self._midi[position]
            position += 1
            number = number << 7 | byte & 0x7F
            if byte <= 0x7F:
                return number, position

    def _read_data(self, position: int) -> tuple[bytes, int]:
        """Returns the data that a length at `position` announces, and the position after them."""
        length, position = self._variable_int(position)
        if length > MAX_MESSAGE_LENGTH:
            raise ValueError("message too long")
        return self._midi[position : position + length], position + length

    def _read_meta(self, position: int, tick: int, delta: int) -> tuple[int, int]:
        """Reads a meta event from its type on and returns its delta and the position after it.

        mido decodes it: it knows which ones are in order, and forgets the delta of a type that it does not know.
        """
        kind = self._midi[position]
        data, position = self._read_data(position + 1)
        message = meta.build_meta_message(kind, data, delta)
        if message.type == "track_name":
            self._name = message.name
        elif self._is_first and message.type in self._song.metas:
            self._song.metas[message.type].append((tick + message.time, message))
        return message.time, position

    def _skip_system(self, position: int, status: int, *, is_running: bool) -> int:
        """Checks a system event from its data on, as mido does, and returns the position after it."""
        if status in (0xF0, 0xF7):
            # As a running status, which the standard does not know, it loses its first byte in mido.
            data, position = self._read_data(position + is_running)
            data = data.removeprefix(b"\xf0").removesuffix(b"\xf7")
        else:
            num_bytes = _NUM_SYSTEM_DATA_BYTES[status]
            if is_running and not num_bytes:
                raise ValueError("no data belong to this status")
            data = self._midi[position : position + num_bytes]
            position += num_bytes
        if not data.isascii():
            raise ValueError("data byte above 127")
        return position


def _chunk(midi: bytes, position: int, name: bytes) -> tuple[int, int]:
    """Returns where the contents of the chunk at `position` start and end."""
    if midi[position : position + 4] != name:
        raise ValueError(f"no {name.decode()}")
    start = position + 8
    return start, start + int.from_bytes(midi[position + 4 : start], "big")


def _parse(midi: bytes) -> _Song | None:
    """Reads a MIDI file's events; None if note-seq refuses the file."""
    try:
        start, end = _chunk(midi, 0, b"MThd")
        _, num_tracks, ticks_per_quarter = struct.unpack(">hhh", midi[start:end][:6])
        song = _Song(ticks_per_quarter)
        if num_tracks < 1:
            raise ValueError("no tracks")
        for index in range(num_tracks):
            start, end = _chunk(midi, end, b"MTrk")
            if not start < end <= len(midi):
                raise ValueError("an empty track, or one cut off")
            last_tick = _Track(midi, song, is_first=index == 0).read(start, end)
            if last_tick + 1 > pretty_midi.pretty_midi.MAX_TICK:
                raise ValueError("too many ticks")
    except _REFUSED:
        return None
    return song


# The events, made a NoteSequence.


class _Clock:
    """Ticks to seconds, with the same floating-point operations as pretty_midi, but only for the ticks that occur."""

    def __init__(self, song: _Song):
        """Raises ZeroDivisionError where a quarter has no ticks or a tempo no time."""
        self._ticks_per_quarter = song.ticks_per_quarter
        ticks, scales = [0], [60.0 / (_DEFAULT_QPM * song.ticks_per_quarter)]  # From which tick on, seconds per tick.
        for tick, message in song.metas["set_tempo"]:
            scale = 60.0 / (6e7 / message.tempo * song.ticks_per_quarter)
            if tick == 0:
                scales = [scale]
            elif scale != scales[-1]:
                ticks.append(tick)
                scales.append(scale)
        secs = [0.0]
        for tick, next_tick, scale in zip(ticks, ticks[1:], scales, strict=False):
            secs.append(secs[-1] + scale * (next_tick - tick))
        self._ticks, self._scales, self._secs = np.array(ticks), np.array(scales), np.array(secs)

    def secs(self, ticks: Sequence[int]) -> list[float]:
        """Returns the times of [n] ticks."""
        ticks = np.asarray(ticks, np.int64)
        tempo = np.searchsorted(self._ticks, ticks, side="right") - 1
        return (self._secs[tempo] + self._scales[tempo] * (ticks - self._ticks[tempo])).tolist()

    def tempos(self) -> list[tuple[float, float]]:
        """Returns (time in seconds, quarters a minute) of each tempo."""
        return [
            (secs, 60.0 / (scale * self._ticks_per_quarter))
            for secs, scale in zip(self.secs(self._ticks), self._scales.tolist(), strict=True)
        ]


def _note_sequence(song: _Song) -> note_seq.NoteSequence:
    clock = _Clock(song)
    sequence = note_seq.NoteSequence(ticks_per_quarter=song.ticks_per_quarter)
    sequence.source_info.parser = sequence.source_info.PRETTY_MIDI
    sequence.source_info.encoding_type = sequence.source_info.MIDI
    _add_metas(sequence, song, clock)
    for number, instrument in enumerate(song.instruments):
        if instrument.name:
            sequence.instrument_infos.add(name=instrument.name, instrument=number)
        _add_notes(sequence, instrument, number, clock)
        _add_controls(sequence, instrument, number, clock)
    return sequence


def _add_metas(sequence: note_seq.NoteSequence, song: _Song, clock: _Clock) -> None:
    """Raises ValueError for metres and keys that pretty_midi or note-seq has no place for."""
    for tick, message in song.metas["time_signature"]:
        metre = pretty_midi.TimeSignature(message.numerator, message.denominator, *clock.secs([tick]))
        if metre.denominator >= 1 << 31:
            raise ValueError(f"Invalid time signature denominator {metre.denominator}")
        sequence.time_signatures.add(time=metre.time, numerator=metre.numerator, denominator=metre.denominator)
    for tick, message in song.metas["key_signature"]:
        key = pretty_midi.KeySignature(pretty_midi.key_name_to_key_number(message.key), *clock.secs([tick]))
        mode, tonic = divmod(key.key_number, 12)
        sequence.key_signatures.add(time=key.time, key=tonic, mode=mode)
    for secs, qpm in clock.tempos():
        sequence.tempos.add(time=secs, qpm=qpm)


def _add_notes(sequence: note_seq.NoteSequence, instrument: _Instrument, number: int, clock: _Clock) -> None:
    """Raises ValueError for a note that ends before it starts: pretty_midi takes SMPTE frames for negative time."""
    start_ticks, end_ticks, pitches, velocities = zip(*instrument.notes, strict=True)
    program, is_drum, total_secs = instrument.program, instrument.is_drum, sequence.total_time
    add = sequence.notes.add
    for start_secs, end_secs, pitch, velocity in zip(
        clock.secs(start_ticks), clock.secs(end_ticks), pitches, velocities, strict=True
    ):
        if end_secs < start_secs:
            raise ValueError("a note ends before it starts")
        if not total_secs or end_secs > total_secs:
            total_secs = end_secs
        note = add()
        note.instrument = number
        note.program = program
        note.start_time = start_secs
        note.end_time = end_secs
        note.pitch = pitch
        note.velocity = velocity
        note.is_drum = is_drum
    sequence.total_time = total_secs


def _add_controls(sequence: note_seq.NoteSequence, instrument: _Instrument, number: int, clock: _Clock) -> None:
    program, is_drum = instrument.program, instrument.is_drum
    bends, changes = instrument.controls.bends, instrument.controls.changes
    for secs, (_, bend) in zip(clock.secs([tick for tick, _ in bends]), bends, strict=True):
        sequence.pitch_bends.add(instrument=number, program=program, time=secs, bend=bend, is_drum=is_drum)
    add = sequence.control_changes.add
    for secs, (_, control, value) in zip(clock.secs([tick for tick, _, _ in changes]), changes, strict=True):
        change = add()
        change.instrument = number
        change.program = program
        change.time = secs
        change.control_number = control
        change.control_value = value
        change.is_drum = is_drum
