"""NoteSequences of TFRecords: which files are found, and what is said of one that cannot be read."""

from __future__ import annotations

import itertools

import pytest

import configs
from models.magenta import tf
from pipelines.dataset.formats import tfrecords
from pipelines.examples import loading, note_sequences
from pipelines.files import atomic
from tests import midi_files
from tests.midi_files import KICK
from tests.pipelines.examples.test_loading import write_records


def test_records_of_a_conversion_that_was_killed_at_its_end_are_found(tmp_path):
    write_records(tmp_path / atomic.COMPLETE_NAME / "a.tfrecord", midi_files.sequence(midi_files.groove(5)))
    (tmp_path / atomic.COMPLETE_NAME / ".manifest").write_text("")
    assert note_sequences.find_records(str(tmp_path / "a.tfrecord")) == [tmp_path / "a.tfrecord"]


def test_shards_and_globs_are_found(tmp_path):
    for number, bars in enumerate((4, 5)):
        sequence = midi_files.sequence(midi_files.groove(bars))
        write_records(tmp_path / f"train.tfrecord-0000{number}-of-00002", sequence)
    config = configs.CONFIG_MAP["hier-drums_4bar_small"]
    for pattern in ("train.tfrecord", "train.tfrecord*", "train.tfrecord-*-of-00002"):
        assert len(loading.load(config, "train", str(tmp_path / pattern))) == 3
    assert len(loading.load(config, "train", str(tmp_path / "train.tfrecord-00001-of-00002"))) == 2


def test_no_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        note_sequences.find_records(str(tmp_path / "*.tfrecord"))
    pattern = f"{tmp_path}/*.tfrecord"
    expected = f"no examples: no file matches --examples_path={pattern}; python -m pipelines.convert makes TFRecords"
    assert str(caught.value) == expected


def test_a_folder_is_an_error_that_says_what_to_give(tmp_path):
    with pytest.raises(ValueError, match=r"is a folder; give a file, as .*/train\.tfrecord$"):
        note_sequences.find_records(str(tmp_path))


def test_neither_path_nor_dataset_is_an_error():
    config = configs.CONFIG_MAP["hier-drums_4bar_small"]._replace(tfds_name=None)
    with pytest.raises(ValueError, match=r"^which data\? --examples_path=GLOB of TFRecords, or --tfds_name=NAME$"):
        loading.load(config, "train", None)


@pytest.mark.parametrize("keep", [3, 20, 0.7])
def test_a_truncated_record_is_named(tmp_path, keep):
    good, cut = (midi_files.sequence(midi_files.groove(bars)) for bars in (4, 5))
    path = write_records(tmp_path / "train.tfrecord", good)
    whole = path.stat().st_size
    write_records(path, good, cut)
    rest = path.stat().st_size - whole
    path.write_bytes(path.read_bytes()[: whole + (keep if keep > 1 else int(keep * rest))])
    with pytest.raises(ValueError, match=f"^{path}: record 1 is damaged or this is no TFRecord") as caught:
        loading.load(configs.CONFIG_MAP["groovae_4bar"], "train", str(path))
    assert str(caught.value).endswith("python -m pipelines.convert writes such files anew")


@pytest.mark.parametrize("content", [b"not a TFRecord, but longer than a header of one", b"MThd\0\0\0\6"])
def test_a_foreign_file_is_named(tmp_path, content):
    path = tmp_path / "train.tfrecord"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{path}: record 0 is damaged or this is no TFRecord"):
        loading.load(configs.CONFIG_MAP["groovae_4bar"], "train", str(path))


def tf_example() -> bytes:
    feature = tf.train.Feature(int64_list=tf.train.Int64List(value=[1]))
    return tf.train.Example(features=tf.train.Features(feature={"a": feature})).SerializeToString()


@pytest.mark.parametrize("content", [b"\xff\xff\xff\xff", b"", tf_example()])
def test_a_record_of_something_else_is_named(tmp_path, content):
    path = tmp_path / "train.tfrecord"
    with path.open("wb") as file:
        tfrecords.write(file, midi_files.sequence([]).SerializeToString())
        tfrecords.write(file, content)
    with pytest.raises(ValueError, match=f"^{path}: record 1 is no NoteSequence; python -m pipelines.convert writes"):
        loading.load(configs.CONFIG_MAP["groovae_4bar"], "train", str(path))


def test_a_caller_that_stops_early_is_no_error(tmp_path):
    path = write_records(tmp_path / "a.tfrecord", *[midi_files.sequence([(0, KICK, 90)])] * 3)
    performances = note_sequences.find(configs.CONFIG_MAP["groovae_4bar"], "train", str(path))
    assert len(list(itertools.islice(performances.read(), 1))) == 1
