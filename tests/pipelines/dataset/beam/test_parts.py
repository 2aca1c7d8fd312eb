"""What workers hand on by way of files: complete, in the order of the sources, and read piece by piece."""

from __future__ import annotations

import dataclasses
import importlib.util
import os

import pytest

if importlib.util.find_spec("apache_beam") is None and not os.environ.get("CI"):
    pytest.skip("Apache Beam is not installed; ./run_tests.sh installs it", allow_module_level=True)

from pipelines.dataset import record_set
from pipelines.dataset.beam import parts
from pipelines.dataset.formats import tfrecords
from pipelines.dataset.inputs import remote_folders
from pipelines.dataset.inputs.source import Inline, Source
from pipelines.dataset.performance import Converted
from tests.tallies import kept, skipped


def sources(number: int) -> list[Source]:
    return [Source(f"{n}.mid", "x", "train", "midi", {}, Inline(b"")) for n in range(number)]


def with_record(name: str, split: str = "train") -> Converted:
    return dataclasses.replace(kept(name, split), record=f"of {name}".encode())


@pytest.mark.parametrize(("num_files", "of_a_chunk"), [(5, 16), (33, 16), (5000, 25), (51_300, 256)])
def test_chunks_are_few_and_small_and_keep_the_order(tmp_path, num_files, of_a_chunk):
    chunks = parts.write_chunks(sources(num_files), num_files, str(tmp_path))
    assert [chunk.number for chunk in chunks] == list(range(-(-num_files // of_a_chunk)))
    found = [source for chunk in chunks for source in parts.read_chunk(chunk, str(tmp_path))]
    assert found == sources(num_files)
    assert len(parts.read_chunk(chunks[0], str(tmp_path))) == min(of_a_chunk, num_files)


def test_nothing_is_one_chunk_so_that_its_shards_are_written(tmp_path):
    (chunk,) = parts.write_chunks([], 3, str(tmp_path))
    assert parts.read_chunk(chunk, str(tmp_path)) == []


def test_a_shard_has_the_records_of_all_parts_in_their_order(tmp_path):
    staging = str(tmp_path)
    names = [f"{number}.mid" for number in range(40)]
    keys = [
        set(parts.write_part(number, map(with_record, names[10 * number : 10 * number + 10]), 3, staging))
        for number in (3, 1, 0, 2)
    ]
    assert set.union(*keys) == {("train", 0), ("train", 1), ("train", 2)}
    for shard in range(3):
        parts.write_shard(("train", shard), [2, 0, 3, 1], 3, staging)
        expected = [f"of {name}".encode() for name in names if record_set.shard_of(with_record(name), 3) == shard]
        assert list(tfrecords.read(tmp_path / f"train.tfrecord-{shard:05d}-of-00003")) == expected
        assert len(expected) > 5
    assert parts.count(4, staging).report("in", {})["files_kept"] == 40


def test_what_has_no_record_counts(tmp_path):
    assert parts.write_part(0, [skipped("a.mid", "no notes"), with_record("b.mid", "test")], 1, str(tmp_path)) == [
        ("test", 0)
    ]
    assert parts.write_part(1, [skipped("c.mid", "no drums")], 1, str(tmp_path)) == []
    report = parts.count(2, str(tmp_path)).report("in", {})
    assert report["skipped"] == {"a.mid": "no notes", "c.mid": "no drums"}
    parts.write_shard(("train", 0), [0, 1], 1, str(tmp_path))
    assert (tmp_path / "train.tfrecord").read_bytes() == b""


def test_of_two_workers_at_one_chunk_the_first_ones_part_stays_and_its_shards_are_told(tmp_path):
    staging = str(tmp_path)
    parts.write_part(0, [with_record("a.mid"), with_record("b.mid", "test")], 1, staging)
    assert parts.write_part(0, [with_record("a.mid"), skipped("b.mid", "takes longer")], 1, staging) == [
        ("test", 0),
        ("train", 0),
    ]
    assert parts.count(1, staging).report("in", {})["files_kept"] == 2


def test_records_are_read_piece_by_piece():
    spans = [(0, 10), (10, 5), (20, 1), (21, parts._MAX_READ_BYTES)]
    assert list(parts._joined(spans)) == [(0, 15), (20, 1), (21, parts._MAX_READ_BYTES)]


def test_files_that_are_not_there_are_on_another_disk(tmp_path):
    for read in (
        lambda: parts.read_chunk(parts.Chunk(0, 0, 10), str(tmp_path)),
        lambda: parts.count(1, str(tmp_path)),
        lambda: parts.write_shard(("train", 0), [0], 1, str(tmp_path)),
    ):
        with pytest.raises(ValueError, match=r"to disks of their own; give an --output_dir that all machines share"):
            read()


def test_only_what_is_named_stays(remote):
    staging = f"{remote}/out"
    remote_folders.FileSystems.mkdirs(staging)
    parts.write_chunks(sources(3), 3, staging)
    parts.write_part(0, [with_record("a.mid")], 1, staging)
    parts.write_shard(("train", 0), [0], 1, staging)
    parts.delete_all_but(["train.tfrecord"], staging)
    assert list(remote_folders.walk(staging)) == [f"{staging}/train.tfrecord"]
