"""From the bytes of a MIDI file to the NoteSequence that note-seq makes of them.

note-seq reads MIDI through mido and pretty_midi, with an object for each event and an array over all ticks. `read_midi`
makes the same NoteSequence in one pass over the bytes, in about an eighth of the time. What it cannot read goes to
note-seq, which says why. The library symusic reads faster still, but pairs a note-off with one open note where
pretty_midi ends all, keeps notes of no length, and is strict and lenient about other damages than mido: hence this one.
"""

from __future__ import annotations

import collections
import io
import warnings
from collections.abc import Sequence

import mido
import numpy as np

from grooves import channels
from pipelines.dataset.formats import midi_events
from pipelines.files import midi_files

with midi_files.importing_libraries():
    import note_seq
    import pretty_midi

_DEFAULT_QPM = 120.0
_STUMBLES = {
    IndexError: "a meta event is too short",
    KeyError: "an SMPTE offset with an unknown frame rate",
    ZeroDivisionError: "a tempo or a time division of zero",
}


def read_midi(midi: bytes, drum_channel: channels.DrumChannel = channels.PERCUSSION) -> note_seq.NoteSequence:
    """Parses a MIDI file, exactly as note-seq does but for the channel that has the drums.

    Args:
        midi: The file.
        drum_channel: Whose notes are marked as drums, counted from 1; "all" marks every note.

    Raises:
        ValueError: it is not a MIDI file, or a damaged one.
    """
    song = midi_events.parse(midi)
    try:
        return _note_sequence(song, drum_channel) if song else _read_with_note_seq(midi, drum_channel)
    except Exception as error:  # The parsers raise nearly everything.
        is_smpte = song is not None and song.ticks_per_quarter < 0
        reason = "its time is in SMPTE frames, not in quarters" if is_smpte else _reason(error)
        raise ValueError(f"unreadable MIDI: {reason}") from error


def count_by_channel(midi: bytes) -> dict[int, int]:
    """Returns the number of notes of each channel that has some, counted from 1; {} of what cannot be read."""
    song = midi_events.parse(midi)
    counts = collections.Counter()
    for instrument in song.instruments if song else ():
        counts[instrument.channel] += len(instrument.notes)
    return dict(sorted(counts.items()))


def _reason(error: Exception) -> str:
    """Returns why a MIDI file was refused, also where the parser only stumbles over it."""
    if str(error).startswith("max()"):
        return "no tracks, or one without events"
    return _STUMBLES.get(type(error)) or first_line(error) or "the file ends too early"


def first_line(error: Exception) -> str:
    """Returns the beginning of what an error says, on one line; empty where it says nothing."""
    return (str(error).strip().splitlines() or [""])[0][:120]


def _read_with_note_seq(midi: bytes, drum_channel: channels.DrumChannel = channels.PERCUSSION) -> note_seq.NoteSequence:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pretty_midi's advice on tempos that stand in other tracks than the first.
        # Parsed here, because note-seq would take Ctrl-C for a damaged file.
        if drum_channel in (channels.PERCUSSION, channels.ALL):
            parsed = pretty_midi.PrettyMIDI(io.BytesIO(midi))
        else:
            parsed = pretty_midi.PrettyMIDI(mido_object=_as_percussion(midi, drum_channel))
        if drum_channel == channels.ALL:
            for instrument in parsed.instruments:
                instrument.is_drum = True
        return note_seq.midi_to_note_sequence(parsed)


def _as_percussion(midi: bytes, channel: int) -> mido.MidiFile:
    """Returns a MIDI file in which a channel has changed places with the one that pretty_midi takes for drums."""
    parsed = mido.MidiFile(file=io.BytesIO(midi), charset="latin1")  # pretty_midi's charset.
    other = {channel - 1: channels.PERCUSSION - 1, channels.PERCUSSION - 1: channel - 1}  # mido counts from 0.
    for message in (message for track in parsed.tracks for message in track if hasattr(message, "channel")):
        message.channel = other.get(message.channel, message.channel)
    return parsed


class _Clock:
    """Ticks to seconds, with the same floating-point operations as pretty_midi, but only for the ticks that occur."""

    def __init__(self, song: midi_events.Song):
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


def _note_sequence(song: midi_events.Song, drum_channel: channels.DrumChannel) -> note_seq.NoteSequence:
    clock = _Clock(song)
    sequence = note_seq.NoteSequence(ticks_per_quarter=song.ticks_per_quarter)
    sequence.source_info.parser = sequence.source_info.PRETTY_MIDI
    sequence.source_info.encoding_type = sequence.source_info.MIDI
    _add_metas(sequence, song, clock)
    for number, instrument in enumerate(song.instruments):
        if instrument.name:
            sequence.instrument_infos.add(name=instrument.name, instrument=number)
        is_drum = channels.has_drums(instrument.channel, drum_channel)
        _add_notes(sequence, instrument, number, is_drum, clock)
        _add_controls(sequence, instrument, number, is_drum, clock)
    return sequence


def _add_metas(sequence: note_seq.NoteSequence, song: midi_events.Song, clock: _Clock) -> None:
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


def _add_notes(
    sequence: note_seq.NoteSequence, instrument: midi_events.Instrument, number: int, is_drum: bool, clock: _Clock
) -> None:
    """Raises ValueError for a note that ends before it starts: pretty_midi takes SMPTE frames for negative time."""
    start_ticks, end_ticks, pitches, velocities = zip(*instrument.notes, strict=True)
    program, total_secs = instrument.program, sequence.total_time
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


def _add_controls(
    sequence: note_seq.NoteSequence, instrument: midi_events.Instrument, number: int, is_drum: bool, clock: _Clock
) -> None:
    program, bends, changes = instrument.program, instrument.controls.bends, instrument.controls.changes
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
