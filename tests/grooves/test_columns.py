"""Groove's columns: from info.csv into NoteSequences and back, in the way of nothing that reads those."""

from __future__ import annotations

import copy
import json

import note_seq
import numpy as np
import pytest
from note_seq import sequences_lib

from grooves import columns
from tests import midi_files

HEADER = "midi_filename,split\n"
ACCEPTED = "accepted splits: train, validation, test"
GROOVE = (
    "drummer,session,id,style,bpm,beat_type,time_signature,midi_filename,audio_filename,duration,split\n"
    "drummer1,drummer1/session1,drummer1/session1/10,jazz/funk,116,fill,4-4,"
    "drummer1/session1/10_jazz-funk_116_fill_4-4.mid,,1.872843,train\n"
)
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


def test_all_columns_of_groove_are_read():
    rows = columns.read_table(GROOVE.encode(), "groove/")
    name = "groove/drummer1/session1/10_jazz-funk_116_fill_4-4.mid"
    assert list(rows) == [name]
    assert (rows[name].name, rows[name].split, rows[name].line) == (name, "train", 2)
    assert rows[name].columns() == ROW


def test_other_columns_a_byte_order_mark_windows_lines_and_empty_fields():
    table = b'\xef\xbb\xbfsplit,mood,midi_filename,key\r\ntest,sad,"a, b.mid"\r\n\r\ntrain,,b.mid,c,surplus\r\n'
    rows = columns.read_table(table, "")
    assert [row.columns() for row in rows.values()] == [
        {"split": "test", "mood": "sad", "midi_filename": "a, b.mid", "key": ""},
        {"split": "train", "mood": "", "midi_filename": "b.mid", "key": "c"},
    ]


@pytest.mark.parametrize(
    ("written", "on_disk"),
    [(r"a\b.mid", "x/a/b.mid"), ("./a/b.mid", "x/a/b.mid"), ("gr\u00f6\u00dfe.mid", "x/gro\u0308\u00dfe.mid")],
)
def test_a_file_is_found_under_other_spellings_of_its_path(written, on_disk):
    rows = columns.read_table(f"{HEADER}{written},test\n".encode(), "x/")
    assert rows[columns.key(on_disk)].split == "test"


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (f"{HEADER}a.mid,train\nb.mid,dev\n", "line 3: file 'b.mid' in split 'dev'; " + ACCEPTED),
        (f"{HEADER}a.mid\n", "line 2: file 'a.mid' in split None; " + ACCEPTED),
        ("split,midi_filename\ntrain\n", "line 2: file None in split 'train'; " + ACCEPTED),
        ("file,split\na.mid,train\n", "it needs the columns midi_filename and split; found ['file', 'split']"),
        ("", "it needs the columns midi_filename and split; found None"),
        (f'{HEADER}"{"x" * 200_000}",train\n', "field larger than field limit (131072)"),
        (
            f"{HEADER}a.mid,train\n./a.mid,train\na.mid,test\n",
            "line 4: file 'a.mid' in split 'test', and on line 3 in 'train'",
        ),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_followed_is_an_error(table, expected):
    with pytest.raises(ValueError) as caught:
        columns.read_table(table.encode(), "")
    assert str(caught.value) == expected


def test_what_is_written_is_read_back_and_lies_where_note_seq_has_fields_for_it():
    sequence = midi_files.sequence(midi_files.groove(4))
    columns.write(sequence, ROW, "roland")
    sequence = note_seq.NoteSequence.FromString(sequence.SerializeToString())
    assert columns.read(sequence) == (ROW, "roland")
    assert sequence.sequence_metadata.artist == "drummer1"
    assert list(sequence.sequence_metadata.genre) == ["jazz", "funk"]
    assert sequence.sequence_metadata.title == "drummer1/session1/10"
    (annotation,) = sequence.text_annotations
    assert annotation.annotation_type == note_seq.NoteSequence.TextAnnotation.UNKNOWN == columns.UNKNOWN
    assert annotation.time == 0
    assert json.loads(annotation.text) == {"columns": ROW, "drum_map": "roland"}


def test_writing_again_replaces_and_leaves_what_is_not_ours():
    sequence = note_seq.NoteSequence()
    sequence.text_annotations.add(time=1, text="Am", annotation_type=note_seq.NoteSequence.TextAnnotation.CHORD_SYMBOL)
    sequence.sequence_metadata.artist = "somebody"
    columns.write(sequence, {"style": "größe/鼓", "mood": '"a\\b"\n'}, "gm")
    assert sequence.sequence_metadata.artist == "somebody"
    assert columns.read(sequence) == ({"style": "größe/鼓", "mood": '"a\\b"\n'}, "gm")
    columns.write(sequence, {"style": "rock"}, "roland")
    assert columns.read(sequence) == ({"style": "rock"}, "roland")
    assert sequence.text_annotations[0].text == "Am"
    assert len(sequence.text_annotations) == 2
    assert list(sequence.sequence_metadata.genre) == ["rock"]


def test_without_columns_only_the_drum_map_is_kept():
    sequence = note_seq.NoteSequence()
    columns.write(sequence, {}, "gm")
    assert not sequence.HasField("sequence_metadata")
    assert columns.read(sequence) == ({}, "gm")


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
    assert columns.read(sequence) == ({}, "")
    columns.write(sequence, {"style": "rock"}, "gm")
    assert columns.read(sequence) == ({"style": "rock"}, "gm")
    assert sequence.text_annotations[0].text == text


def test_note_seq_and_magenta_make_the_same_of_a_sequence_with_columns():
    from magenta.models.music_vae import data

    plain = midi_files.sequence(midi_files.groove(6))
    with_columns = copy.deepcopy(plain)
    columns.write(with_columns, ROW, "roland")
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
    assert columns.read(note_seq.quantize_note_sequence(with_columns, 4)) == (ROW, "roland")
    for converter in (
        data.DrumsConverter(slice_bars=4, gap_bars=None),
        data.GrooveConverter(split_bars=4, hop_size=1, steps_per_quarter=4),
    ):
        converter.set_mode("eval")
        made, expected = converter.to_tensors(with_columns), converter.to_tensors(plain)
        assert len(made.inputs) == len(expected.inputs) > 0
        for one, other in zip(made.outputs, expected.outputs, strict=True):
            np.testing.assert_array_equal(one, other)
