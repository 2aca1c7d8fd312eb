"""TFRecords as TensorFlow writes and reads them, and what is said of damaged ones."""

import gzip
import io
import random

import pytest

from models.magenta import tf
from pipelines.dataset.formats import tfrecords

RECORDS = [b"", b"a", bytes(range(256)) * 100, b"last"]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "of TensorFlow.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in RECORDS:
            writer.write(record)
    return path


def test_writes_the_bytes_that_tensorflow_writes(path):
    file = io.BytesIO()
    for record in RECORDS:
        tfrecords.write(file, record)
    assert file.getvalue() == path.read_bytes()


def test_reads_what_tensorflow_wrote(path):
    assert list(tfrecords.read(path)) == RECORDS
    assert tfrecords.count(path) == 4


def test_reads_a_compressed_file(path, tmp_path):
    compressed = tmp_path / "c.tfrecord.gz"
    compressed.write_bytes(gzip.compress(path.read_bytes()))
    assert list(tfrecords.read(compressed)) == RECORDS
    assert tfrecords.count(compressed) == 4


def test_an_empty_file_has_no_records(tmp_path):
    (tmp_path / "empty").touch()
    assert list(tfrecords.read(tmp_path / "empty")) == []


@pytest.mark.parametrize("cut", [1, 4, 6, 15])
def test_a_truncated_file_is_named_with_the_record(path, cut):
    path.write_bytes(path.read_bytes()[:-cut])
    message = r"of TensorFlow\.tfrecord: record 3 is damaged .*the file ends within it"
    with pytest.raises(ValueError, match=message):
        list(tfrecords.read(path))
    with pytest.raises(ValueError, match=message):
        tfrecords.count(path)


def test_any_flipped_bit_is_noticed_at_its_record(path):
    whole, drawn = path.read_bytes(), random.Random(1)
    ends = [16, 33, 33 + 25600 + 16]
    for _ in range(200):
        position = drawn.randrange(len(whole))
        damaged = bytearray(whole)
        damaged[position] ^= 1 << drawn.randrange(8)
        path.write_bytes(damaged)
        number = sum(position >= end for end in ends)
        with pytest.raises(ValueError, match=f"record {number} is damaged"):
            list(tfrecords.read(path))


@pytest.mark.parametrize(
    "content", [b"MThd" + bytes(40), b"PK\x03\x04" + bytes(100), b"\x1f\x8bnot gzip at all", b"short"]
)
def test_another_kind_of_file_is_named(tmp_path, content):
    (tmp_path / "song").write_bytes(content)
    with pytest.raises(ValueError, match="song: record 0 is damaged or this is no TFRecord"):
        list(tfrecords.read(tmp_path / "song"))


def test_a_header_tells_a_record_file(path, tmp_path):
    assert tfrecords.has_header(path)
    path.write_bytes(path.read_bytes()[:20])
    assert tfrecords.has_header(path)
    for content, expected in ((b"", True), (b"short", False), (b"# A text, not a record.\n" * 9, False)):
        (tmp_path / "other").write_bytes(content)
        assert tfrecords.has_header(tmp_path / "other") is expected


def test_the_fingerprint_follows_each_record(path):
    before = tfrecords.fingerprint([path])
    assert before == tfrecords.fingerprint([path])
    content = path.read_bytes()
    file = io.BytesIO()
    for record in [*RECORDS[:-1], b"lost"]:
        tfrecords.write(file, record)
    assert len(file.getvalue()) == len(content)
    path.write_bytes(file.getvalue())
    assert tfrecords.fingerprint([path]) != before
