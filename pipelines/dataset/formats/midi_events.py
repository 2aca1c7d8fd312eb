"""What is played in the bytes of a MIDI file: its events, read in one pass, as mido and pretty_midi read them."""

from __future__ import annotations

import dataclasses
import struct

from mido.midifiles import meta
from mido.midifiles.midifiles import MAX_MESSAGE_LENGTH

from pipelines.files import midi_files

with midi_files.importing_libraries():
    import pretty_midi

_META = 0xFF
_NO_STATUS = 0xFF  # Of a track's beginning: no event leaves it behind.
_NUM_SYSTEM_DATA_BYTES = {0xF1: 1, 0xF2: 2, 0xF3: 1, 0xF6: 0, 0xF8: 0, 0xFA: 0, 0xFB: 0, 0xFC: 0, 0xFE: 0}
_REFUSED = (LookupError, ValueError, struct.error, meta.KeySignatureError)


@dataclasses.dataclass
class Controls:
    """Control changes (tick, number, value) and pitch bends (tick, bend in [-8192, 8191])."""

    changes: list[tuple[int, int, int]] = dataclasses.field(default_factory=list)
    bends: list[tuple[int, int]] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Instrument:
    """What one program plays on one channel of one track; notes are (start tick, end tick, pitch, velocity)."""

    program: int
    channel: int  # Counted from 1.
    name: str
    controls: Controls
    notes: list[tuple[int, int, int, int]] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Song:
    """What a NoteSequence takes from a MIDI file. All ticks count from the beginning."""

    ticks_per_quarter: int  # Negative where time is in SMPTE frames.
    instruments: list[Instrument] = dataclasses.field(default_factory=list)  # In the order of their first notes' ends.
    # The first track's, with their ticks, by mido's names.
    metas: dict[str, list[tuple[int, meta.MetaMessage]]] = dataclasses.field(
        default_factory=lambda: {"set_tempo": [], "time_signature": [], "key_signature": []}
    )


class _Track:
    """Reads one track into its song. What mido refuses raises one of `_REFUSED`."""

    def __init__(self, midi: bytes, song: Song, *, is_first: bool):
        self._midi = midi
        self._song = song
        self._is_first = is_first
        self._name = ""
        self._programs = [0] * 16  # Of each channel.
        self._instruments: dict[tuple[int, int], Instrument] = {}  # By channel and program.
        self._early_controls: dict[int, Controls] = {}  # By channel.

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

    def _instrument(self, channel: int) -> Instrument:
        """Returns what plays the channel's present program; it begins with the first note that ends."""
        key = channel, self._programs[channel]
        if key not in self._instruments:
            controls = self._early_controls.get(channel) or Controls()
            self._instruments[key] = Instrument(key[1], channel + 1, self._name, controls)
            self._song.instruments.append(self._instruments[key])
        return self._instruments[key]

    def _controls(self, channel: int) -> Controls:
        """Returns where the controls of the channel's present program go.

        Without an instrument they go to the channel's early ones, which every instrument that begins later shares:
        not what a synthesizer does, but what pretty_midi does.
        """
        instrument = self._instruments.get((channel, self._programs[channel]))
        return instrument.controls if instrument else self._early_controls.setdefault(channel, Controls())

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


def parse(midi: bytes) -> Song | None:
    """Reads a MIDI file's events; None if note-seq refuses the file."""
    try:
        start, end = _chunk(midi, 0, b"MThd")
        _, num_tracks, ticks_per_quarter = struct.unpack(">hhh", midi[start:end][:6])
        song = Song(ticks_per_quarter)
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
