"""Groove's columns in NoteSequences: kept, read back, in the way of nothing that reads those."""

from __future__ import annotations

import copy
import json

import note_seq
import numpy as np
import pytest
from note_seq import sequences_lib

from grooves import metadata
from tests import midi_files

ROW = {
    "drummer": "drummer1",
    "session": "drummer1/session1",
    "id": "drummer1/session1/10",
    "style": "jazz/funk",
    "bpm": "116",
    "beat_type": "fill",
    "time_signature": "4-4",
    "midi_filename": "drummer1/session1/10_jazz-funk_116_fill_4-4.mid",
    "audio_filename": "",
    "duration": "1.872843",
    "split": "train",
}


def test_what_is_written_is_read_back_and_lies_where_note_seq_has_fields_for_it():
    sequence = midi_files.sequence(midi_files.groove(4))
    metadata.write(sequence, ROW, "roland")
    sequence = note_seq.NoteSequence.FromString(sequence.SerializeToString())
    assert metadata.read(sequence) == (ROW, "roland")
    assert sequence.sequence_metadata.artist == "drummer1"
    assert list(sequence.sequence_metadata.genre) == ["jazz", "funk"]
    assert sequence.sequence_metadata.title == "drummer1/session1/10"
    (annotation,) = sequence.text_annotations
    assert annotation.annotation_type == note_seq.NoteSequence.TextAnnotation.UNKNOWN == metadata.UNKNOWN
    assert annotation.time == 0
    assert json.loads(annotation.text) == {"columns": ROW, "drum_map": "roland"}


def test_writing_again_replaces_and_leaves_what_is_not_ours():
    sequence = note_seq.NoteSequence()
    sequence.text_annotations.add(time=1, text="Am", annotation_type=note_seq.NoteSequence.TextAnnotation.CHORD_SYMBOL)
    sequence.sequence_metadata.artist = "somebody"
    metadata.write(sequence, {"style": "größe/鼓", "mood": '"a\\b"\n'}, "gm")
    assert sequence.sequence_metadata.artist == "somebody"
    assert metadata.read(sequence) == ({"style": "größe/鼓", "mood": '"a\\b"\n'}, "gm")
    metadata.write(sequence, {"style": "rock"}, "roland")
    assert metadata.read(sequence) == ({"style": "rock"}, "roland")
    assert sequence.text_annotations[0].text == "Am"
    assert len(sequence.text_annotations) == 2
    assert list(sequence.sequence_metadata.genre) == ["rock"]


def test_without_columns_only_the_drum_map_is_kept():
    sequence = note_seq.NoteSequence()
    metadata.write(sequence, {}, "gm")
    assert not sequence.HasField("sequence_metadata")
    assert metadata.read(sequence) == ({}, "gm")


@pytest.mark.parametrize(
    "text",
    [
        "", "verse", "{", "[1]", "{}", '{"columns": {}}', '{"columns": [], "drum_map": "gm"}',
        '{"columns": {"bpm": 90}, "drum_map": "gm"}', '{"columns": {}, "drum_map": null}', '{"a":' * 100_000,
    ],
)  # fmt: skip
def test_annotations_of_others_are_passed_over(text):
    sequence = note_seq.NoteSequence()
    sequence.text_annotations.add(time=0, text=text)
    assert metadata.read(sequence) == ({}, "")
    metadata.write(sequence, {"style": "rock"}, "gm")
    assert metadata.read(sequence) == ({"style": "rock"}, "gm")
    assert sequence.text_annotations[0].text == text


def test_note_seq_and_magenta_make_the_same_of_a_sequence_with_columns():
    from magenta.models.music_vae import data

    plain = midi_files.sequence(midi_files.groove(6))
    with_columns = copy.deepcopy(plain)
    metadata.write(with_columns, ROW, "roland")
    for change in (
        lambda sequence: note_seq.quantize_note_sequence(sequence, 4),
        lambda sequence: sequences_lib.extract_subsequence(sequence, 1.0, 5.0),
        lambda sequence: sequences_lib.stretch_note_sequence(sequence, 1.1),
    ):
        assert change(with_columns).notes == change(plain).notes
    parts, plain_parts = (
        sequences_lib.split_note_sequence_on_time_changes(sequence) for sequence in (with_columns, plain)
    )
    assert [part.notes for part in parts] == [part.notes for part in plain_parts]
    assert metadata.read(note_seq.quantize_note_sequence(with_columns, 4)) == (ROW, "roland")
    for converter in (
        data.DrumsConverter(slice_bars=4, gap_bars=None),
        data.GrooveConverter(split_bars=4, hop_size=1, steps_per_quarter=4),
    ):
        converter.set_mode("eval")
        made, expected = converter.to_tensors(with_columns), converter.to_tensors(plain)
        assert len(made.inputs) == len(expected.inputs) > 0
        for one, other in zip(made.outputs, expected.outputs, strict=True):
            np.testing.assert_array_equal(one, other)
