"""One file → one performance: its NoteSequence with what there is to count in it, or the reason why there is none.

Everything here runs in worker processes, on one machine or many; TensorFlow is not needed.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from grooves import channels, drums, metadata, timing
from pipelines.dataset.inputs import sequence_files
from pipelines.dataset.inputs.source import MIDI, MUSICXML, NOTESEQUENCE, Source
from pipelines.dataset.report.facts import Facts, describe
from pipelines.dataset.selection import Selection

if TYPE_CHECKING:
    import note_seq

PRELOAD = ("pipelines.dataset.formats.midi",)  # With note_seq: a second, that a worker spends before its first file.


@dataclasses.dataclass(frozen=True)
class Options:
    """What the conversion of one file depends on.

    Attributes:
        drum_map: How pitches are read; None for what the hits speak for.
        otherwise: Without a drum map, the one of a performance whose hits fit both.
        drum_channel: Which of MIDI's channels has the drums, counted from 1; "all": every note is a drum.
        stride_bars: From one window to the next; the report counts windows.
        selection: Which performances to take.
    """

    drum_map: drums.DrumMap | None = None
    otherwise: drums.DrumMap = drums.GM
    drum_channel: channels.DrumChannel = channels.PERCUSSION
    stride_bars: int = 1
    selection: Selection = dataclasses.field(default_factory=Selection)


@dataclasses.dataclass(frozen=True)
class Converted:
    """A file after conversion: its NoteSequence with what there is to count in it, or the reason why there is none.

    Attributes:
        name: The file's path inside of its collection.
        collection: The collection's name.
        split: "train", "validation" or "test".
        record: The serialized NoteSequence; empty where skipped.
        skipped: "kind of reason: detail"; empty where not skipped.
        facts: What the report counts; None where skipped.
    """

    name: str
    collection: str
    split: str
    record: bytes = b""
    skipped: str = ""
    facts: Facts | None = None


def convert_file(source: Source, options: Options) -> Converted:
    """Converts one file; nothing in it makes this raise."""
    skip = functools.partial(Converted, source.name, source.collection, source.split)
    reason = options.selection.reason_before_reading(source)
    if reason:
        return skip(skipped=reason)
    try:
        data = read(source)
        sequence = parse(source, data, options.drum_channel)
    except ValueError as error:
        return skip(skipped=str(error))
    row, kept_map = metadata.read(sequence)  # There are some in a NoteSequence that was converted here before.
    row = dict(source.columns) or row
    reason = drums.reason_to_skip(
        sequence, options.drum_channel, functools.partial(count_by_channel, source, data, sequence)
    ) or options.selection.reason_to_leave_out(row, source.split, timing.qpm_of(sequence), drums.metres(sequence))
    if reason:
        return skip(skipped=reason)
    drum_map = options.drum_map or kept_map or drums.choose_map(sequence, options.otherwise)
    if source.kind != NOTESEQUENCE:
        identify(sequence, source)
    metadata.write(sequence, row, drum_map)
    facts = describe(sequence, drum_map, row.get("style", ""), options.stride_bars)
    return skip(record=sequence.SerializeToString(deterministic=True), facts=facts)


def read(source: Source) -> bytes:
    """Returns what is in a file; raises ValueError, "unreadable: detail", where it cannot be read."""
    try:
        return source.read()
    except (OSError, ValueError) as error:
        raise ValueError(f"unreadable: {error}") from error


def parse(source: Source, data: bytes, drum_channel: channels.DrumChannel) -> note_seq.NoteSequence:
    """Returns the NoteSequence of a file of whatever kind, its drums marked.

    A NoteSequence has no channels and says itself which notes are drums; only "all" changes that.

    Raises:
        ValueError: "kind of reason: detail"
    """
    from pipelines.dataset.formats import midi, musicxml  # Only the workers spend the second.

    if source.kind == MUSICXML:
        score = musicxml.read_musicxml(data, source.name)
        for note in score.notes:  # Of its drums, note-seq keeps no more than the channel, as the instrument.
            note.is_drum = channels.has_drums(note.instrument, drum_channel)
        return score
    if source.kind == MIDI:
        return midi.read_midi(data, drum_channel)
    try:
        sequence = sequence_files.parse(data)
    except ValueError as error:
        raise ValueError(f"unreadable NoteSequence: {error}") from error
    if drum_channel == channels.ALL:
        for event in (*sequence.notes, *sequence.pitch_bends, *sequence.control_changes):
            event.is_drum = True
    return sequence


def count_by_channel(source: Source, data: bytes, sequence: note_seq.NoteSequence) -> Mapping[int, int]:
    """Returns the number of notes of each channel, counted from 1, of a file and what it was parsed to; {} without."""
    from pipelines.dataset.formats import midi

    if source.kind == MUSICXML:
        return collections.Counter(note.instrument for note in sequence.notes)
    return midi.count_by_channel(data) if source.kind == MIDI else {}


def identify(sequence: note_seq.NoteSequence, source: Source) -> None:
    """Says in a NoteSequence where it comes from, in the form of Magenta's convert_dir_to_note_sequences."""
    sequence.filename = source.name
    sequence.collection_name = source.collection
    sequence.id = f"/id/{source.kind}/{source.collection}/{hashlib.sha1(source.name.encode()).hexdigest()}"


def find_evidence(source: Source, drum_channel: channels.DrumChannel) -> drums.DrumMap | None:
    """Returns the drum map that a file's hits speak for, None where they fit both or it cannot be read."""
    try:
        return drums.evidence(drums.drum_pitches(parse(source, read(source), drum_channel)))
    except ValueError:
        return None
