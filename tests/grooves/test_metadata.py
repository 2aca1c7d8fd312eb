"""Groove's columns in NoteSequences: kept, read back, in the way of nothing that reads those."""

from __future__ import annotations

import copy
import json

import note_seq
import numpy as np
import pytest
from note_seq import sequences_lib

from grooves import drums, metadata
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
    metadata.write(sequence, ROW, drums.ROLAND)
    sequence = note_seq.NoteSequence.FromString(sequence.SerializeToString())
    assert metadata.read(sequence) == (ROW, drums.ROLAND)
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
    metadata.write(sequence, {"style": "größe/鼓", "mood": '"a\\b"\n'}, drums.GM)
    assert sequence.sequence_metadata.artist == "somebody"
    assert metadata.read(sequence) == ({"style": "größe/鼓", "mood": '"a\\b"\n'}, drums.GM)
    metadata.write(sequence, {"style": "rock"}, drums.ROLAND)
    assert metadata.read(sequence) == ({"style": "rock"}, drums.ROLAND)
    assert sequence.text_annotations[0].text == "Am"
    assert len(sequence.text_annotations) == 2
    assert list(sequence.sequence_metadata.genre) == ["rock"]


def test_without_columns_only_the_drum_map_is_kept():
    sequence = note_seq.NoteSequence()
    metadata.write(sequence, {}, drums.GM)
    assert not sequence.HasField("sequence_metadata")
    assert metadata.read(sequence) == ({}, drums.GM)


def test_of_a_map_of_ones_own_the_drums_are_kept_with_its_name():
    own = drums.DrumMap.of("größe.txt", {60: 0, 38: 1, 100: 2})
    sequence = note_seq.NoteSequence()
    metadata.write(sequence, ROW, own)
    (annotation,) = sequence.text_annotations
    assert json.loads(annotation.text) == {
        "columns": ROW,
        "drum_map": "größe.txt",
        "drums": {"60": "kick", "38": "snare", "100": "closed hi-hat"},
    }
    assert metadata.read(note_seq.NoteSequence.FromString(sequence.SerializeToString())) == (ROW, own)
    metadata.write(sequence, ROW, drums.GM)
    assert metadata.read(sequence) == (ROW, drums.GM)
    assert len(sequence.text_annotations) == 1


def test_a_map_of_ones_own_that_is_called_as_a_known_one_stays_ones_own():
    own = drums.DrumMap.of("roland", {60: 0})
    sequence = note_seq.NoteSequence()
    metadata.write(sequence, {}, own)
    assert metadata.read(sequence) == ({}, own)


def test_columns_are_read_beside_the_name_of_a_map_that_is_not_known():
    sequence = note_seq.NoteSequence()
    sequence.text_annotations.add(time=0, text='{"columns": {"style": "rock"}, "drum_map": "of a later version"}')
    assert metadata.read(sequence) == ({"style": "rock"}, None)


@pytest.mark.parametrize(
    "text",
    [
        "", "verse", "{", "[1]", "{}", '{"columns": {}}', '{"columns": [], "drum_map": "gm"}',
        '{"columns": {"bpm": 90}, "drum_map": "gm"}', '{"columns": {}, "drum_map": null}', '{"a":' * 100_000,
        '{"columns": {}, "drum_map": "x", "drums": 1}', '{"columns": {}, "drum_map": "x", "drums": {"C1": "kick"}}',
        '{"columns": {}, "drum_map": "x", "drums": {"36": "kik"}}', '{"columns": {}, "drum_map": "x", "drums": [36]}',
        '{"columns": {}, "drum_map": "x", "drums": {"36": null}}',
        '{"columns": {}, "drum_map": "x", "drums": {"36": []}}',
    ],
)  # fmt: skip
def test_annotations_of_others_are_passed_over(text):
    sequence = note_seq.NoteSequence()
    sequence.text_annotations.add(time=0, text=text)
    assert metadata.read(sequence) == ({}, None)
    metadata.write(sequence, {"style": "rock"}, drums.GM)
    assert metadata.read(sequence) == ({"style": "rock"}, drums.GM)
    assert sequence.text_annotations[0].text == text


def test_note_seq_and_magenta_make_the_same_of_a_sequence_with_columns():
    from magenta.models.music_vae import data

    plain = midi_files.sequence(midi_files.groove(6))
    with_columns = copy.deepcopy(plain)
    metadata.write(with_columns, ROW, drums.ROLAND)
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
    assert metadata.read(note_seq.quantize_note_sequence(with_columns, 4)) == (ROW, drums.ROLAND)
    for converter in (
        data.DrumsConverter(slice_bars=4, gap_bars=None),
        data.GrooveConverter(split_bars=4, hop_size=1, steps_per_quarter=4),
    ):
        converter.set_mode("eval")
        made, expected = converter.to_tensors(with_columns), converter.to_tensors(plain)
        assert len(made.inputs) == len(expected.inputs) > 0
        for one, other in zip(made.outputs, expected.outputs, strict=True):
            np.testing.assert_array_equal(one, other)
