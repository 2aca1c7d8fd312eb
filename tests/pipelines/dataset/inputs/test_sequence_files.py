"""TFRecords of NoteSequences: which files are meant, what their records are called, which splits they are in."""

from __future__ import annotations

import gzip
import pathlib
import time

import note_seq
import pytest

from grooves import drums, metadata
from pipelines.dataset.formats import tfrecords
from pipelines.dataset.inputs import sequence_files
from tests import midi_files


def sequence(**fields) -> bytes:
    made = midi_files.sequence(midi_files.groove(1))
    for name, value in fields.items():
        setattr(made, name, value)
    return made.SerializeToString()


def write(path: pathlib.Path, contents: list[bytes]) -> pathlib.Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for content in contents:
            tfrecords.write(file, content)
    return path


def test_globs_and_the_names_of_sharded_files_are_found(tmp_path):
    shards = [write(tmp_path / f"a.tfrecord-{number:05d}-of-00012", []) for number in range(12)]
    other = write(tmp_path / "b.tfrecord", [])
    assert sequence_files.find(str(tmp_path / "a.tfrecord")) == shards
    assert sequence_files.find(str(tmp_path / "a.tfrecord-0000?-of-00012")) == shards[:10]
    assert sequence_files.find(str(tmp_path / "*")) == [*shards, other]
    assert sequence_files.find(str(tmp_path / "c.tfrecord")) == []


def test_missing_shards_and_folders_are_errors(tmp_path):
    write(tmp_path / "a.tfrecord-00000-of-00002", [])
    with pytest.raises(ValueError, match=r"a\.tfrecord: 1 of 2 shards are there$"):
        sequence_files.find(str(tmp_path / "a.tfrecord"))
    with pytest.raises(ValueError, match=r"is a folder; give folders one by one, globs are for TFRecords$"):
        sequence_files.find(str(tmp_path.parent / "*"))


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.tfrecord", "train"),
        ("training_seqs.tfrecord", "train"),
        ("eval-00000-of-00001", "validation"),
        ("groove.valid.tfrecord", "validation"),
        ("my_Validation_set.tfrecord", "validation"),
        ("groove-test.tfrecord", "test"),
        ("latest.tfrecord", ""),
        ("contest.tfrecord", ""),
        ("data.tfrecord", ""),
    ],
)
def test_a_word_in_the_files_name_says_the_split(name, split):
    assert sequence_files.split_of(name) == split


def test_records_are_called_what_they_call_themselves_each_another(tmp_path):
    path = write(
        tmp_path / "data.tfrecord",
        [
            sequence(filename="a.mid", id="/id/1"),
            sequence(id="/id/2"),
            sequence(),
            sequence(filename="a.mid"),
            sequence(filename="a.mid (2)"),
            b"\xff no message",
        ],
    )
    found = list(sequence_files.walk([path], "x"))
    assert [record.name for record in found] == [
        "a.mid",
        "/id/2",
        "data.tfrecord record 2",
        "a.mid (2)",
        "a.mid (2) (2)",
        "data.tfrecord record 5",
    ]
    assert note_seq.NoteSequence.FromString(found[1].location.read(0)).id == "/id/2"
    with pytest.raises(ValueError, match=r"^no NoteSequence "):
        found[5].location.read(0)
    assert sequence_files.count([path]) == 6


def test_columns_of_an_earlier_conversion_are_kept_and_say_the_split(tmp_path):
    with_columns = note_seq.NoteSequence(filename="a.mid")
    metadata.write(with_columns, {"style": "rock", "split": "test"}, drums.GM)
    content = with_columns.SerializeToString()
    (record,) = sequence_files.walk([write(tmp_path / "data.tfrecord", [content])], "x")
    assert (record.split, record.columns) == ("test", {"style": "rock", "split": "test"})
    (record,) = sequence_files.walk([write(tmp_path / "train.tfrecord", [content])], "x")
    assert record.split == "train"


def test_damage_in_the_middle_costs_what_comes_after_it_in_this_file(tmp_path):
    path = write(tmp_path / "1.tfrecord", [sequence(filename=f"{number}.mid") for number in range(3)])
    other = write(tmp_path / "2.tfrecord", [sequence(filename="other.mid")])
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4] = b"oops"
    path.write_bytes(content)
    *good, damaged, last = sequence_files.walk([path, other], "x")
    assert [record.name for record in good] == ["0.mid"]
    assert (damaged.name, last.name) == ("1.tfrecord record 1", "other.mid")
    with pytest.raises(
        ValueError, match=r"1\.tfrecord: record 1 is damaged .*; nothing after it in this file is read$"
    ):
        damaged.location.read(0)


def test_compressed_files_are_read(tmp_path):
    path = write(tmp_path / "a.tfrecord", [sequence(filename="a.mid")])
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert [record.name for record in sequence_files.walk([path], "x")] == ["a.mid"]


def test_what_is_no_tfrecord_of_notesequences_is_an_error_at_once(tmp_path):
    path = write(tmp_path / "a.tfrecord", [b"\n\x04\xff\xff\xff\xff"])
    with pytest.raises(ValueError, match=r"a\.tfrecord: a TFRecord, but not of NoteSequences \(") as caught:
        sequence_files.count([path])
    assert str(caught.value).endswith("; a TFDS dataset is given by its name, its folder with --tfds_data_dir")
    path.write_bytes(b"MThd and so on")
    with pytest.raises(ValueError, match=r"a\.tfrecord: record 0 is damaged or this is no TFRecord"):
        sequence_files.count([path])


def test_records_are_labelled_after_the_file_or_after_the_folder_of_several(tmp_path):
    folder = tmp_path / "mine"
    assert sequence_files.label([folder / "lakh.tfrecord"]) == "lakh"
    assert sequence_files.label([folder / "train.tfrecord"]) == "mine"
    assert sequence_files.label([folder / "a.tfrecord-00000-of-00001"]) == "a"
    assert sequence_files.label([folder / "a.tfrecord", folder / "b.tfrecord"]) == "mine"


def test_many_records_of_one_name_are_told_apart_quickly(tmp_path):
    path = tmp_path / "many.tfrecord"
    content = note_seq.NoteSequence(id="same", total_time=1).SerializeToString()
    with path.open("wb") as file:
        for _ in range(20_000):
            tfrecords.write(file, content)
    started = time.process_time()
    names = [source.name for source in sequence_files.walk([path], "many")]
    assert names[:3] == ["same", "same (2)", "same (3)"]
    assert len(set(names)) == 20_000
    assert time.process_time() - started < 15  # One after the other would take a minute, and four for twice as many.
