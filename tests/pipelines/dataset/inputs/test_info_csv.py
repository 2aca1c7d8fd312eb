"""The table info.csv: columns, spellings of paths, splits."""

from __future__ import annotations

import pytest

from pipelines.dataset.inputs import info_csv

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
    rows = info_csv.read_table(GROOVE.encode(), "groove/")
    name = "groove/drummer1/session1/10_jazz-funk_116_fill_4-4.mid"
    assert list(rows) == [name]
    assert (rows[name].name, rows[name].split, rows[name].line) == (name, "train", 2)
    assert rows[name].columns() == ROW


def test_other_columns_a_byte_order_mark_windows_lines_and_empty_fields():
    table = b'\xef\xbb\xbfsplit,mood,midi_filename,key\r\ntest,sad,"a, b.mid"\r\n\r\ntrain,,b.mid,c,surplus\r\n'
    rows = info_csv.read_table(table, "")
    assert [row.columns() for row in rows.values()] == [
        {"split": "test", "mood": "sad", "midi_filename": "a, b.mid", "key": ""},
        {"split": "train", "mood": "", "midi_filename": "b.mid", "key": "c"},
    ]


@pytest.mark.parametrize(
    ("written", "on_disk"),
    [(r"a\b.mid", "x/a/b.mid"), ("./a/b.mid", "x/a/b.mid"), ("gr\u00f6\u00dfe.mid", "x/gro\u0308\u00dfe.mid")],
)
def test_a_file_is_found_under_other_spellings_of_its_path(written, on_disk):
    rows = info_csv.read_table(f"{HEADER}{written},test\n".encode(), "x/")
    assert rows[info_csv.key(on_disk)].split == "test"


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
        info_csv.read_table(table.encode(), "")
    assert str(caught.value) == expected
