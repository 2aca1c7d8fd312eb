"""One file → one performance: its NoteSequence with what there is to count in it, or the reason why there is none.

Everything here runs in worker processes, on one machine or many; TensorFlow is not needed.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from typing import TYPE_CHECKING

from grooves import drums, metadata, timing
from pipelines.dataset.inputs import sequence_files
from pipelines.dataset.inputs.source import MIDI, MUSICXML, NOTESEQUENCE, Source
from pipelines.dataset.report.facts import Facts, describe
from pipelines.dataset.selection import Selection

if TYPE_CHECKING:
    import note_seq

PRELOAD = ("pipelines.dataset.formats.midi",)  # With note_seq: a second, that a worker spends before its first file.
MUSICXML_DRUM_CHANNEL = 10  # Counted from 1, where MIDI counts from 0.


@dataclasses.dataclass(frozen=True)
class Options:
    """What the conversion of one file depends on.

    Attributes:
        drum_map: "roland", "gm", or "auto" for what the hits speak for.
        otherwise: With "auto", the map of a performance whose hits fit both.
        stride_bars: From one window to the next; the report counts windows.
        selection: Which performances to take.
    """

    drum_map: str = drums.AUTO
    otherwise: str = drums.GM
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
        sequence = read_sequence(source)
    except ValueError as error:
        return skip(skipped=str(error))
    row, drum_map = metadata.read(sequence)  # There are some in a NoteSequence that was converted here before.
    row = dict(source.columns) or row
    reason = drums.reason_to_skip(sequence) or options.selection.reason_to_leave_out(
        row, source.split, timing.qpm_of(sequence), drums.metres(sequence)
    )
    if reason:
        return skip(skipped=reason)
    if options.drum_map != drums.AUTO:
        drum_map = options.drum_map
    if drum_map not in drums.DRUM_MAPS:
        drum_map = drums.choose_map(sequence, options.otherwise)
    if source.kind != NOTESEQUENCE:
        identify(sequence, source)
    metadata.write(sequence, row, drum_map)
    facts = describe(sequence, drum_map, row.get("style", ""), options.stride_bars)
    return skip(record=sequence.SerializeToString(deterministic=True), facts=facts)


def read_sequence(source: Source) -> note_seq.NoteSequence:
    """Reads a file, of whatever kind.

    Raises:
        ValueError: "kind of reason: detail"
    """
    from pipelines.dataset.formats import midi, musicxml  # Only the workers spend the second.

    try:
        data = source.read()
    except (OSError, ValueError) as error:
        raise ValueError(f"unreadable: {error}") from error
    if source.kind == MUSICXML:
        score = musicxml.read_musicxml(data, source.name)
        for note in score.notes:  # Of its drums, note-seq keeps no more than the channel, as the instrument.
            note.is_drum = note.instrument == MUSICXML_DRUM_CHANNEL
        return score
    if source.kind == MIDI:
        return midi.read_midi(data)
    try:
        return sequence_files.parse(data)
    except ValueError as error:
        raise ValueError(f"unreadable NoteSequence: {error}") from error


def identify(sequence: note_seq.NoteSequence, source: Source) -> None:
    """Says in a NoteSequence where it comes from, in the form of Magenta's convert_dir_to_note_sequences."""
    sequence.filename = source.name
    sequence.collection_name = source.collection
    sequence.id = f"/id/{source.kind}/{source.collection}/{hashlib.sha1(source.name.encode()).hexdigest()}"


def find_evidence(source: Source) -> str:
    """Returns the drum map that a file's hits speak for, empty where they fit both or it cannot be read."""
    try:
        return drums.evidence(drums.drum_pitches(read_sequence(source)))
    except ValueError:
        return ""
